/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handed.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libvirt-client.h"

/* Takes the descriptors out of a message: returns how many there are; those beyond what is looked for are closed. */
static unsigned int take_fds(struct msghdr *message, int fds[LIBVIRT_CLIENT_FDS]) {
        unsigned int n = 0;
        for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
                if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++, n++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
                        if (n < LIBVIRT_CLIENT_FDS)
                                fds[n] = fd;
                        else
                                close(fd);
                }
        }
        return n;
}

int handed_take(int fd, Origin *origin) {
        LibvirtClient client;
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(LIBVIRT_CLIENT_FDS * sizeof(int))];
        } control;
        struct iovec part = { .iov_base = &client, .iov_len = sizeof client };
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof control.space,
        };
        int fds[LIBVIRT_CLIENT_FDS];
        ssize_t size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (size <= 0)
                return size < 0 ? -errno : 0;
        unsigned int n = take_fds(&message, fds);
        bool whole = size == sizeof client && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && n == LIBVIRT_CLIENT_FDS &&
                     client.version == LIBVIRT_CLIENT_VERSION;
        if (whole)
                *origin = (Origin){
                        .socket = fds[LIBVIRT_CLIENT_SOCKET],
                        .bus = fds[LIBVIRT_CLIENT_BUS],
                        .trusted = client.uid == 0,
                        .read_only = client.read_only != 0,
                };
        else
                for (unsigned int i = 0; i < MIN(n, LIBVIRT_CLIENT_FDS); i++)
                        close(fds[i]);
        return whole ? 1 : -EPROTO;
}
