/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the events of a kind of host's objects have in common: the objects that are known, who is told, and who waits until all
 * of them are known. Where the service could not send all signals, the objects are read again, and what has become of them is
 * told. */

#include <gio/gio.h>

#include "callbacks.h"
#include "conversation.h"
#include "waiters.h"

typedef struct HostEvents HostEvents;

/* KNOWN: what is known of an object, or NULL. */
typedef struct HostEventsKind {
        GDestroyNotify known_free;
        void (*read)(HostEvents *events); /* begins to read all of them */
        void (*keep)(void *events, const char *path, GVariant *interfaces);
        void (*removed)(HostEvents *events, const char *path);
        /* Another signal of one that is known. */
        void (*changed)(HostEvents *events, void *known, const char *member, GVariant *arguments);
} HostEventsKind;

struct HostEvents {
        const HostEventsKind *kind;
        GDBusConnection *bus;
        Conversation *conversation;
        Callbacks *callbacks;
        GHashTable *objects; /* path: what is known of it */
        Waiters *waiters;
        GCancellable *cancellable;
        unsigned int of_objects, of_changes, of_losses; /* subscriptions; 0: not yet */
        GHashTable *seen;                               /* paths, while all are read again */
        bool filling, filled, stale;
};

HostEvents *host_events_new(GDBusConnection *bus, Conversation *conversation, const HostEventsKind *kind);
void host_events_free(HostEvents *events);

/* Subscribes to a signal of the service's; MEMBER, PATH, or ARGUMENT, the first of what it carries, may be NULL. */
unsigned int host_events_subscribe(HostEvents *events, const char *interface, const char *member, const char *path,
                                   const char *argument);

/* Reads the objects, unless they are known, and calls DONE once: from then on nothing that happens to them is missed. */
void host_events_begin(HostEvents *events, WaitersDone done, void *data);

/* An object is there, as a list or a signal tells. */
void host_events_seen(HostEvents *events, const char *path);

/* All have been read, or cannot be. */
void host_events_read(HostEvents *events, const GError *error);
