/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/descriptor.h"

#include <string.h>
#include <sys/socket.h>

/* With room for one alone: others are closed by the kernel. */
typedef union Control {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
} Control;

bool descriptor_send(int socket, int fd) {
        Control control = { 0 };
        char byte = 0;
        struct iovec part = { &byte, 1 };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
        return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

int descriptor_receive(int socket) {
        Control control = { 0 };
        char byte;
        struct iovec part = { &byte, 1 };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        int fd = -1;
        if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
                return -1;
        const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
            header->cmsg_len == CMSG_LEN(sizeof fd))
                memcpy(&fd, CMSG_DATA(header), sizeof fd);
        return fd;
}
