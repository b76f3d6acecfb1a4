/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/network.h"

#include <errno.h>
#include <linux/if.h>
#include <arpa/inet.h>
#include <netlink/route/link/macvtap.h>
#include <netlink/route/neighbour.h>
#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "domain/agent/addresses.h"
#include "errors.h"
#include "link/tap.h"

static bool fail(GError **error, const char *what, const char *name, int r) {
        return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s %s: %s", what, name, nl_geterror(r));
}

/* macvtap */

void network_remove_direct(const char *name) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) found = NULL;
        if (nl_connect(socket, NETLINK_ROUTE) >= 0 && rtnl_link_get_kernel(socket, 0, name, &found) >= 0 &&
            rtnl_link_is_macvtap(found))
                (void) rtnl_link_delete(socket, found); /* it may go meanwhile, with the card that it is on */
}

/* The character device of a macvtap, which the kernel makes in /dev with it. */
static bool open_direct(Link *link, int *fds, unsigned n, GError **error) {
        g_autofree char *path = g_strdup_printf("/dev/tap%d", rtnl_link_get_ifindex(link));
        return tap_open_queues(path, "", false, fds, n, NULL) ||
               virtbus_error_set_errno(error, errno, "%s, the device of a macvtap interface, cannot be used", path);
}

bool network_open_direct(const char *name, const char *device, const char *mode, const char *mac, unsigned mtu, int *fds,
                         unsigned n, GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) lower = NULL, request = rtnl_link_macvtap_alloc(), made = NULL, change = rtnl_link_alloc();
        struct nl_addr *address = NULL;
        bool is_open = false;
        int r = nl_connect(socket, NETLINK_ROUTE);
        if (r >= 0 && rtnl_link_get_kernel(socket, 0, device, &lower) < 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no interface '%s' on this machine",
                                         device);
        if (r >= 0)
                r = nl_addr_parse(mac, AF_LLC, &address);
        if (r >= 0)
                r = rtnl_link_macvtap_set_mode(request, (uint32_t) rtnl_link_macvtap_str2mode(
                                                                        strcmp(mode, "passthrough") == 0 ? "passthru" : mode));
        if (r >= 0) {
                rtnl_link_set_link(request, rtnl_link_get_ifindex(lower));
                rtnl_link_set_name(request, name);
                rtnl_link_set_addr(request, address);
                if (mtu > 0)
                        rtnl_link_set_mtu(request, mtu);
                r = rtnl_link_add(socket, request, NLM_F_CREATE | NLM_F_EXCL);
        }
        bool is_made = r >= 0;
        if (r >= 0)
                r = rtnl_link_get_kernel(socket, 0, name, &made);
        if (r >= 0) {
                /* In passthrough mode it was born with the card's address, and gives the card the guest's now; the kernel
                 * gives that its own one back in the end. */
                rtnl_link_set_addr(change, address);
                rtnl_link_set_flags(change, IFF_UP);
                r = rtnl_link_change(socket, made, change, 0);
        }
        if (r >= 0)
                is_open = open_direct(made, fds, n, error);
        else
                fail(error, "a macvtap interface cannot be made on", device, r);
        if (!is_open && is_made)
                network_remove_direct(name);
        if (address)
                nl_addr_put(address);
        return is_open;
}

void network_read_neighbours(const char *mac, GArray *addresses) {
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

static bool give_back(const char *name, const char *note) {
        (void) note;
        network_remove_direct(name);
        return true;
}

const ClaimKind network_claims = { "macvtap", "interface", give_back };
