/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "bounds.h"
#include "bus.h"
#include "errors.h"
#include "gateway.h"
#include "log.h"
#include "paths.h"
#include "peer-bus.h"

typedef struct Listener {
        Peers *peers;
        sd_event_source *source;
        const PeerSocket *socket;
} Listener;

typedef struct Peer {
        Peers *peers;
        sd_bus *bus;
        Inlet *inlet;
        Outbox *outbox;
        Caller *caller;
        sd_event_source *process; /* its end */
        PeerKind kind;
        int socket;             /* of a client of libvirt's protocol; -1 for others */
        sd_event_source *hangs; /* then: it closes that */
        GList *link;
        bool waits; /* for its user's other messages, before it may send another one */
        PeerBus client;
} Peer;

struct Peers {
        sd_bus *bus;
        Callers *callers;
        Quota *calls, *unread; /* what users have sent that is not answered, and users have not read of what they asked for */
        PeersCall call;
        PeersLeft left;
        void *data;
        void (*drained)(void *data);
        void *drained_data;
        GPtrArray *listeners;
        Gateway *gateway;
        GQueue all; /* Peer */
        PeersMax max[PEER_KINDS];
        int spare;                                 /* a descriptor, for connections that cannot be kept */
        uint64_t n_refused, n_cut_off, n_given_up; /* so far */
};

/* Connections */

static void peer_free(Peer *peer) {
        Peers *peers = peer->peers;
        g_queue_delete_link(&peers->all, peer->link);
        inlet_free(peer->inlet);
        /* Before the pidfd is closed: polkit has copies, for which epoll would go on to tell of it. */
        peer->process = sd_event_source_disable_unref(peer->process);
        peer->hangs = sd_event_source_disable_unref(peer->hangs);
        autofd_close(&peer->socket);
        if (peer->caller) {
                if (peer->outbox) {
                        peer->caller->outbox = NULL;
                        outbox_free(peer->outbox);
                }
                peers->left(peers->data, peer->caller);
                caller_unref(peer->caller);
        }
        sd_bus_detach_event(peer->bus);
        sd_bus_close_unref(peer->bus);
        g_free(peer);
}

/* Counts what anybody can make happen at any rate; true where it is told of: the first time, the second, the fourth and so on. */
static bool count_and_tell(uint64_t *n) {
        uint64_t before = (*n)++;
        return (before & *n) == 0;
}

static void cut_off(Peer *peer) {
        if (count_and_tell(&peer->peers->n_cut_off))
                log_warning("%s of user %u does not read what it is sent: it is cut off, as %" G_GUINT64_FORMAT " were before",
                            peer->caller->name, (unsigned) peer->caller->uid, peer->peers->n_cut_off - 1);
        peer_free(peer);
}

/* Without those that are closed, of which nothing has been heard yet. */
static unsigned count_of_user(const Peers *peers, PeerKind kind, uid_t uid) {
        unsigned n = 0;
        for (GList *link = peers->all.head; link; link = link->next) {
                const Peer *peer = link->data;
                n += peer->kind == kind && peer->caller && peer->caller->uid == uid && !inlet_is_closed(peer->inlet);
        }
        return n;
}

static unsigned count_of_kind(const Peers *peers, PeerKind kind) {
        unsigned n = 0;
        for (GList *link = peers->all.head; link; link = link->next)
                n += ((const Peer *) link->data)->kind == kind;
        return n;
}

static uint64_t unread(const Peer *peer) {
        uint64_t n = 0;
        return sd_bus_get_n_queued_write(peer->bus, &n) < 0 ? UINT64_MAX : n;
}

/* Calls */

/* Answers a call of who has too many answers unread; these answers count too. */
static int refuse_more(Peer *peer, sd_bus_message *call) {
        g_autoptr(sd_bus_message) answer = NULL;
        uint64_t cookie;
        if (sd_bus_message_get_expect_reply(call) <= 0)
                return 1;
        if (!outbox_has_room(peer->outbox, peer->caller->uid, MESSAGE_BYTES)) {
                cut_off(peer);
                return 1;
        }
        int r = sd_bus_message_new_method_errorf(call, &answer, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                                 "You have not read %d answers yet; read them, then call again.",
                                                 PEER_UNREAD_ANSWERS_MAX);
        if (r >= 0)
                r = sd_bus_send(peer->bus, answer, &cookie);
        if (r >= 0)
                outbox_sent(peer->outbox, peer->caller->uid, MESSAGE_BYTES, cookie);
        return r < 0 ? r : 1;
}

