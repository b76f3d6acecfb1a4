/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "bounds.h"
#include "bus.h"
#include "errors.h"
#include "log.h"
#include "paths.h"

/* Its end */

void peer_free(Peer *peer) {
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

bool peer_count_and_tell(uint64_t *n) {
        uint64_t before = (*n)++;
        return (before & *n) == 0;
}

void peer_cut_off(Peer *peer) {
        if (peer_count_and_tell(&peer->peers->n_cut_off))
                log_warning("%s of user %u does not read what it is sent: it is cut off, as %" G_GUINT64_FORMAT " were before",
                            peer->caller->name, (unsigned) peer->caller->uid, peer->peers->n_cut_off - 1);
        peer_free(peer);
}

uint64_t peer_unread(const Peer *peer) {
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
                peer_cut_off(peer);
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
        if (peer_unread(peer) > PEER_UNREAD_MAX) {
                peer_cut_off(peer);
                return 1;
        }
        if (peer_unread(peer) > PEER_UNREAD_ANSWERS_MAX)
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

void peer_resume_all(void *data) {
        Peers *peers = data;
        for (GList *link = peers->all.head; link; link = link->next) {
                Peer *peer = link->data;
                if (peer->waits)
                        inlet_resume(peer->inlet);
        }
}

/* Its beginning */

/* Without those that are closed, of which nothing has been heard yet. */
static unsigned count_of_user(const Peers *peers, PeerKind kind, uid_t uid) {
        unsigned n = 0;
        for (GList *link = peers->all.head; link; link = link->next) {
                const Peer *peer = link->data;
                n += peer->kind == kind && peer->caller && peer->caller->uid == uid && !inlet_is_closed(peer->inlet);
        }
        return n;
}

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

static int peer_open(Peer *peer, bool read_only, int fd) {
        Peers *peers = peer->peers;
        Identity identity;
        sd_id128_t id;
        g_autofd int owned = fd;
        int r = identity_of_peer(fd, &identity);
        if (r < 0)
                return r;
        bool many = count_of_user(peers, peer->kind, identity.uid) >= peers->max[peer->kind].of_user;
        peer->caller = caller_ref(callers_add_direct(peers->callers, &identity, read_only));
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

int peer_begin(Peers *peers, PeerKind kind, bool read_only, int fd) {
        g_autofd int owned = fd;
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
        r = peer_open(peer, read_only, steal_fd(&owned));
        if (r < 0)
                peer_free(peer);
        return r;
}
