/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The system calls that no container has: those that reach beyond its namespaces whatever rights they ask for, and doors into
 * the kernel that its programs do without. */

#include <stdbool.h>

#include "lxc/guest/guest-plan.h"

/* Takes them from the calling process, for good, and sockets of families that its network does not hold. One without users of
 * its own makes no namespaces of users either: it would have all rights in those. Programs of 32 bits have sockets only in a
 * container that is of 32 bits. */
bool guest_calls_take(const GuestPlan *plan);