static int on_message(sd_bus_message *message, void *data, sd_bus_error *unused) {
        Peer *peer = data;
        const char *destination = sd_bus_message_get_destination(message), *interface = sd_bus_message_get_interface(message);
        uint8_t type;
        (void) unused;
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected")) {
                peer_free(peer);
                return 1;
        }
        const InletMessage *arrived = inlet_message(peer->inlet);
        if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 1;
        if (unread(peer) > PEER_UNREAD_MAX) {
                cut_off(peer);
                return 1;
        }
        if (unread(peer) > PEER_UNREAD_ANSWERS_MAX)
                return refuse_more(peer, message);
        if (destination && strcmp(destination, PEER_BUS_NAME) == 0)
                return peer_bus_answer(&peer->client, message);
        peer->client.has_called = true;
        if (destination && !peer_bus_is_service(destination))
                return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                                  "There is only " BUS_NAME " on this connection, no '%.255s'.", destination);
        if (g_strcmp0(interface, "org.freedesktop.DBus.Peer") == 0)
                return 0; /* the library's */
        peer->peers->call(peer->peers->data, peer->caller, message, arrived);
        return 1;
}

/* A client's bytes */

/* Who the client says that it is, as D-Bus has it: decimal digits in hexadecimal. */
static char *user_token(uid_t uid) {
        g_autoptr(GString) token = g_string_new(NULL);
        g_autofree char *digits = g_strdup_printf("%u", (unsigned) uid);
        for (const char *digit = digits; *digit; digit++)
                g_string_append_printf(token, "%02x", (unsigned) *digit);
        return g_string_free(g_steal_pointer(&token), FALSE);
}

/* sd-bus reads from an inlet, which is this process's own: it is told this process's user where the client has named its own, and
 * nonsense where it has named another. Who speaks for a client has a user of its own, which it names; whatever it names, its
 * calls are the client's. */
static void on_line(void *data, GString *line) {
        static const char *const claims[] = { "AUTH EXTERNAL ", "DATA " };
        Peer *peer = data;
        for (size_t i = 0; i < G_N_ELEMENTS(claims); i++) {
                size_t length = strlen(claims[i]);
                if (strncmp(line->str, claims[i], length) != 0)
                        continue;
                g_autofree char *own = user_token(peer->caller->uid), *ours = user_token(getuid());
                bool right = peer->kind == PEER_LIBVIRT || g_ascii_strcasecmp(line->str + length, own) == 0;
                g_string_truncate(line, length);
                g_string_append(line, right ? ours : "-");
                return;
        }
}

/* A message that has begun is charged to its user, as one that waits. */
static bool on_begin(void *data, size_t bytes) {
        Peer *peer = data;
        Quota *quota = peer->peers->calls;
        Charge charge = { .bytes = bytes };
        peer->waits = !quota_has_room(quota, peer->caller->uid, &charge, bytes <= MODEST_CALL_BYTES);
        if (!peer->waits)
                quota_take(quota, peer->caller->uid, &charge);
        return !peer->waits;
}

static void on_end(void *data, size_t bytes) {
        Peer *peer = data;
        quota_give_back(peer->peers->calls, peer->caller->uid, &(Charge){ .bytes = bytes });
}

static const InletRules client_rules = {
        .client = true,
        .header_max = HEADER_BYTES_MAX,
        .body_max = BODY_BYTES_MAX,
        .timeout = PEER_TIMEOUT,
        .line = on_line,
        .begin = on_begin,
        .end = on_end,
};

/* Something was given back: messages that wait for that go on. */
static void resume(void *data) {
        Peers *peers = data;
        for (GList *link = peers->all.head; link; link = link->next) {
                Peer *peer = link->data;
                if (peer->waits)
                        inlet_resume(peer->inlet);
        }
}

/* Connections */

/* Its process has ended: whoever else holds the socket now is not who was asked about. */
static int on_process_ended(sd_event_source *source, int fd, uint32_t events, void *data) {
        (void) source;
        (void) fd;
        (void) events;
        peer_free(data);
        return 0;
}

/* It has closed its socket, whoever else has it still: who spoke for it goes on for nobody. */
static int on_hung_up(sd_event_source *source, int fd, uint32_t events, void *data) {
        return on_process_ended(source, fd, events, data);
}

