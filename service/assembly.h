/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* virtbusd's parts, put together between a bus connection and the sockets that systemd passes: for the program itself, and for
 * tests that hold the other ends. */

#include "router.h"

typedef struct Assembly {
        Router router;         /* its bus and that one's inlet are there before the rest */
        Quota *calls, *unread; /* what users make it keep */
} Assembly;

typedef struct AssemblyOptions {
        sd_event *event;
        unsigned descriptors; /* how many the process may have */
        bool user;            /* it serves one user's session bus */
        uint64_t call_timeout;
} AssemblyOptions;

/* Makes the parts. Nothing is asked of the bus yet. */
void assembly_make(Assembly *assembly, const AssemblyOptions *options);

/* Looks for drivers, takes calls, and listens; GATEWAY is as that of peers_listen. */
bool assembly_start(Assembly *assembly, const char *gateway, GError **error);

/* Fails what waits, and frees all parts and the bus connection, however far it has come. */
void assembly_end(Assembly *assembly);
