/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "bounds.h"
#include "bus.h"
#include "errors.h"
#include "log.h"
#include "paths.h"

#define DBUS_NAME "org.freedesktop.DBus"

/* The service's unique name on a peer's connection. */
#define SERVICE_UNIQUE_NAME ":peer.0"

/* org.freedesktop.DBus.StartServiceByName: it runs already. */
#define ALREADY_RUNNING 2u

typedef struct Listener {
        Peers *peers;
        sd_event_source *source;
        bool read_only;
} Listener;

typedef struct Peer {
        Peers *peers;
        sd_bus *bus;
        Caller *caller;
        sd_event_source *source;
        GList *link;
        bool has_called;    /* before that it is not known which of both it is: nothing may come before Hello's answer */
        bool greeted;       /* it takes the connection for a bus */
        unsigned n_matches; /* then: it wants signals where there are any */
} Peer;

struct Peers {
        sd_bus *bus;
        Callers *callers;
        PeersCall call;
        void *data;
        GPtrArray *listeners;
        GQueue all; /* Peer */
};

/* Connections */

static void peer_free(Peer *peer) {
        g_queue_delete_link(&peer->peers->all, peer->link);
        callers_left(peer->peers->callers, peer->caller->name);
        caller_unref(peer->caller);
        sd_event_source_disable_unref(peer->source);
        sd_bus_close_unref(peer->bus);
        g_free(peer);
}

static unsigned count_of_user(const Peers *peers, uid_t uid) {
        unsigned n = 0;
        for (GList *link = peers->all.head; link; link = link->next)
                n += ((Peer *) link->data)->caller->uid == uid;
        return n;
}

/* When a process started, in clock ticks since the machine did: with its ID it names just this one. 0 where that is hidden. */
static uint64_t start_time_of(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int) pid), *text = NULL;
        if (!g_file_get_contents(path, &text, NULL, NULL))
                return 0;
        /* proc(5): the name, which may hold anything, ends with the last ')'; the time is the 20th field after it. */
        const char *at = strrchr(text, ')');
        for (int field = 0; at && field < 20; field++)
                at = strchr(at + 1, ' ');
        return at ? g_ascii_strtoull(at, NULL, 10) : 0;
}

static uint64_t unread(const Peer *peer) {
        uint64_t n = 0;
        return sd_bus_get_n_queued_write(peer->bus, &n) < 0 ? UINT64_MAX : n;
}

/* The bus that a client expects */

static bool is_service(const char *name) {
        return strcmp(name, BUS_NAME) == 0 || strcmp(name, SERVICE_UNIQUE_NAME) == 0;
}

static int answer_hello(Peer *peer, sd_bus_message *call, const char *name) {
        (void) name;
        if (peer->has_called)
                return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_FAILED, "Hello is the first call, and called once.");
        peer->greeted = true;
        return sd_bus_reply_method_return(call, "s", peer->caller->name);
}

static int answer_add_match(Peer *peer, sd_bus_message *call, const char *rule) {
        (void) rule; /* everything is sent: its library picks what it wants */
        peer->n_matches++;
        return sd_bus_reply_method_return(call, "");
}

static int answer_remove_match(Peer *peer, sd_bus_message *call, const char *rule) {
        (void) rule;
        peer->n_matches -= peer->n_matches > 0;
        return sd_bus_reply_method_return(call, "");
}

static int answer_get_name_owner(Peer *peer, sd_bus_message *call, const char *name) {
        if (is_service(name))
                return sd_bus_reply_method_return(call, "s", SERVICE_UNIQUE_NAME);
        if (strcmp(name, DBUS_NAME) == 0 || strcmp(name, peer->caller->name) == 0)
                return sd_bus_reply_method_return(call, "s", name);
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                          "There is only " BUS_NAME " on this connection, no '%.255s'.", name);
}

static int answer_name_has_owner(Peer *peer, sd_bus_message *call, const char *name) {
        return sd_bus_reply_method_return(call, "b",
                                          is_service(name) || strcmp(name, DBUS_NAME) == 0 ||
                                                          strcmp(name, peer->caller->name) == 0);
}

static int answer_list_names(Peer *peer, sd_bus_message *call, const char *name) {
        (void) name;
        return sd_bus_reply_method_return(call, "as", 4, DBUS_NAME, BUS_NAME, SERVICE_UNIQUE_NAME, peer->caller->name);
}

static int answer_list_activatable_names(Peer *peer, sd_bus_message *call, const char *name) {
        (void) peer;
        (void) name;
        return sd_bus_reply_method_return(call, "as", 0);
}

static int answer_start_service(Peer *peer, sd_bus_message *call, const char *name) {
        return is_service(name) ? sd_bus_reply_method_return(call, "u", ALREADY_RUNNING)
                                : answer_get_name_owner(peer, call, name);
}

static int answer_get_id(Peer *peer, sd_bus_message *call, const char *name) {
        sd_id128_t id;
        (void) name;
        int r = sd_bus_get_bus_id(peer->bus, &id);
        return r < 0 ? r : sd_bus_reply_method_return(call, "s", SD_ID128_TO_STRING(id));
}

