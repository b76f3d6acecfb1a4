/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Devices that come and go while the guest runs: what cold start does by arguments is done by commands, by the same functions,
 * and undone where one of them fails. A device has left when QEMU says so, whoever asked for it; what was behind it goes then. */

#include "qemu/guest/guest.h"

void hotplug_attach(Operation *operation);
void hotplug_detach(Operation *operation);

extern const GuestModule hotplug_module;

/* Whether that is what ACPI_DEVICE_OST tells of a device that was to be ejected: that the guest keeps it. */
bool hotplug_is_refused(JsonObject *info);
