/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the events of a kind of host's objects have in common: the objects that are known, who is told, and who waits until all
 * of them are known. */

#include <gio/gio.h>

#include "callbacks.h"
#include "conversation.h"
#include "waiters.h"

typedef struct HostEvents {
        GDBusConnection *bus;
        Conversation *conversation;
        Callbacks *callbacks;
        GHashTable *objects; /* path: what is known of it */
        Waiters *waiters;
        GCancellable *cancellable;
        unsigned int of_objects, of_changes; /* subscriptions; 0: not yet */
        bool filling, filled;
} HostEvents;

/* KNOWN_FREE: of what is known of an object. */
HostEvents *host_events_new(GDBusConnection *bus, Conversation *conversation, GDestroyNotify known_free);
void host_events_free(HostEvents *events);
