/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest's threads on the host: which processors they run on (sched_setaffinity(2)), by which scheduler (sched(7)) and for
 * how much of the time (cgroup.h). <vcpu cpuset> and <cputune> say it: of each virtual processor, of each I/O thread, and of
 * the emulator, which is all others. */

#include "qemu/guest/guest.h"

/* Whether a document asks for any of it; for quotas, which need a control group. */
bool threads_are_placed(xmlDoc *document);
bool threads_have_quotas(xmlDoc *document);

/* Asks QEMU which threads these are, does what the document (which is taken) asks for, and calls DONE. */
typedef void (*ThreadsPlaced)(Guest *guest, const GError *error);
void threads_place(Guest *guest, xmlDoc *document, ThreadsPlaced placed);

/* For guest_free. */
void threads_forget(Guest *guest);
