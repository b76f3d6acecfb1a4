/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects of networks, below that of their connection. */

#include "network/networks.h"

extern const Vtable *const network_vtables[];

/* LeaseTold, of a Network. */
void network_bus_tell_lease(void *network, LeaseChange change, const Lease *lease);
