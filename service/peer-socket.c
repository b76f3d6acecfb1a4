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

static const PeerSocket sockets[] = {
        { PEERS_SOCKET, .libvirt = false, .read_only = false },
        { PEERS_SOCKET_READ_ONLY, .libvirt = false, .read_only = true },
        { "libvirt", .libvirt = true, .read_only = false },
        { "libvirt-ro", .libvirt = true, .read_only = true },
};

const PeerSocket *peer_socket_of(int fd, const char *name, GError **error) {
        /* What systemd's library says where LISTEN_FDNAMES is missing. */
        bool unnamed = strcmp(name, "unknown") == 0;
        g_autofree char *own = unnamed ? name_of_path(fd) : g_strdup(name);
        const PeerSocket *found = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(sockets); i++)
                if (strcmp(own, sockets[i].name) == 0)
                        found = &sockets[i];
        if (!found)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "a socket %s '%s' is not known: set FileDescriptorName=" PEERS_SOCKET
                                  ", " PEERS_SOCKET_READ_ONLY ", libvirt or libvirt-ro in its unit",
                                  unnamed ? "whose file is called" : "named", own);
        else if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "the socket '%s' is not a Unix stream socket that listens", own);
                found = NULL;
        }
        return found;
}
