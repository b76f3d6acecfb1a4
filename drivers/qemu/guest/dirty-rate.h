/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How fast a guest writes its memory: QEMU measures it for a while when it is told to, and says then what came of it. */

#include "qemu/guest/guest.h"

/* Answers MeasureDirtyRate of an active domain. */
void dirty_rate_measure(Domain *domain, uint32_t seconds, const char *mode, Call *call);

/* Whether its QEMU is to be asked what came of it: what it has measured it has measured. */
bool dirty_rate_is_asked(const Guest *guest);

/* Tells statistics.h what QEMU has said; NULL: what it had said before. */
void dirty_rate_tell(Guest *guest, JsonObject *answer);

/* Nothing that QEMU has said about it holds any more. */
void dirty_rate_forget(Guest *guest);
