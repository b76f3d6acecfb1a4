/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bus face: takes every call on the objects, checks that it is one the API has, has its caller authorized, and answers it
 * from the mirror, by the manager, or by forwarding it to the object's driver. */

#include "authority.h"
#include "backlog.h"
#include "drivers.h"
#include "inlet.h"
#include "journal.h"

typedef struct Router {
        sd_bus *bus;
        sd_bus *asking; /* polkit, and the bus who its callers are; NULL: BUS is */
        Inlet *inlet;   /* of BUS */
        Mirror *mirror;
        Callers *callers;
        Backlog *backlog;
        Authority *authority;
        Readers *readers;
        Audience audience;
        Journal *journal;
        Drivers *drivers;
        Peers *peers;
        bool ending; /* calls are not taken any more */
} Router;

/* Takes a call of this caller when it is its turn; it is always answered. A PeersCall. */
void router_take(void *router, Caller *caller, sd_bus_message *message, const InletMessage *arrived);

/* Takes a call whose turn it is. A BacklogTake. */
void router_turn(void *router, Caller *caller, sd_bus_message *message, const Charge *charge);

/* Forgets a caller that has left: nothing of it waits any more. */
void router_forget(void *router, Caller *caller);

/* Takes the calls of a bus from now on. Returns 0 or a negative errno. */
int router_start(Router *router);

/* Takes no calls from now on, and fails those that wait with Cancelled. */
void router_end(Router *router);
