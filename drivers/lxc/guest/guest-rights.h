/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who a program of a container runs as, and what it may do. */

#include "lxc/guest/guest-plan.h"

/* No more, ever, than its plan's capabilities: of the calling process and of all that it runs. */
bool guest_rights_limit(const GuestPlan *plan);

/* Becomes its plan's user, whose name is the container's own, and gives up what capabilities there are besides. */
bool guest_rights_become(const GuestPlan *plan);
