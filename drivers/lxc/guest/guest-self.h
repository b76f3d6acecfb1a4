/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a program that watches over a container keeps of the host's, which is as little as it needs. */

#include "lxc/guest/guest-plan.h"

/* Runs this program again from a mount of it that nobody can write through: for a moment it is what the container's first
 * process runs, which a container may open as its own program. Returns where that is so, or cannot be made so. */
void guest_self_protect(char *argv[]);

/* Lets go of the container's root, all files of the host and all rights but that to end the container. While it runs, the host
 * can unmount what it likes. */
void guest_self_retire(const GuestPlan *plan);
