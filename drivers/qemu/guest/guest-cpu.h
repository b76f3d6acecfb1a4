/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processor of a guest that starts, where its document leaves that to this host (cpu-choice.h): the guest's own document says
 * which it got, so that it has the same one when it is saved, moved or looked at. */

#include "qemu/guest/guest.h"

/* Writes it into the guest's document, and goes on with FILES, or with an error; not where the guest has ended meanwhile. What is
 * restored keeps the processor that it had. */
void guest_cpu_choose(Guest *guest, GPtrArray *files, FilesOpened done);

extern const GuestModule guest_cpu_module;
