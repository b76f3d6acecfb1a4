/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handed.h"

#include <errno.h>
#include <glib.h>
#include <sys/socket.h>

#include "libvirt-client.h"
#include "local-socket.h"

int handed_take(int fd, Origin *origin) {
        LibvirtClient client;
        LocalFds fds = { .n = 0 };
        int flags;
        ssize_t size = local_socket_receive(fd, &client, sizeof client, &fds, LIBVIRT_CLIENT_FDS, MSG_DONTWAIT, &flags);
        if (size <= 0)
                return (int) size;
        bool whole = size == sizeof client && !(flags & MSG_TRUNC) && !fds.lost && fds.n == LIBVIRT_CLIENT_FDS &&
                     client.version == LIBVIRT_CLIENT_VERSION;
        if (whole)
                *origin = (Origin){
                        .socket = fds.list[LIBVIRT_CLIENT_SOCKET],
                        .bus = fds.list[LIBVIRT_CLIENT_BUS],
                        .trusted = client.uid == 0,
                        .read_only = client.read_only != 0,
                };
        else
                local_fds_close(&fds);
        return whole ? 1 : -EPROTO;
}
