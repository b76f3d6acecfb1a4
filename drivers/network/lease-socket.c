/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/lease-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"
#include "local-socket.h"
#include "log.h"

/* How many messages are read before anybody else has a turn. */
#define MESSAGES_AT_ONCE 64

struct LeaseSocket {
        int fd;
        char *path;
        uid_t uid;
        sd_event_source *source;
        LeaseHeard heard;
        void *data;
        bool has_complained; /* of a stranger's message: once */
};

char *lease_socket_path(const char *folder) {
        return g_build_filename(folder, "leases", NULL);
}

static void complain(LeaseSocket *socket, const char *what) {
        if (!socket->has_complained)
                log_error("a message about leases is passed over, as others will be: %s", what);
        socket->has_complained = true;
}

/* Whether a message is of the user of dnsmasq. */
static bool is_of_dnsmasq(const LeaseSocket *socket, struct msghdr *header) {
        for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
                struct ucred sender;
                if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS)
                        continue;
                memcpy(&sender, CMSG_DATA(part), sizeof sender);
                return sender.uid == socket->uid;
        }
        return false;
}

/* False where there is none. Descriptors that come with one find no place: the kernel closes them. */
static bool take_one(LeaseSocket *socket) {
        char bytes[LEASE_MESSAGE_BYTES_MAX], control[CMSG_SPACE(sizeof(struct ucred))];
        struct iovec vector = { bytes, sizeof bytes };
        struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
        g_autofree char *uuid = NULL;
        bool is_over = false;
        ssize_t n = recvmsg(socket->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EINTR;
        bool is_theirs = is_of_dnsmasq(socket, &header);
        Lease *lease = is_theirs && !(header.msg_flags & MSG_TRUNC) ? lease_read_message(bytes, (size_t) n, &uuid, &is_over)
                                                                    : NULL;
        if (lease)
                socket->heard(socket->data, uuid, lease, is_over);
        else
                complain(socket, is_theirs ? "it is not of their form" : "its sender is not the user of dnsmasq");
        return true;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data) {
        (void) source;
        (void) fd;
        (void) events;
        for (unsigned i = 0; i < MESSAGES_AT_ONCE && take_one(data); i++)
                ;
        return 0;
}

/* There is one of an earlier driver. */
static bool bind_socket(const LeaseSocket *socket, gid_t gid) {
        struct sockaddr_un address;
        int r = local_socket_address(socket->path, &address);
        if (r < 0) {
                errno = -r;
                return false;
        }
        unlink(socket->path);
        mode_t mask = umask(0777);
        bool is_bound = bind(socket->fd, (const struct sockaddr *) &address, sizeof address) == 0;
        umask(mask);
        return is_bound && chown(socket->path, (uid_t) -1, gid) == 0 && chmod(socket->path, 0620) == 0;
}

LeaseSocket *lease_socket_new(sd_event *event, const char *folder, uid_t uid, gid_t gid, LeaseHeard heard, void *data,
                              GError **error) {
        g_autoptr(LeaseSocket) new = g_new0(LeaseSocket, 1);
        *new = (LeaseSocket){ .path = lease_socket_path(folder), .uid = uid, .heard = heard, .data = data };
        const int on = 1;
        new->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (new->fd < 0 || setsockopt(new->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 || !bind_socket(new, gid)) {
                virtbus_error_set_errno(error, errno, "socket %s cannot be made", new->path);
                return NULL;
        }
        int r = sd_event_add_io(event, &new->source, new->fd, EPOLLIN, on_readable, new);
        if (r >= 0)
                return g_steal_pointer(&new);
        virtbus_error_set_errno(error, -r, "socket %s cannot be watched", new->path);
        return NULL;
}

void lease_socket_free(LeaseSocket *socket) {
        socket->source = sd_event_source_disable_unref(socket->source);
        autofd_close(&socket->fd);
        g_free(socket->path);
        g_free(socket);
}
