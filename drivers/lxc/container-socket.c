/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"

/* Drivers that may have connected before it looks. */
#define BACKLOG 2

typedef union Control {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
} Control;

static int make_socket(const char *path, struct sockaddr_un *address, GError **error) {
        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof address->sun_path) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the path %s is too long for a socket", path);
                return -1;
        }
        strcpy(address->sun_path, path);
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                virtbus_error_set_errno(error, errno, "the socket %s cannot be made", path);
        return fd;
}

int container_socket_listen(const char *path, GError **error) {
        struct sockaddr_un address;
        g_autofd int fd = make_socket(path, &address, error);
        if (fd < 0)
                return -1;
        unlink(path);
        if (bind(fd, (struct sockaddr *) &address, sizeof address) == 0 && chmod(path, 0600) == 0 && listen(fd, BACKLOG) == 0)
                return steal_fd(&fd);
        virtbus_error_set_errno(error, errno, "cannot listen at %s", path);
        return -1;
}

int container_socket_connect(const char *path, GError **error) {
        struct sockaddr_un address;
        g_autofd int fd = make_socket(path, &address, error);
        if (fd < 0)
                return -1;
        if (connect(fd, (struct sockaddr *) &address, sizeof address) == 0)
                return steal_fd(&fd);
        virtbus_error_set_errno(error, errno, "cannot connect to %s", path);
        return -1;
}

int container_socket_receive(int socket, char *text, int *fd) {
        struct iovec part = { .iov_base = text, .iov_len = CONTAINER_MESSAGE_BYTES_MAX };
        Control control;
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
        *fd = -1;
        if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof *fd))
                memcpy(fd, CMSG_DATA(header), sizeof *fd);
        if (n <= 0)
                return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
        text[n] = '\0';
        return 1;
}

bool container_socket_send(int socket, const char *text, int fd) {
        struct iovec part = { .iov_base = (void *) text, .iov_len = strlen(text) };
        Control control = { 0 };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
        return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}
