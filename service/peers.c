/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "bounds.h"
#include "bus.h"
#include "errors.h"
#include "log.h"
#include "peer-socket.h"
#include "peer.h"

typedef struct Listener {
        Peers *peers;
        sd_event_source *source;
        const PeerSocket *socket;
} Listener;

/* Places */

static unsigned count_of_kind(const Peers *peers, PeerKind kind) {
        unsigned n = 0;
        for (GList *link = peers->all.head; link; link = link->next)
                n += ((const Peer *) link->data)->kind == kind;
        return n;
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
        if (peer_count_and_tell(&peers->n_given_up))
                log_warning("there are %u connections: user %u, who has most, gives one up for user %u", peers->max[kind].all,
                            (unsigned) user, (unsigned) newcomer.uid);
        peer_free(chosen);
        return true;
}

/* Connections */

/* Takes a connection over; what is wrong with it is told. */
static int welcome(Listener *listener, int fd) {
        Peers *peers = listener->peers;
        g_autofd int owned = fd;
        PeerKind kind = listener->socket->libvirt ? PEER_LIBVIRT : PEER_DIRECT;
        if (count_of_kind(peers, kind) >= peers->max[kind].all && !make_place(peers, kind, owned))
                return -EUSERS;
        return peer_begin(peers, kind, listener->socket->read_only, steal_fd(&owned));
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
        if (r < 0 && r != -EAGAIN && r != -ECONNABORTED && r != -EINTR && peer_count_and_tell(&peers->n_refused))
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
        quota_watch(calls, peer_resume_all, peers);
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
