/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"
#include "local-socket.h"

/* Drivers that may have connected before it looks. */
#define BACKLOG 2

static int make_socket(const char *path, struct sockaddr_un *address, GError **error) {
        if (local_socket_address(path, address) < 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the path %s is too long for a socket", path);
                return -1;
        }
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
        LocalFds fds = { .n = 0 };
        ssize_t n = local_socket_receive(socket, text, CONTAINER_MESSAGE_BYTES_MAX, &fds, 1, MSG_DONTWAIT, NULL);
        *fd = fds.n > 0 ? fds.list[0] : -1;
        if (n <= 0)
                return n == -EAGAIN || n == -EINTR ? 0 : -1;
        text[n] = '\0';
        return 1;
}

bool container_socket_send(int socket, const char *text, int fd) {
        return local_socket_send(socket, text, strlen(text), &fd, 1, MSG_DONTWAIT) >= 0;
}

bool container_socket_say(int socket, const char *text) {
        return local_socket_send(socket, text, strlen(text), NULL, 0, MSG_DONTWAIT) >= 0;
}
