/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "local-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef union Control {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * LOCAL_SOCKET_FDS_MAX)];
} Control;

void local_fds_close(LocalFds *fds) {
        for (unsigned i = 0; i < fds->n; i++)
                close(fds->list[i]);
        fds->n = 0;
}

int local_socket_address(const char *path, struct sockaddr_un *address) {
        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof address->sun_path)
                return -ENAMETOOLONG;
        strcpy(address->sun_path, path);
        return 0;
}

int local_socket_connect(const char *path, int type) {
        struct sockaddr_un address;
        int r = local_socket_address(path, &address);
        int fd = r < 0 ? r : socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (r == 0 && (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address) < 0)) {
                r = -errno;
                if (fd >= 0)
                        close(fd);
        }
        return r < 0 ? r : fd;
}

ssize_t local_socket_send_parts(int socket, const struct iovec *parts, size_t n_parts, const int *fds, unsigned n_fds,
                                int flags) {
        Control control = { 0 };
        struct msghdr message = { .msg_iov = (struct iovec *) parts, .msg_iovlen = n_parts };
        if (n_fds > LOCAL_SOCKET_FDS_MAX)
                return -E2BIG;
        if (n_fds > 0) {
                size_t size = sizeof(int) * n_fds;
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(size);
                control.header =
                                (struct cmsghdr){ .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.header), fds, size);
        }
        ssize_t n = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
}

ssize_t local_socket_send(int socket, const void *bytes, size_t size, const int *fds, unsigned n_fds, int flags) {
        return local_socket_send_parts(socket, &(struct iovec){ (void *) bytes, size }, 1, fds, n_fds, flags);
}

/* A message may carry several lists of them. */
static void keep(LocalFds *fds, unsigned n_fds_max, struct msghdr *message) {
        for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
                if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
                        if (fds->n < n_fds_max) {
                                fds->list[fds->n++] = fd;
                        } else {
                                close(fd);
                                fds->lost = true;
                        }
                }
        }
        fds->lost |= (message->msg_flags & MSG_CTRUNC) != 0;
}

ssize_t local_socket_receive(int socket, void *buffer, size_t size, LocalFds *fds, unsigned n_fds_max, int flags,
                             int *flags_out) {
        Control control;
        struct iovec part = { buffer, size };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        ssize_t n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return -errno;
        keep(fds, n_fds_max, &message);
        if (flags_out)
                *flags_out = message.msg_flags;
        return n;
}
