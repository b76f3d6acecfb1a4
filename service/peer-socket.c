/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer-socket.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "bus.h"
#include "errors.h"

/* Where a socket has no name: that of its file, without what follows a '.' or "-sock". */
static char *name_of_path(int fd) {
        struct sockaddr_un address = { 0 };
        socklen_t size = sizeof address;
        if (getsockname(fd, (struct sockaddr *) &address, &size) < 0 || size <= offsetof(struct sockaddr_un, sun_path) ||
            !address.sun_path[0])
                return g_strdup("");
        g_autofree char *path = g_strndup(address.sun_path, size - offsetof(struct sockaddr_un, sun_path)),
                        *name = g_path_get_basename(path);
        g_auto(GStrv) parts = g_strsplit(name, ".", 2);
        bool old = g_str_has_suffix(parts[0], "-sock");
        return old ? g_strndup(parts[0], strlen(parts[0]) - strlen("-sock")) : g_strdup(parts[0]);
}

bool peer_socket_check(int fd, const char *name, bool *read_only, GError **error) {
        /* What systemd's library says where LISTEN_FDNAMES is missing. */
        bool unnamed = strcmp(name, "unknown") == 0;
        g_autofree char *own = unnamed ? name_of_path(fd) : g_strdup(name);
        bool full = strcmp(own, PEERS_SOCKET) == 0, other = strcmp(own, PEERS_SOCKET_READ_ONLY) == 0;
        if (!full && !other)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "a socket %s '%s' is not known: set FileDescriptorName=" PEERS_SOCKET
                                         " or " PEERS_SOCKET_READ_ONLY " in its unit",
                                         unnamed ? "whose file is called" : "named", own);
        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "the socket '%s' is not a Unix stream socket that listens", own);
        *read_only = other;
        return true;
}
