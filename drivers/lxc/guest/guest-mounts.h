/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The filesystems of a container. What is of the host's, and /dev, is put together before the container has any process, with
 * the host's rights: in the container's namespace all of it is locked, and what is read-only stays so. Only what depends on its
 * namespaces, /proc and /sys, its first process mounts.
 *
 * What lies in the container's root is a stranger's: a path there is walked within it, and leads to nothing outside. */

#include "lxc/guest/guest-plan.h"

/* A terminal: the end that we keep, and what the container has of it. */
typedef struct GuestTerminal {
        int master, slave;
} GuestTerminal;

/* Puts the root together, over the stage, in a mount namespace of its own, and makes it the current folder: which a process made
 * then finds, whose root may not search the driver's. False with a failure. */
bool guest_mounts_make(const GuestPlan *plan, GuestTerminal *terminals);

/* For the container's first process: mounts the rest, and makes that the root. */
bool guest_mounts_enter(void);

/* For us: lets go of all of it, and of all that the host has mounted: an empty folder is our root. */
void guest_mounts_forget(const GuestPlan *plan);
