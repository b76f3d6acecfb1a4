/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The network cards of a container: one end of a pair (veth), whose other end is on the host, or one of its own on a card of the
 * host's (macvlan). Each is made within the container's network: when that goes, so does the pair, whoever is killed. */

#include "lxc/guest/guest-plan.h"

/* Makes them for the container's first process, which waits, and writes into a card's HOST what the end on the host is called;
 * false with a failure: what there is goes with that process. */
bool guest_links_make(const GuestPlan *plan, int pid);

/* Removes those of which there is an end on the host. */
void guest_links_remove(const GuestPlan *plan);

/* In the container: sets them up, and gives them their addresses and routes. */
bool guest_links_enter(const GuestPlan *plan);
