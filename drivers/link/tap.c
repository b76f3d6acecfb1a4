/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bus.h"
#include "errors.h"

/* libvirt gives taps an address from this byte on, above every real card's. */
#define TAP_ADDRESS_FIRST_BYTE 0xfe

typedef struct nl_sock NetlinkSocket;
typedef struct nl_msg NetlinkMessage;
typedef struct nl_addr NetlinkAddress;
typedef struct rtnl_link Link;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkMessage, nlmsg_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkAddress, nl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, rtnl_link_put)

static bool fail(GError **error, const char *what, const char *name, int r) {
        return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s %s: %s", what, name, nl_geterror(r));
}

/* Descriptors */

void tap_close(const int *fds, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                close(fds[i]);
}

bool tap_open_queues(const char *path, const char *name, bool is_new, int *fds, unsigned n, char **actual) {
        const int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (n > 1 ? IFF_MULTI_QUEUE : 0);
        struct ifreq request = { 0 };
        g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
        for (unsigned i = 0; i < n; i++) {
                g_autofd int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
                /* The first one makes the interface: a queue of another's, which is there already, would have its packets. */
                request.ifr_flags = (short) (i == 0 && is_new ? flags | IFF_TUN_EXCL : flags);
                if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
                        int failure = errno;
                        tap_close(fds, i);
                        errno = failure;
                        return false;
                }
                fds[i] = steal_fd(&fd);
        }
        if (actual)
                *actual = g_strndup(request.ifr_name, sizeof request.ifr_name);
        return true;
}

/* The interface */

/* What it is, while it is down. */
static bool configure(NetlinkSocket *socket, Link *link, const char *name, const TapSetup *setup, GError **error) {
        g_autoptr(Link) change = rtnl_link_alloc();
        g_autoptr(NetlinkAddress) address = NULL;
        int r = nl_addr_parse(setup->mac, AF_LLC, &address);
        if (r < 0)
                return fail(error, "not an address:", setup->mac, r);
        ((uint8_t *) nl_addr_get_binary_addr(address))[0] = TAP_ADDRESS_FIRST_BYTE;
        rtnl_link_set_addr(change, address);
        if (setup->alias)
                rtnl_link_set_ifalias(change, setup->alias);
        if (setup->mtu > 0)
                rtnl_link_set_mtu(change, setup->mtu);
        if (setup->is_down) /* also one that was there */
                rtnl_link_unset_flags(change, IFF_UP);
        r = rtnl_link_change(socket, link, change, 0);
        return r >= 0 || fail(error, "the tap interface cannot be set up:", name, r);
}

/* The flag is the bridge's, and libnl's newer than ours. */
static int isolate(NetlinkSocket *socket, int index) {
        struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = index };
        g_autoptr(NetlinkMessage) message = nlmsg_alloc_simple(RTM_SETLINK, 0);
        if (!message || nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO) < 0)
                return -NLE_NOMEM;
        struct nlattr *port = nla_nest_start(message, IFLA_PROTINFO | NLA_F_NESTED);
        if (!port || nla_put_u8(message, IFLA_BRPORT_ISOLATED, 1) < 0)
                return -NLE_NOMEM;
        nla_nest_end(message, port);
        int r = nl_send_auto(socket, message);
        return r < 0 ? r : nl_wait_for_ack(socket);
}

static bool enslave(NetlinkSocket *socket, Link *link, const char *name, const TapSetup *setup, GError **error) {
        g_autoptr(Link) master = NULL, change = rtnl_link_alloc();
        int r = rtnl_link_get_kernel(socket, 0, setup->bridge, &master);
        if (r < 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no bridge '%s' on this machine: %s",
                                         setup->bridge, nl_geterror(r));
        if (g_strcmp0(rtnl_link_get_type(master), "bridge") != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "interface '%s' is not a bridge", setup->bridge);
        rtnl_link_set_master(change, rtnl_link_get_ifindex(master));
        r = rtnl_link_change(socket, link, change, 0);
        if (r >= 0 && setup->isolated)
                r = isolate(socket, rtnl_link_get_ifindex(link));
        return r >= 0 || fail(error, "the tap interface cannot be put into its bridge:", name, r);
}

static bool set_up(const char *name, const TapSetup *setup, int *index, GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) link = NULL, up = rtnl_link_alloc();
        int r = nl_connect(socket, NETLINK_ROUTE);
        if (r >= 0)
                r = rtnl_link_get_kernel(socket, 0, name, &link);
        if (r < 0)
                return fail(error, "the tap interface cannot be found:", name, r);
        if (!configure(socket, link, name, setup, error) || (setup->bridge && !enslave(socket, link, name, setup, error)))
                return false;
        rtnl_link_set_flags(up, IFF_UP);
        r = setup->is_down ? 0 : rtnl_link_change(socket, link, up, 0);
        if (index)
                *index = rtnl_link_get_ifindex(link);
        return r >= 0 || fail(error, "the tap interface cannot be set up:", name, r);
}

bool tap_open(const TapSetup *setup, int *fds, unsigned n, char **actual, int *index, GError **error) {
        g_autofree char *name = NULL;
        if (!tap_open_queues("/dev/net/tun", setup->name[0] ? setup->name : TAP_PREFIX "%d", !setup->may_be_there, fds, n, &name))
                return errno == EBUSY && setup->name[0]
                                       ? virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                                           "interface '%s' is there already: choose another name, or none",
                                                           setup->name)
                                       : virtbus_error_set_errno(error, errno, "a tap interface cannot be made");
        if (!set_up(name, setup, index, error)) {
                tap_close(fds, n);
                return false;
        }
        *actual = g_steal_pointer(&name);
        return true;
}

/* One that is there */

static Link *find(NetlinkSocket *socket, int index) {
        Link *link = NULL;
        return nl_connect(socket, NETLINK_ROUTE) < 0 || rtnl_link_get_kernel(socket, index, NULL, &link) < 0 ? NULL : link;
}

bool tap_take_pair(const TapSetup *setup, int index, GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) link = find(socket, index);
        if (!link || g_strcmp0(rtnl_link_get_name(link), setup->name) != 0 || g_strcmp0(rtnl_link_get_type(link), "veth") != 0 ||
            rtnl_link_get_master(link) > 0 || *(rtnl_link_get_ifalias(link) ? rtnl_link_get_ifalias(link) : ""))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "interface '%s' is not the free end of a pair of the number %d", setup->name, index);
        return set_up(setup->name, setup, NULL, error);
}

bool tap_is_there(int index, const char *name, const char *alias) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) link = find(socket, index);
        return link && g_strcmp0(rtnl_link_get_name(link), name) == 0 && g_strcmp0(rtnl_link_get_ifalias(link), alias) == 0;
}

bool tap_raise(int index, const char *name, GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) link = find(socket, index), up = rtnl_link_alloc();
        rtnl_link_set_flags(up, IFF_UP);
        int r = link ? rtnl_link_change(socket, link, up, 0) : -NLE_OBJ_NOTFOUND;
        return r >= 0 || fail(error, "the tap interface cannot be set up:", name, r);
}

bool tap_attach(int index, const TapSetup *setup, GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) link = find(socket, index);
        return !link || rtnl_link_get_master(link) > 0 || enslave(socket, link, setup->name, setup, error);
}
