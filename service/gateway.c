/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "bus.h"
#include "local-socket.h"

struct Gateway {
        sd_event *event;
        char *path;
        void (*room)(void *data, bool there_is);
        void *data;
        int fd;
        /* One that waits until it can be written, with copies of its descriptors. */
        sd_event_source *writable;
        LibvirtClient client;
        int fds[LIBVIRT_CLIENT_FDS];
};

Gateway *gateway_new(sd_event *event, const char *path, void (*room)(void *data, bool there_is), void *data) {
        Gateway *gateway = g_new0(Gateway, 1);
        *gateway = (Gateway){
                .event = event,
                .path = g_strdup(path),
                .room = room,
                .data = data,
                .fd = -1,
                .fds = { -1, -1 },
        };
        return gateway;
}

static void close_now(int *fd) {
        autofd_close(fd);
        *fd = -1;
}

/* The source first: epoll would go on to tell of a copy. */
static void disconnect(Gateway *gateway) {
        gateway->writable = sd_event_source_disable_unref(gateway->writable);
        close_now(&gateway->fd);
}

static void forget_waiting(Gateway *gateway) {
        for (unsigned i = 0; i < LIBVIRT_CLIENT_FDS; i++)
                close_now(&gateway->fds[i]);
}

void gateway_free(Gateway *gateway) {
        disconnect(gateway);
        forget_waiting(gateway);
        g_free(gateway->path);
        g_free(gateway);
}

static ssize_t send_client(int fd, const LibvirtClient *client, const int fds[LIBVIRT_CLIENT_FDS]) {
        return local_socket_send(fd, client, sizeof *client, fds, LIBVIRT_CLIENT_FDS, MSG_DONTWAIT);
}

/* What does not come to an end is not waited for a second time: where it goes wrong its descriptors are closed, which ends it. */
static int on_writable(sd_event_source *source, int fd, uint32_t events, void *data) {
        Gateway *gateway = data;
        (void) source;
        (void) events;
        int r = send_client(fd, &gateway->client, gateway->fds);
        if (r == -EAGAIN)
                return 0;
        if (r < 0)
                disconnect(gateway);
        else
                sd_event_source_set_enabled(gateway->writable, SD_EVENT_OFF);
        forget_waiting(gateway);
        gateway->room(gateway->data, true);
        return 0;
}

static int wait_with(Gateway *gateway, const LibvirtClient *client, const int fds[LIBVIRT_CLIENT_FDS]) {
        int r = gateway->writable ? sd_event_source_set_enabled(gateway->writable, SD_EVENT_ON)
                                  : sd_event_add_io(gateway->event, &gateway->writable, gateway->fd, EPOLLOUT, on_writable,
                                                    gateway);
        gateway->client = *client;
        for (unsigned i = 0; r >= 0 && i < LIBVIRT_CLIENT_FDS; i++) {
                gateway->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
                if (gateway->fds[i] < 0)
                        r = -errno;
        }
        if (r < 0) {
                disconnect(gateway);
                forget_waiting(gateway);
        } else
                gateway->room(gateway->data, false);
        return r;
}

static int send_on(Gateway *gateway, const LibvirtClient *client, const int fds[LIBVIRT_CLIENT_FDS]) {
        if (gateway->fd < 0)
                gateway->fd = local_socket_connect(gateway->path, SOCK_SEQPACKET | SOCK_NONBLOCK);
        int r = gateway->fd < 0 ? gateway->fd : send_client(gateway->fd, client, fds);
        if (r == -EAGAIN && gateway->fd >= 0)
                r = wait_with(gateway, client, fds);
        else if (r < 0)
                disconnect(gateway);
        return r;
}

int gateway_hand_on(Gateway *gateway, const LibvirtClient *client, const int fds[LIBVIRT_CLIENT_FDS]) {
        bool connected = gateway->fd >= 0;
        int r = send_on(gateway, client, fds);
        /* The one that was there has ended; another one is started for the next that connects. */
        bool ended = r == -EPIPE || r == -ECONNRESET;
        return ended && connected ? send_on(gateway, client, fds) : r;
}
