/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looks at what machines there are, and at what runs: as soon as a folder of theirs changes, and now and then, as some changes
 * are in no folder. */

#include "vmware/vmware.h"

/* How soon after a change is seen, and how often at least, in microseconds. */
#define WATCH_SOON (200 * UINT64_C(1000))
#define WATCH_TICK (10 * UINT64_C(1000000))

void watch_begin(Vmware *vmware);
void watch_end(Vmware *vmware);
