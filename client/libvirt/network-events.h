/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens to networks, told to those callbacks that a client has registered. */

#include <gio/gio.h>

#include "callbacks.h"
#include "conversation.h"
#include "waiters.h"

typedef struct NetworkEvents NetworkEvents;

typedef enum NetworkEventKind {
        NETWORK_EVENT_LIFECYCLE = 0,
        NETWORK_EVENTS_MAX,
} NetworkEventKind;

NetworkEvents *network_events_new(GDBusConnection *bus, Conversation *conversation);
void network_events_free(NetworkEvents *events);

/* Reads the networks, unless they are known, and calls DONE once: from then on nothing that happens to them is missed. */
void network_events_begin(NetworkEvents *events, WaitersDone done, void *data);

/* Those of the networks. */
Callbacks *network_events_callbacks(NetworkEvents *events);

/* A network as libvirt names it, (ss), of its properties; floating. */
GVariant *network_name(GVariant *properties);
