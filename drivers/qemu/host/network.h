/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Network interfaces on the host, by libnl. The kernel answers these at once. */

#include <glib.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <stdbool.h>
#include <stdint.h>
#include "qemu/host/claims.h"

typedef struct nl_sock NetlinkSocket;
typedef struct rtnl_link Link;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, rtnl_link_put)

/* Makes a macvtap interface named NAME on an interface of the host's, with the guest's own address: MODE is vepa, bridge,
 * private or passthrough. It stays when its N descriptors are closed, one for each queue: network_remove_direct takes it away.
 * On failure nothing is left. */
bool network_open_direct(const char *name, const char *device, const char *mode, const char *mac, unsigned mtu, int *fds,
                         unsigned n, GError **error);

/* Removes a macvtap interface, if it is there. */
void network_remove_direct(const char *name);

/* Adds the addresses that the kernel knows of the card with this address (addresses.h). */
void network_read_neighbours(const char *mac, GArray *addresses);

/* A claim's NAME: a macvtap interface's. */
extern const ClaimKind network_claims;
