/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens to networks, told to those callbacks that a client has registered. */

#include "host-events.h"

typedef enum NetworkEventKind {
        NETWORK_EVENT_LIFECYCLE = 0,
        NETWORK_EVENTS_MAX,
} NetworkEventKind;

HostEvents *network_events_new(GDBusConnection *bus, Conversation *conversation);