static const struct {
        const char *member, *signature;
        int (*answer)(Peer *peer, sd_bus_message *call, const char *argument);
} bus_methods[] = {
        { "Hello", "", answer_hello },
        { "AddMatch", "s", answer_add_match },
        { "RemoveMatch", "s", answer_remove_match },
        { "GetNameOwner", "s", answer_get_name_owner },
        { "NameHasOwner", "s", answer_name_has_owner },
        { "ListNames", "", answer_list_names },
        { "ListActivatableNames", "", answer_list_activatable_names },
        { "StartServiceByName", "su", answer_start_service },
        { "GetId", "", answer_get_id },
};

static int answer_as_bus(Peer *peer, sd_bus_message *call) {
        const char *argument = "";
        for (size_t i = 0; i < G_N_ELEMENTS(bus_methods); i++) {
                if (!sd_bus_message_is_method_call(call, DBUS_NAME, bus_methods[i].member) ||
                    !sd_bus_message_has_signature(call, bus_methods[i].signature))
                        continue;
                int r = bus_methods[i].signature[0] ? sd_bus_message_read(call, "s", &argument) : 0;
                return r < 0 ? r : bus_methods[i].answer(peer, call, argument);
        }
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_UNKNOWN_METHOD,
                                          "This connection has no bus behind it that knows '%s'.",
                                          sd_bus_message_get_member(call));
}

/* Calls */

static int on_message(sd_bus_message *message, void *data, sd_bus_error *unused) {
        Peer *peer = data;
        const char *destination = sd_bus_message_get_destination(message), *interface = sd_bus_message_get_interface(message);
        uint8_t type;
        (void) unused;
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected")) {
                peer_free(peer);
                return 1;
        }
        if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 1;
        if (unread(peer) > PEER_UNREAD_MAX) {
                log_warning("%s of user %u does not read what it is sent: it is cut off", peer->caller->name,
                            (unsigned) peer->caller->uid);
                peer_free(peer);
                return 1;
        }
        if (unread(peer) > PEER_UNREAD_ANSWERS_MAX)
                return sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                                  "You have not read %d answers yet; read them, then call again.",
                                                  PEER_UNREAD_ANSWERS_MAX);
        if (destination && strcmp(destination, DBUS_NAME) == 0) {
                int r = answer_as_bus(peer, message);
                peer->has_called = true;
                return r;
        }
        peer->has_called = true;
        if (destination && !is_service(destination))
                return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                                  "There is only " BUS_NAME " on this connection, no '%.255s'.", destination);
        if (g_strcmp0(interface, "org.freedesktop.DBus.Peer") == 0)
                return 0; /* the library's */
        peer->peers->call(peer->peers->data, peer->caller, message);
        return 1;
}

/* The library's own way to attach a bus to an event loop handles one message for each event of the socket. Here that is not
 * enough: what a client sends together with the end of its authentication is in the library's buffer, and no event tells of it. */

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data) {
        Peer *peer = data;
        sd_bus *bus = sd_bus_ref(peer->bus); /* the peer may go away meanwhile */
        (void) source;
        (void) fd;
        (void) events;
        for (unsigned n = 0; n < PEER_MESSAGES_AT_ONCE && sd_bus_process(bus, NULL) > 0; n++)
                ;
        sd_bus_unref(bus);
        return 0;
}

static int on_prepare(sd_event_source *source, void *data) {
        Peer *peer = data;
        int events = sd_bus_get_events(peer->bus);
        return sd_event_source_set_io_events(source, events < 0 ? EPOLLIN : (uint32_t) events);
}

/* Takes a connection over; what is wrong with it is told. */
static int welcome(Listener *listener, int fd) {
        Peers *peers = listener->peers;
        struct ucred credentials;
        socklen_t size = sizeof credentials;
        sd_id128_t id;
        g_autoptr(sd_bus) bus = NULL;
        g_autofd int owned = fd;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;
        if (g_queue_get_length(&peers->all) >= PEERS_MAX || count_of_user(peers, credentials.uid) >= PEERS_PER_USER_MAX)
                return -EUSERS;
        int r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                return r;
        steal_fd(&owned);
        r = sd_bus_set_server(bus, true, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r < 0)
                return r;
        Peer *peer = g_new0(Peer, 1);
        *peer = (Peer){ .peers = peers, .bus = g_steal_pointer(&bus) };
        peer->caller = caller_ref(callers_add_direct(peers->callers, credentials.uid, credentials.pid,
                                                     start_time_of(credentials.pid), listener->read_only));
        g_queue_push_tail(&peers->all, peer);
        peer->link = peers->all.tail;
        r = sd_bus_add_filter(peer->bus, NULL, on_message, peer);
        if (r >= 0)
                r = sd_bus_start(peer->bus);
        if (r >= 0)
                r = sd_event_add_io(sd_bus_get_event(peers->bus), &peer->source, fd, EPOLLIN, on_io, peer);
        if (r >= 0)
                r = sd_event_source_set_prepare(peer->source, on_prepare);
        if (r < 0)
                peer_free(peer);
        return r;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *data) {
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        (void) source;
        (void) events;
        int r = connection < 0 ? -errno : welcome(data, connection);
        if (r < 0 && r != -EAGAIN && r != -ECONNABORTED && r != -EINTR)
                log_warning("a connection was refused: %s", g_strerror(-r));
        return 0;
}

