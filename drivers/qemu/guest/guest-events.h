/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest's QEMU tells: given, in measure, to the module that knows it, and those events that are about the whole guest. */

#include "qemu/guest/guest.h"

/* Between its QEMU and the modules. */
EventFlow *guest_events_new(Guest *guest);

/* QEMU has told of something. */
void guest_events_told(Guest *guest, const char *name, JsonObject *arguments);

/* The states of the guest, and errors of its disks. */
extern const GuestModule guest_events_module;