static int watch_socket(Peer *peer) {
        if (peer->kind != PEER_LIBVIRT)
                return 0;
        int r = sd_event_add_io(sd_bus_get_event(peer->peers->bus), &peer->hangs, peer->socket, EPOLLRDHUP, on_hung_up, peer);
        return r < 0 ? r : sd_event_source_set_priority(peer->hangs, SD_EVENT_PRIORITY_IDLE);
}

static int watch(Peer *peer) {
        sd_event *event = sd_bus_get_event(peer->peers->bus);
        int r = sd_bus_add_filter(peer->bus, NULL, on_message, peer);
        if (r >= 0)
                r = sd_bus_start(peer->bus);
        if (r >= 0)
                r = sd_bus_attach_event(peer->bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = inlet_start(peer->inlet);
        if (r >= 0)
                r = watch_socket(peer);
        if (r >= 0)
                r = sd_event_add_io(event, &peer->process, peer->caller->process.pidfd, EPOLLIN, on_process_ended, peer);
        /* After what it has sent before. */
        return r < 0 ? r : sd_event_source_set_priority(peer->process, SD_EVENT_PRIORITY_IDLE);
}

/* Makes a client of libvirt's protocol its connection, and hands the other end on. Its socket, in FD, becomes that connection. */
static int hand_on(Peer *peer, int *fd) {
        int ends[2];
        const LibvirtClient client = {
                .version = LIBVIRT_CLIENT_VERSION,
                .uid = peer->caller->uid,
                .read_only = peer->caller->read_only,
        };
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
                return -errno;
        g_autofd int other = ends[1];
        peer->socket = *fd;
        *fd = ends[0];
        return gateway_hand_on(peer->peers->gateway, &client,
                               (const int[LIBVIRT_CLIENT_FDS]){
                                               [LIBVIRT_CLIENT_SOCKET] = peer->socket,
                                               [LIBVIRT_CLIENT_BUS] = other,
                               });
}

static int peer_open(Peer *peer, Listener *listener, int fd) {
        Peers *peers = peer->peers;
        Identity identity;
        sd_id128_t id;
        g_autofd int owned = fd;
        int r = identity_of_peer(fd, &identity);
        if (r < 0)
                return r;
        bool many = count_of_user(peers, peer->kind, identity.uid) >= peers->max[peer->kind].of_user;
        peer->caller = caller_ref(callers_add_direct(peers->callers, &identity, listener->socket->read_only));
        peer->client.name = peer->caller->name;
        if (many)
                return -EUSERS;
        if (peer->kind == PEER_LIBVIRT)
                r = hand_on(peer, &owned);
        if (r >= 0)
                r = sd_id128_randomize(&id);
        if (r >= 0)
                r = inlet_connect(peer->inlet, peer->bus, steal_fd(&owned));
        if (r >= 0)
                r = sd_bus_set_server(peer->bus, true, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(peer->bus, true);
        if (r >= 0) /* that would wait until all is read */
                r = sd_bus_set_close_on_exit(peer->bus, false);
        if (r < 0)
                return r;
        peer->caller->outbox = peer->outbox = outbox_new(peer->bus, peers->unread, 0);
        return watch(peer);
}

static unsigned count_in(GHashTable *counts, uid_t uid) {
        return GPOINTER_TO_UINT(g_hash_table_lookup(counts, GUINT_TO_POINTER(uid)));
}

/* The user other than NEWCOMER who has most connections, and how many each has. */
static uid_t most_connected(const Peers *peers, PeerKind kind, uid_t newcomer, GHashTable *counts) {
        uid_t user = newcomer;
        for (GList *link = peers->all.head; link; link = link->next) {
                const Peer *peer = link->data;
                uid_t uid = peer->caller->uid;
                if (peer->kind != kind)
                        continue;
                g_hash_table_insert(counts, GUINT_TO_POINTER(uid), GUINT_TO_POINTER(count_in(counts, uid) + 1));
                if (uid != newcomer && (user == newcomer || count_in(counts, uid) > count_in(counts, user)))
                        user = uid;
        }
        return user;
}

/* All places are taken: who has most gives one up to who has fewer, and to root whoever has one. It is one that has not called
 * yet, or else the newest. False where there is none to give up. */
static bool make_place(Peers *peers, PeerKind kind, int fd) {
        struct ucred newcomer;
        socklen_t size = sizeof newcomer;
        g_autoptr(GHashTable) counts = g_hash_table_new(NULL, NULL);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &newcomer, &size) < 0)
                return false;
        uid_t user = most_connected(peers, kind, newcomer.uid, counts);
        bool fewer = count_in(counts, newcomer.uid) + 1 < count_in(counts, user);
        if (user == newcomer.uid || (!fewer && newcomer.uid != 0))
                return false;
        Peer *chosen = NULL;
        for (GList *link = peers->all.tail; link; link = link->prev) {
                Peer *peer = link->data;
                if (peer->kind == kind && peer->caller->uid == user &&
                    (!chosen || (chosen->client.has_called && !peer->client.has_called)))
                        chosen = peer;
        }
        if (count_and_tell(&peers->n_given_up))
                log_warning("there are %u connections: user %u, who has most, gives one up for user %u", peers->max[kind].all,
                            (unsigned) user, (unsigned) newcomer.uid);
        peer_free(chosen);
        return true;
}

