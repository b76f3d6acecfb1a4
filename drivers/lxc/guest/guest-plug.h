/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Puts network cards into a container that runs, each an end of a pair. It is told at the plan's REPORT what they are on the
 * host, "cards NAME INDEX", and waits for "go MTU"; then it says "plugged", or "failed WHY", and waits for "keep": where
 * whoever asks for them ends before, the cards are gone. */

#include "lxc/guest/guest-plan.h"

/* Ends this process. */
_Noreturn void guest_plug(GuestPlan *plan);
