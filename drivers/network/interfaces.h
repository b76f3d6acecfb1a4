/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interfaces of the host, as the kernel tells of them: each an object as long as it is there. Those by which guests are
 * connected (taps and macvtaps) are left out: they are ports. Nothing here changes any. */

#include <netlink/route/link.h>

#include "base/objects.h"
#include "network/network-definition.h"

/* How many there may be; those beyond have no objects, which is logged once. */
#define INTERFACES_MAX 16384

typedef struct Interfaces Interfaces;

typedef struct Interface {
        Interfaces *all;
        struct rtnl_link *link; /* as it was told of last */
        char *mac;              /* of its card; "": it has none */
        char *master, *lower;   /* the names of the bridge or bond that it is part of, and of what it is made on, or "" */
        Published *published;
} Interface;

/* How they are published: that which finds them, whose object is the Interfaces, and each of them. NULL at the end. */
typedef struct InterfacesFace {
        const Vtable *const *host, *const *interface;
} InterfacesFace;

/* They are published at PATH, of which this is another part, and below it at interface/NAME. NULL with an error. */
Interfaces *interfaces_open(sd_event *event, Objects *objects, const char *path, const InterfacesFace *face, GError **error);

/* To be called before what else is at PATH is withdrawn. */
void interfaces_close(Interfaces *all);

/* Finds one, borrowed; NULL with NoSuchInterface. */
const Interface *interfaces_find(const Interfaces *all, const char *name, GError **error);

/* Those whose card has the address, const Interface (borrowed). */
GPtrArray *interfaces_with_mac(const Interfaces *all, const char *mac);

/* What one is; borrowed. */
const char *interface_name(const Interface *interface);
const char *interface_kind(const Interface *interface); /* the kernel's word, or "" */
const char *interface_type(const Interface *interface); /* a document's */

/* Which of the words of RFC 2863 tells whether it works. */
const char *interface_state(const Interface *interface);

/* What it is made of, const Interface (borrowed); by name. */
GPtrArray *interface_members(const Interface *interface);

/* Its addresses, Subnet: those of IPv4 first. */
GArray *interface_addresses(const Interface *interface);