/* Takes a connection over; what is wrong with it is told. */
static int welcome(Listener *listener, int fd) {
        Peers *peers = listener->peers;
        g_autofd int owned = fd;
        PeerKind kind = listener->socket->libvirt ? PEER_LIBVIRT : PEER_DIRECT;
        if (count_of_kind(peers, kind) >= peers->max[kind].all && !make_place(peers, kind, owned))
                return -EUSERS;
        Peer *peer = g_new0(Peer, 1);
        int r = sd_bus_new(&peer->bus);
        if (r < 0) {
                g_free(peer);
                return r;
        }
        peer->peers = peers;
        peer->kind = kind;
        peer->socket = -1;
        peer->inlet = inlet_new(&client_rules, peer);
        inlet_on_drained(peer->inlet, peers->drained, peers->drained_data);
        g_queue_push_tail(&peers->all, peer);
        peer->link = peers->all.tail;
        r = peer_open(peer, listener, steal_fd(&owned));
        if (r < 0)
                peer_free(peer);
        return r;
}

/* The process has no descriptor left for a connection, and closes it: the connection would stay ready, and keep the event loop
 * busy. */
static void turn_away(Peers *peers, int fd) {
        autofd_close(&peers->spare);
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        autofd_close(&connection);
        peers->spare = fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *data) {
        Peers *peers = ((Listener *) data)->peers;
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        (void) source;
        (void) events;
        int r = connection < 0 ? -errno : welcome(data, connection);
        if (r == -EMFILE && connection < 0)
                turn_away(peers, fd);
        if (r < 0 && r != -EAGAIN && r != -ECONNABORTED && r != -EINTR && count_and_tell(&peers->n_refused))
                log_warning("a connection was refused, as %" G_GUINT64_FORMAT " were before: %s", peers->n_refused - 1,
                            g_strerror(-r));
        return 0;
}

/* Sockets */

static void listener_free(Listener *listener) {
        sd_event_source_disable_unref(listener->source);
        g_free(listener);
}

Peers *peers_new(sd_bus *bus, Callers *callers, Quota *calls, Quota *unread, const PeersMax max[PEER_KINDS], PeersCall call,
                 PeersLeft left, void *data) {
        Peers *peers = g_new0(Peers, 1);
        *peers = (Peers){
                .bus = bus,
                .callers = callers,
                .calls = calls,
                .unread = unread,
                .max = { max[PEER_DIRECT], max[PEER_LIBVIRT] },
                .spare = -1,
                .call = call,
                .left = left,
                .data = data,
        };
        peers->listeners = g_ptr_array_new_with_free_func((GDestroyNotify) listener_free);
        g_queue_init(&peers->all);
        quota_watch(calls, resume, peers);
        return peers;
}

void peers_on_drained(Peers *peers, void (*drained)(void *data), void *data) {
        peers->drained = drained;
        peers->drained_data = data;
}

void peers_free(Peers *peers) {
        quota_watch(peers->calls, NULL, NULL);
        g_ptr_array_unref(peers->listeners);
        g_clear_pointer(&peers->gateway, gateway_free);
        while (!g_queue_is_empty(&peers->all))
                peer_free(g_queue_peek_head(&peers->all));
        autofd_close(&peers->spare);
        g_free(peers);
}

static bool listen_on(Peers *peers, int fd, const char *name, GError **error) {
        const PeerSocket *socket = peer_socket_of(fd, name, error);
        if (!socket)
                return false;
        Listener *listener = g_new0(Listener, 1);
        *listener = (Listener){ .peers = peers, .socket = socket };
        g_ptr_array_add(peers->listeners, listener);
        if (peers->spare < 0)
                peers->spare = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        int r = sd_event_add_io(sd_bus_get_event(peers->bus), &listener->source, fd, EPOLLIN, on_connection, listener);
        if (r >= 0)
                r = sd_event_source_set_io_fd_own(listener->source, true);
        return r >= 0 || virtbus_error_set_errno(error, -r, "the socket '%s' cannot be watched", socket->name);
}

