/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <arpa/inet.h>
#include <netlink/route/link/macvtap.h>
#include <netlink/route/neighbour.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bus.h"
#include "domain/agent/addresses.h"
#include "errors.h"

/* libvirt gives taps an address from this byte on, above every real card's. */
#define TAP_ADDRESS_FIRST_BYTE 0xfe

static bool fail(GError **error, const char *what, const char *name, int r) {
        return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s %s: %s", what, name, nl_geterror(r));
}

static void close_all(const int *fds, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                close(fds[i]);
}

/* Opens the N queues of a tap interface by the name in the request, which the kernel completes. On failure none is open. */
static bool open_queues(const char *path, struct ifreq *request, int *fds, unsigned n) {
        request->ifr_flags = (short) (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (n > 1 ? IFF_MULTI_QUEUE : 0));
        for (unsigned i = 0; i < n; i++) {
                g_autofd int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
                if (fd < 0 || ioctl(fd, TUNSETIFF, request) < 0) {
                        int failure = errno;
                        close_all(fds, i);
                        errno = failure;
                        return false;
                }
                fds[i] = steal_fd(&fd);
        }
        return true;
}

static bool create_tap(const char *name, int *fds, unsigned n, char **actual, GError **error) {
        struct ifreq request = { 0 };
        g_strlcpy(request.ifr_name, name[0] ? name : "vnet%d", sizeof request.ifr_name);
        if (!open_queues("/dev/net/tun", &request, fds, n))
                return virtbus_error_set_errno(error, errno, "a tap interface cannot be made");
        *actual = g_strndup(request.ifr_name, sizeof request.ifr_name);
        return true;
}

/* Puts the tap into the bridge, if there is one, and sets it up, in one request. */
static bool set_up(NetlinkSocket *socket, const char *tap, const char *bridge, const char *mac, unsigned mtu, GError **error) {
        g_autoptr(Link) current = NULL, master = NULL, change = rtnl_link_alloc();
        int r = bridge ? rtnl_link_get_kernel(socket, 0, bridge, &master) : 0;
        if (r < 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no bridge '%s' on this machine: %s",
                                         bridge, nl_geterror(r));
        const char *type = master ? rtnl_link_get_type(master) : NULL;
        if (master && (!type || strcmp(type, "bridge") != 0))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "interface '%s' is not a bridge", bridge);
        r = rtnl_link_get_kernel(socket, 0, tap, &current);
        if (r < 0)
                return fail(error, "the tap interface cannot be found:", tap, r);
        struct nl_addr *address = NULL;
        r = nl_addr_parse(mac, AF_LLC, &address);
        if (r < 0)
                return fail(error, "not an address:", mac, r);
        ((uint8_t *) nl_addr_get_binary_addr(address))[0] = TAP_ADDRESS_FIRST_BYTE;
        rtnl_link_set_addr(change, address);
        nl_addr_put(address);
        rtnl_link_set_flags(change, IFF_UP);
        if (mtu > 0)
                rtnl_link_set_mtu(change, mtu);
        if (master)
                rtnl_link_set_master(change, rtnl_link_get_ifindex(master));
        r = rtnl_link_change(socket, current, change, 0);
        return r >= 0 || fail(error, "the tap interface cannot be set up:", tap, r);
}

bool network_open_tap(const char *name, const char *bridge, const char *mac, unsigned mtu, int *fds, unsigned n, char **actual,
                      GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autofree char *tap = NULL;
        int r = nl_connect(socket, NETLINK_ROUTE);
        if (r < 0)
                return fail(error, "netlink cannot be used for", bridge ? bridge : "a tap interface", r);
        if (!create_tap(name, fds, n, &tap, error))
                return false;
        if (!set_up(socket, tap, bridge, mac, mtu, error)) {
                close_all(fds, n);
                return false;
        }
        *actual = g_steal_pointer(&tap);
        return true;
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
        struct ifreq request = { 0 };
        g_autofree char *path = g_strdup_printf("/dev/tap%d", rtnl_link_get_ifindex(link));
        return open_queues(path, &request, fds, n) ||
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

bool network_read_counters(const char *name, uint64_t counters[NETWORK_N_COUNTERS]) {
        /* What the host receives from a tap, the guest has sent. */
        static const rtnl_link_stat_id_t ids[NETWORK_N_COUNTERS] = {
                [NETWORK_RX_BYTES] = RTNL_LINK_TX_BYTES,   [NETWORK_RX_PACKETS] = RTNL_LINK_TX_PACKETS,
                [NETWORK_RX_ERRORS] = RTNL_LINK_TX_ERRORS, [NETWORK_RX_DROPS] = RTNL_LINK_TX_DROPPED,
                [NETWORK_TX_BYTES] = RTNL_LINK_RX_BYTES,   [NETWORK_TX_PACKETS] = RTNL_LINK_RX_PACKETS,
                [NETWORK_TX_ERRORS] = RTNL_LINK_RX_ERRORS, [NETWORK_TX_DROPS] = RTNL_LINK_RX_DROPPED,
        };
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) found = NULL;
        if (nl_connect(socket, NETLINK_ROUTE) < 0 || rtnl_link_get_kernel(socket, 0, name, &found) < 0)
                return false;
        for (size_t i = 0; i < NETWORK_N_COUNTERS; i++)
                counters[i] = rtnl_link_get_stat(found, ids[i]);
        return true;
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
