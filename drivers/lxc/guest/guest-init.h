/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A container's first process: in namespaces of its own, until it runs the container's program. */

#include <sys/types.h>

#include "lxc/guest/guest-plan.h"

typedef struct GuestInit {
        pid_t pid;
        int pidfd;
        int go, failures; /* what it waits for, and what it says; -1: it runs */
} GuestInit;

/* Makes it, in its control groups and with its users: it waits. False with a failure, and there is none. */
bool guest_init_make(GuestPlan *plan, GuestInit *init);

/* Lets it go on, with its cards' largest packets as the plan has them by now, and waits until it runs its program, whose input
 * and output is the first terminal, if there is one; false with a failure, and there is none. */
bool guest_init_run(const GuestPlan *plan, GuestInit *init);

/* Ends one that waits. */
void guest_init_end(GuestInit *init);
