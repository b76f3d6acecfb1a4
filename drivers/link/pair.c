/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link/pair.h"

#include <glib.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>

typedef struct nl_sock NetlinkSocket;
typedef struct rtnl_link Link;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, rtnl_link_put)

void pair_remove(int index, const char *name) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) link = NULL;
        if (nl_connect(socket, NETLINK_ROUTE) >= 0 && rtnl_link_get_kernel(socket, index, NULL, &link) >= 0 &&
            rtnl_link_is_veth(link) && g_strcmp0(rtnl_link_get_name(link), name) == 0)
                (void) rtnl_link_delete(socket, link); /* it may go meanwhile */
}