/* Clients wait to be accepted while nobody takes them. */
static void on_room(void *data, bool there_is) {
        Peers *peers = data;
        for (guint i = 0; i < peers->listeners->len; i++) {
                const Listener *listener = peers->listeners->pdata[i];
                if (listener->socket->libvirt)
                        sd_event_source_set_enabled(listener->source, there_is ? SD_EVENT_ON : SD_EVENT_OFF);
        }
}

bool peers_listen(Peers *peers, const char *gateway, GError **error) {
        g_auto(GStrv) names = NULL;
        int n = sd_listen_fds_with_names(true, &names);
        if (n < 0)
                return virtbus_error_set_errno(error, -n, "the sockets from systemd cannot be taken");
        peers->gateway = gateway_new(sd_bus_get_event(peers->bus), gateway, on_room, peers);
        for (int i = 0; i < n; i++)
                if (!listen_on(peers, SD_LISTEN_FDS_START + i, names[i], error))
                        return false;
        return true;
}

/* Signals */

sd_bus *peers_bus(const Peers *peers) {
        return peers->bus;
}

static int signal_to(Peer *peer, sd_bus_message *signal, size_t bytes) {
        g_autoptr(sd_bus_message) copy = NULL;
        uint64_t cookie;
        int r = sd_bus_message_rewind(signal, true);
        if (r >= 0)
                r = sd_bus_message_new_signal(peer->bus, &copy, sd_bus_message_get_path(signal),
                                              sd_bus_message_get_interface(signal), sd_bus_message_get_member(signal));
        if (r >= 0)
                r = sd_bus_message_set_sender(copy, PEER_BUS_SERVICE);
        if (r >= 0)
                r = sd_bus_message_copy(copy, signal, true);
        if (r >= 0)
                r = sd_bus_send(peer->bus, copy, &cookie);
        if (r >= 0)
                outbox_sent(peer->outbox, peer->caller->uid, bytes, cookie);
        return r;
}

/* The connection of a user that has most unread. */
static Peer *hoarder(const Peers *peers, uid_t uid) {
        Peer *most = NULL;
        for (GList *link = peers->all.head; link; link = link->next) {
                Peer *peer = link->data;
                if (peer->outbox && peer->caller->uid == uid &&
                    (!most || outbox_bytes(peer->outbox) > outbox_bytes(most->outbox)))
                        most = peer;
        }
        return most;
}

/* Makes room for what a peer is to be sent, at the cost of its user's others; false where it is the one who does not read. */
static bool make_room(Peer *peer, size_t bytes, GList **next) {
        uid_t uid = peer->caller->uid;
        Peer *most = peer;
        while (!outbox_has_room(peer->outbox, uid, bytes) && (most = hoarder(peer->peers, uid)) != peer) {
                if (*next && (*next)->data == most)
                        *next = (*next)->next;
                cut_off(most);
        }
        return most == peer ? outbox_has_room(peer->outbox, uid, bytes) : true;
}

static bool is_heard_by(const Peer *peer, bool (*may_hear)(const Caller *caller, void *data), void *data) {
        return peer->caller && peer->outbox && peer_bus_is_heard(&peer->client) && (!may_hear || may_hear(peer->caller, data));
}

bool peers_hear(const Peers *peers, bool (*may_hear)(const Caller *caller, void *data), void *data) {
        for (GList *link = peers->all.head; link; link = link->next)
                if (is_heard_by(link->data, may_hear, data))
                        return true;
        return false;
}

void peers_signal(Peers *peers, sd_bus_message *signal, size_t bytes, bool (*may_hear)(const Caller *caller, void *data),
                  void *data) {
        for (GList *link = peers->all.head, *next; link; link = next) {
                Peer *peer = link->data;
                next = link->next;
                if (!is_heard_by(peer, may_hear, data))
                        continue;
                if (unread(peer) > PEER_UNREAD_MAX || !make_room(peer, MESSAGE_BYTES + bytes, &next) ||
                    signal_to(peer, signal, MESSAGE_BYTES + bytes) < 0)
                        cut_off(peer);
        }
}

bool peers_are_written(const Peers *peers) {
        for (GList *link = peers->all.head; link; link = link->next)
                if (unread(link->data) > 0)
                        return false;
        return true;
}
