/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A container's first process: in namespaces of its own, until it runs the container's program. */

#include <sys/types.h>

#include "lxc/guest/guest-plan.h"

typedef struct GuestInit {
        pid_t pid;
        int pidfd;
} GuestInit;

/* Makes it, and waits until it runs its program, whose input and output is the first terminal, if there is one; false with a
 * failure, and there is none. */
bool guest_init_start(const GuestPlan *plan, GuestInit *init);
