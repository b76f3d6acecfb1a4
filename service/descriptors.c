/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "descriptors.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void descriptors_close(Descriptors *descriptors) {
        for (unsigned i = 0; i < descriptors->n; i++)
                close(descriptors->list[i]);
        descriptors->n = 0;
}

static void keep(Descriptors *descriptors, struct msghdr *message) {
        for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
                if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int descriptor;
                        memcpy(&descriptor, CMSG_DATA(control) + i * sizeof descriptor, sizeof descriptor);
                        if (descriptors->n < DESCRIPTORS_PER_MESSAGE_MAX)
                                descriptors->list[descriptors->n++] = descriptor;
                        else {
                                close(descriptor);
                                descriptors->lost = true;
                        }
                }
        }
        descriptors->lost |= (message->msg_flags & MSG_CTRUNC) != 0;
}

ssize_t descriptors_receive(Descriptors *descriptors, int socket, void *buffer, size_t size) {
        alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * DESCRIPTORS_PER_MESSAGE_MAX)];
        struct iovec piece = { .iov_base = buffer, .iov_len = size };
        struct msghdr message = {
                .msg_iov = &piece,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof control,
        };
        ssize_t n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        keep(descriptors, &message);
        return n == 0 ? -ECONNRESET : n;
}

ssize_t descriptors_send(Descriptors *descriptors, int socket, const void *bytes, size_t size) {
        alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * DESCRIPTORS_PER_MESSAGE_MAX)] = { 0 };
        struct iovec piece = { .iov_base = (void *) bytes, .iov_len = size };
        struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
        if (descriptors->n > 0) {
                size_t n = sizeof(int) * descriptors->n;
                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(n);
                struct cmsghdr *header = CMSG_FIRSTHDR(&message);
                *header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(header), descriptors->list, n);
        }
        ssize_t n = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
                return -errno;
        descriptors_close(descriptors);
        return n;
}
