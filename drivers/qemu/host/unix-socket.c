/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/unix-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/walk.h"
#include "bus.h"

#define BACKLOG 1

/* How many connections of others may come before our own when a new socket is made sure of. */
#define STRANGERS_MAX 16

UnixSocket *unix_socket_new(const char *path, uint64_t device, uint64_t inode) {
        UnixSocket *socket = g_new0(UnixSocket, 1);
        *socket = (UnixSocket){ .path = g_strdup(path), .device = device, .inode = inode };
        return socket;
}

UnixSocket *unix_socket_copy(const UnixSocket *socket) {
        return unix_socket_new(socket->path, socket->device, socket->inode);
}

void unix_socket_free(UnixSocket *socket) {
        g_free(socket->path);
        g_free(socket);
}

static int make_address(const char *path, struct sockaddr_un *address) {
        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) > UNIX_PATH_BYTES_MAX)
                return -ENAMETOOLONG;
        strcpy(address->sun_path, path);
        return 0;
}

/* The address of what a descriptor of it, or of its folder, leads to. */
static struct sockaddr_un address_by_fd(int fd, const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d%s%s", fd, name ? "/" : "", name ? name : "");
        return address;
}

/* Opens the folder of a path; *NAME is its last part. *FIXED: nobody else can change what the path leads to. */
static int open_folder(const char *path, const char **name, bool *fixed) {
        struct stat info;
        g_autofree char *folder = g_path_get_dirname(path);
        const char *slash = strrchr(path, '/');
        *name = slash ? slash + 1 : path;
        if (!slash || !**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
                return -EINVAL;
        if (strlen(path) > UNIX_PATH_BYTES_MAX)
                return -ENAMETOOLONG;
        int fd = walk_open(folder, WALK_TRUSTED, &info, NULL);
        *fixed = fd >= 0;
        errno = 0;
        if (fd < 0)
                fd = walk_open(folder, WALK_NO_LINKS, &info, NULL);
        return fd >= 0 ? fd : errno != 0 ? -errno : -ELOOP;
}

static bool is_socket_of(int folder, const char *name, uid_t owner) {
        struct stat info;
        return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(info.st_mode) && info.st_uid == owner;
}

static bool is_same(const struct stat *info, const UnixSocket *socket) {
        return S_ISSOCK(info->st_mode) && info->st_dev == socket->device && info->st_ino == socket->inode;
}

/* Opens what lies there, which may have been put in its place since. */
static int open_entry(int folder, const char *name, struct stat *info) {
        g_autofd int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, info) < 0)
                return -errno;
        return S_ISSOCK(info->st_mode) ? steal_fd(&fd) : -ESTALE;
}

static int connect_to(const struct sockaddr_un *address, int from) {
        return connect(from, (const struct sockaddr *) address, sizeof *address) < 0 ? -errno : 0;
}

/* Whether LISTENER is what is behind an entry of the file system: it hears whoever connects to that. */
static int check_is_ours(int listener, int entry) {
        struct sockaddr_un own, peer, address = address_by_fd(entry, NULL);
        const struct sockaddr_un unnamed = { .sun_family = AF_UNIX };
        socklen_t own_size = sizeof own;
        g_autofd int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* The kernel gives it a name that nobody else can have. */
        if (client < 0 || bind(client, (const struct sockaddr *) &unnamed, offsetof(struct sockaddr_un, sun_path)) < 0 ||
            getsockname(client, (struct sockaddr *) &own, &own_size) < 0)
                return -errno;
        int r = connect_to(&address, client);
        for (unsigned i = 0; r >= 0 && i < STRANGERS_MAX; i++) {
                socklen_t size = sizeof peer;
                g_autofd int heard = accept4(listener, (struct sockaddr *) &peer, &size, SOCK_CLOEXEC);
                if (heard < 0)
                        return errno == EAGAIN ? -ESTALE : -errno;
                if (size == own_size && memcmp(&peer, &own, size) == 0)
                        return 0;
        }
        return r < 0 ? r : -ESTALE;
}

static int set_blocking(int fd) {
        return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0 ? -errno : 0;
}

/* Whether nobody listens any more at a socket of ours that lies there. */
static bool is_left_over(int folder, const char *name) {
        struct stat info;
        g_autofd int entry = open_entry(folder, name, &info);
        g_autofd int client = entry >= 0 && info.st_uid == geteuid()
                                              ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
                                              : -1;
        const struct sockaddr_un address = address_by_fd(entry, NULL);
        return client >= 0 && connect_to(&address, client) == -ECONNREFUSED;
}

int unix_listen(const char *path, mode_t mode, UnixSocket **made) {
        const char *name;
        struct stat info;
        bool fixed;
        *made = NULL;
        g_autofd int folder = open_folder(path, &name, &fixed);
        if (folder < 0)
                return folder;
        if (is_left_over(folder, name))
                unlinkat(folder, name, 0);
        struct sockaddr_un address = address_by_fd(folder, name);
        if (fixed) /* the name that the socket's clients and ss(8) see */
                make_address(path, &address);
        g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        g_autofd int entry = open_entry(folder, name, &info);
        int r = entry < 0 ? entry : check_is_ours(fd, entry);
        if (r >= 0 && chmod(address_by_fd(entry, NULL).sun_path, mode) < 0)
                r = -errno;
        if (r >= 0)
                r = set_blocking(fd);
        if (r < 0)
                return r;
        *made = unix_socket_new(path, info.st_dev, info.st_ino);
        return steal_fd(&fd);
}

int unix_connect(const UnixSocket *target) {
        const char *name;
        struct stat info;
        bool fixed;
        g_autofd int folder = open_folder(target->path, &name, &fixed);
        if (folder < 0)
                return folder;
        g_autofd int entry = open_entry(folder, name, &info);
        if (entry < 0)
                return entry;
        if (!is_same(&info, target))
                return -ESTALE;
        const struct sockaddr_un address = address_by_fd(entry, NULL);
        g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int r = fd < 0 ? -errno : connect_to(&address, fd);
        return r < 0 ? r : steal_fd(&fd);
}

int unix_connect_own(const char *path) {
        struct sockaddr_un address;
        int r = make_address(path, &address);
        if (r < 0)
                return r;
        g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        r = fd < 0 ? -errno : connect_to(&address, fd);
        return r < 0 ? r : steal_fd(&fd);
}

void unix_remove(const UnixSocket *socket, uid_t maker) {
        const char *name;
        struct stat info;
        bool fixed;
        g_autofd int folder = open_folder(socket->path, &name, &fixed);
        if (folder < 0)
                return;
        /* Who could put another one there between may write to that folder, and could remove it too. */
        bool is_ours = socket->inode == 0 ? is_socket_of(folder, name, maker)
                                          : fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && is_same(&info, socket);
        if (is_ours)
                unlinkat(folder, name, 0);
}
