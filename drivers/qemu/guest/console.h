/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Consoles and displays: streams between a guest and its clients. */

#include "qemu/guest/guest.h"

void console_open(Domain *domain, const DeviceDefinition *asked, bool force, Call *call);
void console_open_graphics(Domain *domain, const DeviceDefinition *device, Call *call);

/* A console's device goes: whoever has it open is still given what the guest had said. */
void console_leave(Guest *guest, const char *alias);

extern const GuestModule console_module;