/* Sockets */

static void listener_free(Listener *listener) {
        sd_event_source_disable_unref(listener->source);
        g_free(listener);
}

Peers *peers_new(sd_bus *bus, Callers *callers, PeersCall call, void *data) {
        Peers *peers = g_new0(Peers, 1);
        *peers = (Peers){ .bus = bus, .callers = callers, .call = call, .data = data };
        peers->listeners = g_ptr_array_new_with_free_func((GDestroyNotify) listener_free);
        g_queue_init(&peers->all);
        return peers;
}

void peers_free(Peers *peers) {
        g_ptr_array_unref(peers->listeners);
        while (!g_queue_is_empty(&peers->all)) {
                Peer *peer = g_queue_peek_head(&peers->all);
                sd_bus_flush(peer->bus);
                peer_free(peer);
        }
        g_free(peers);
}

/* Where a socket has no name: that of its file, without what follows a '.' or "-sock". */
static char *name_of_path(int fd) {
        struct sockaddr_un address = { 0 };
        socklen_t size = sizeof address;
        if (getsockname(fd, (struct sockaddr *) &address, &size) < 0 || size <= offsetof(struct sockaddr_un, sun_path) ||
            !address.sun_path[0])
                return g_strdup("");
        g_autofree char *path = g_strndup(address.sun_path, size - offsetof(struct sockaddr_un, sun_path)),
                        *name = g_path_get_basename(path);
        g_auto(GStrv) parts = g_strsplit(name, ".", 2);
        bool old = g_str_has_suffix(parts[0], "-sock");
        return old ? g_strndup(parts[0], strlen(parts[0]) - strlen("-sock")) : g_strdup(parts[0]);
}

static bool listen_on(Peers *peers, int fd, const char *name, GError **error) {
        /* What systemd's library says where LISTEN_FDNAMES is missing. */
        bool unnamed = strcmp(name, "unknown") == 0;
        g_autofree char *own = unnamed ? name_of_path(fd) : g_strdup(name);
        bool full = strcmp(own, PEERS_SOCKET) == 0, read_only = strcmp(own, PEERS_SOCKET_READ_ONLY) == 0;
        if (!full && !read_only)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "a socket %s '%s' is not known: set FileDescriptorName=" PEERS_SOCKET
                                         " or " PEERS_SOCKET_READ_ONLY " in its unit",
                                         unnamed ? "whose file is called" : "named", own);
        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "the socket '%s' is no Unix stream socket that listens", own);
        Listener *listener = g_new0(Listener, 1);
        *listener = (Listener){ .peers = peers, .read_only = read_only };
        g_ptr_array_add(peers->listeners, listener);
        int r = sd_event_add_io(sd_bus_get_event(peers->bus), &listener->source, fd, EPOLLIN, on_connection, listener);
        if (r >= 0)
                r = sd_event_source_set_io_fd_own(listener->source, true);
        return r >= 0 || virtbus_error_set_errno(error, -r, "the socket '%s' cannot be watched", own);
}

bool peers_listen(Peers *peers, GError **error) {
        g_auto(GStrv) names = NULL;
        int n = sd_listen_fds_with_names(true, &names);
        if (n < 0)
                return virtbus_error_set_errno(error, -n, "the sockets from systemd cannot be taken");
        for (int i = 0; i < n; i++)
                if (!listen_on(peers, SD_LISTEN_FDS_START + i, names[i], error))
                        return false;
        return true;
}

/* Signals */

sd_bus *peers_bus(const Peers *peers) {
        return peers->bus;
}

static int signal_to(Peer *peer, sd_bus_message *signal) {
        g_autoptr(sd_bus_message) copy = NULL;
        int r = sd_bus_message_rewind(signal, true);
        if (r >= 0)
                r = sd_bus_message_new_signal(peer->bus, &copy, sd_bus_message_get_path(signal),
                                              sd_bus_message_get_interface(signal), sd_bus_message_get_member(signal));
        if (r >= 0)
                r = sd_bus_message_set_sender(copy, SERVICE_UNIQUE_NAME);
        if (r >= 0)
                r = sd_bus_message_copy(copy, signal, true);
        return r < 0 ? r : sd_bus_send(peer->bus, copy, NULL);
}

int peers_signal(Peers *peers, sd_bus_message *signal) {
        int result = sd_bus_send(peers->bus, signal, NULL);
        for (GList *link = peers->all.head, *next; result >= 0 && link; link = next) {
                Peer *peer = link->data;
                next = link->next;
                if (!peer->has_called || (peer->greeted && peer->n_matches == 0))
                        continue;
                if (unread(peer) > PEER_UNREAD_MAX || signal_to(peer, signal) < 0) {
                        log_warning("%s of user %u does not read what it is sent: it is cut off", peer->caller->name,
                                    (unsigned) peer->caller->uid);
                        peer_free(peer);
                }
        }
        return result;
}
