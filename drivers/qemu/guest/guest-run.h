/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The run of a guest, from its start on; guest-end.h ends it. */

#include "qemu/guest/guest.h"

/* How long a QEMU may take from its start to its greeting, in microseconds. */
#define GUEST_START_TIMEOUT (30 * UINT64_C(1000000))

/* An operation of the hypervisor: see there. */
void guest_start(Operation *operation);

/* Connects to the monitor: its socket listens, whether QEMU runs yet or not. */
bool guest_open_monitor(Guest *guest, GError **error);

/* Its QEMU does not answer as one: the guest runs on, and nothing but its end can be asked for. */
void guest_leave_alone(Guest *guest, const char *why);
