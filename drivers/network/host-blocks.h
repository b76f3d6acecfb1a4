/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The blocks of addresses that this host knows a way to: those of its interfaces and of its routes, but for the routes of all
 * addresses and for what every link has (fe80::/10, multicast). Usable from any thread. */

#include <glib.h>
#include <net/if.h>

#include "network/address.h"

typedef struct HostBlock {
        Subnet subnet;
        char interface[IF_NAMESIZE]; /* "": it leads to several, or to none */
        bool is_address;             /* of an interface; else of a route */
} HostBlock;

/* EACH is called for one after the other. False with an error where the kernel does not tell all of them. */
typedef void (*HostBlockEach)(void *data, const HostBlock *block);
bool host_blocks_each(HostBlockEach each, void *data, GError **error);
