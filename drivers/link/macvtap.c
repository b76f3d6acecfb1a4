/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link/macvtap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/macvtap.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "bus.h"
#include "errors.h"
#include "link/tap.h"

/* Numbers that are chosen: above those that the kernel counts up to, below what some programs have no room for. */
#define INDEX_FIRST (1 << 24)
#define INDEX_END (1 << 30)

typedef struct nl_sock NetlinkSocket;
typedef struct nl_addr NetlinkAddress;
typedef struct rtnl_link Link;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkAddress, nl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, rtnl_link_put)

int macvtap_choose_index(void) {
        return g_random_int_range(INDEX_FIRST, INDEX_END);
}

/* What it is on */

/* How another guest, or a process, is connected: who is on it has its packets. */
static bool is_anothers_end(Link *lower) {
        static const char *const kinds[] = { "tun", "macvtap", "ipvtap", NULL };
        const char *kind = rtnl_link_get_type(lower);
        return kind && g_strv_contains(kinds, kind);
}

static Link *find_lower(NetlinkSocket *socket, const char *name, GError **error) {
        g_autoptr(Link) lower = NULL;
        if (rtnl_link_get_kernel(socket, 0, name, &lower) < 0)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no interface '%s' on this machine", name);
        else if (is_anothers_end(lower))
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "interface '%s' is the end of a card, or of a program's: nothing else can be on it", name);
        else
                return g_steal_pointer(&lower);
        return NULL;
}

/* The interface */

static bool fail(GError **error, const MacvtapSetup *setup, int r) {
        return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "a macvtap interface cannot be made on %s: %s",
                                 setup->lower, nl_geterror(r));
}

static bool fail_to_make(GError **error, const MacvtapSetup *setup, int r) {
        if (r == -NLE_BUSY || (r == -NLE_INVAL && !*setup->name))
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                "interface '%s' is used otherwise: it is in a bridge (then use type bridge), or others are "
                                "on it where one wants the whole of it",
                                setup->lower);
        return r == -NLE_EXIST && *setup->name
                               ? virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                                   "interface '%s' is there already: choose another name, or none", setup->name)
                               : fail(error, setup, r);
}

/* Or the address is that of something else on it. */
static bool fail_to_set_up(GError **error, const MacvtapSetup *setup, int r) {
        return r == -NLE_EXIST || r == -NLE_BUSY
                               ? virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                                   "interface '%s': something on it has the address %s: give this card another",
                                                   setup->lower, setup->mac)
                               : fail(error, setup, r);
}

static int make(NetlinkSocket *socket, const MacvtapSetup *setup, Link *lower, NetlinkAddress *address) {
        g_autoptr(Link) request = rtnl_link_macvtap_alloc();
        bool is_whole = strcmp(setup->mode, "passthrough") == 0;
        int r = request ? rtnl_link_macvtap_set_mode(request,
                                                     (uint32_t) rtnl_link_macvtap_str2mode(is_whole ? "passthru" : setup->mode))
                        : -NLE_NOMEM;
        if (r < 0)
                return r;
        rtnl_link_set_ifindex(request, setup->index);
        rtnl_link_set_link(request, rtnl_link_get_ifindex(lower));
        if (*setup->name)
                rtnl_link_set_name(request, setup->name);
        rtnl_link_set_addr(request, address);
        if (setup->mtu > 0)
                rtnl_link_set_mtu(request, setup->mtu);
        return rtnl_link_add(socket, request, NLM_F_CREATE | NLM_F_EXCL);
}

/* In passthrough mode it was born with the address of what it is on, and gives that the guest's now; the kernel gives it its own
 * one back in the end. */
static int set_up(NetlinkSocket *socket, const MacvtapSetup *setup, Link *made, NetlinkAddress *address) {
        g_autoptr(Link) change = rtnl_link_alloc(), up = rtnl_link_alloc();
        rtnl_link_set_addr(change, address);
        rtnl_link_set_ifalias(change, setup->alias);
        int r = rtnl_link_change(socket, made, change, 0);
        rtnl_link_set_flags(up, IFF_UP);
        return r < 0 ? r : rtnl_link_change(socket, made, up, 0);
}

/* Its device */

/* Which the kernel has made for this interface. */
static bool read_device(const char *name, int index, dev_t *device, GError **error) {
        g_autofree char *path = g_strdup_printf("/sys/class/net/%s/macvtap/tap%d/dev", name, index), *text = NULL;
        unsigned major, minor;
        g_autoptr(GError) unread = NULL;
        if (!g_file_get_contents(path, &text, NULL, &unread))
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                         "the device of a macvtap interface is not known: %s", unread->message);
        if (sscanf(text, "%u:%u", &major, &minor) != 2)
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s is not the number of a device", path);
        *device = makedev(major, minor);
        return true;
}

/* Looked at before it is opened: to open another one's gives that another queue. */
static bool open_queues(const MacvtapSetup *setup, const char *name, int *fds, unsigned n, GError **error) {
        g_autofree char *path = g_strdup_printf("/dev/tap%d", setup->index);
        g_autofd int found = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
        g_autofree char *again = g_strdup_printf("/proc/self/fd/%d", found);
        struct stat info = { 0 };
        dev_t device = 0;
        if (!read_device(name, setup->index, &device, error))
                return false;
        if (found >= 0 && fstat(found, &info) == 0 && (!S_ISCHR(info.st_mode) || info.st_rdev != device))
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s is the device of another interface", path);
        return (found >= 0 && tap_open_queues(again, "", false, fds, n, NULL)) ||
               virtbus_error_set_errno(error, errno, "%s, the device of a macvtap interface, cannot be used", path);
}

static bool open_made(NetlinkSocket *socket, const MacvtapSetup *setup, NetlinkAddress *address, int *fds, unsigned n,
                      char **actual, GError **error) {
        g_autoptr(Link) made = NULL;
        int r = rtnl_link_get_kernel(socket, setup->index, NULL, &made);
        if (r < 0 || (r = set_up(socket, setup, made, address)) < 0)
                return fail_to_set_up(error, setup, r);
        g_autofree char *name = g_strdup(rtnl_link_get_name(made));
        if (!open_queues(setup, name, fds, n, error))
                return false;
        *actual = g_steal_pointer(&name);
        return true;
}

bool macvtap_open(const MacvtapSetup *setup, int *fds, unsigned n, char **actual, GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(NetlinkAddress) address = NULL;
        int r = nl_connect(socket, NETLINK_ROUTE);
        if (r >= 0)
                r = nl_addr_parse(setup->mac, AF_LLC, &address);
        if (r < 0)
                return fail(error, setup, r);
        g_autoptr(Link) lower = find_lower(socket, setup->lower, error);
        if (!lower)
                return false;
        if ((r = make(socket, setup, lower, address)) < 0)
                return fail_to_make(error, setup, r);
        if (open_made(socket, setup, address, fds, n, actual, error))
                return true;
        (void) macvtap_remove(setup->index, NULL);
        return false;
}

bool macvtap_remove(int index, GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) found = NULL;
        int r = nl_connect(socket, NETLINK_ROUTE);
        if (r >= 0)
                r = rtnl_link_get_kernel(socket, index, NULL, &found);
        if (r >= 0 && rtnl_link_is_macvtap(found))
                r = rtnl_link_delete(socket, found);
        /* It may go meanwhile, with what it is on. */
        return r >= 0 || r == -NLE_NODEV || r == -NLE_OBJ_NOTFOUND ||
               virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "macvtap interface %d cannot be removed: %s", index,
                                 nl_geterror(r));
}
