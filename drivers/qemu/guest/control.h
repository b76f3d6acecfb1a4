/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person does at the machine: keys, the NMI button, waking it; and looks at: its screen, its memory. */

#include "qemu/guest/guest.h"

void control_screenshot(Domain *domain, uint32_t screen, Call *call);
void control_send_keys(Domain *domain, char **keys, uint64_t hold_time, Call *call);
void control_inject_nmi(Domain *domain, Call *call);
void control_wake_up(Domain *domain, Call *call);
void control_peek_memory(Domain *domain, uint64_t address, uint64_t size, bool is_virtual, Call *call);

extern const GuestModule control_module;
