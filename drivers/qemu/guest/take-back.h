/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest whose state was written, or was to be, and that stays here: QEMU takes back the disks that it has let go of for whoever
 * would load that state, and the guest is as it was before, running or paused. */

#include "qemu/guest/guest.h"

/* DONE, which may be NULL, is called with DATA when that is so, or cannot be: what is wrong has been logged. Then, or where the
 * guest is let go of before, DATA is freed. Where QEMU does not answer, it is done when it answers again. */
void take_back(Guest *guest, void (*done)(void *data), void *data, GDestroyNotify free_data);
