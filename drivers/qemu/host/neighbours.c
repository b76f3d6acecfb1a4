/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/neighbours.h"

#include <arpa/inet.h>
#include <netlink/netlink.h>
#include <netlink/route/neighbour.h>
#include <sys/socket.h>

#include "domain/agent/addresses.h"

typedef struct nl_sock NetlinkSocket;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)

void neighbours_read(const char *mac, GArray *addresses) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        struct nl_cache *cache = NULL;
        struct nl_addr *wanted = NULL;
        if (nl_connect(socket, NETLINK_ROUTE) < 0 || rtnl_neigh_alloc_cache(socket, &cache) < 0)
                return;
        if (nl_addr_parse(mac, AF_LLC, &wanted) >= 0)
                for (struct nl_object *object = nl_cache_get_first(cache); object; object = nl_cache_get_next(object)) {
                        struct rtnl_neigh *neighbour = (struct rtnl_neigh *) object;
                        struct nl_addr *card = rtnl_neigh_get_lladdr(neighbour), *address = rtnl_neigh_get_dst(neighbour);
                        char text[INET6_ADDRSTRLEN];
                        if (card && address && nl_addr_cmp(card, wanted) == 0 &&
                            inet_ntop(nl_addr_get_family(address), nl_addr_get_binary_addr(address), text, sizeof text))
                                addresses_add(addresses, text, 0);
                }
        if (wanted)
                nl_addr_put(wanted);
        nl_cache_free(cache);
}
