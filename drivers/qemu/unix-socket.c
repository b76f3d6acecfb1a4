/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unix-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "bus.h"

#define BACKLOG 1

static int make_address(const char *path, struct sockaddr_un *address) {
        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) > UNIX_PATH_BYTES_MAX)
                return -ENAMETOOLONG;
        strcpy(address->sun_path, path);
        return 0;
}

int unix_listen(const char *path, mode_t mode) {
        struct sockaddr_un address;
        struct stat info;
        int r = make_address(path, &address);
        if (r < 0)
                return r;
        if (lstat(path, &info) == 0 && S_ISSOCK(info.st_mode))
                unlink(path);
        g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address) < 0 || chmod(path, mode) < 0 ||
            listen(fd, BACKLOG) < 0)
                return -errno;
        return steal_fd(&fd);
}

int unix_connect(const char *path) {
        struct sockaddr_un address;
        int r = make_address(path, &address);
        if (r < 0)
                return r;
        g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
                return -errno;
        return steal_fd(&fd);
}
