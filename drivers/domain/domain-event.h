/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest does by itself, and what follows from that as its definition says (on_poweroff and its like). */

#include "domain/domain.h"

typedef enum GuestEvent {
        GUEST_SHUTDOWN,
        GUEST_REBOOT,
        GUEST_CRASH,
        GUEST_SLEEP,
        GUEST_WAKE,
} GuestEvent;

void domain_guest_event(Domain *domain, GuestEvent event);
