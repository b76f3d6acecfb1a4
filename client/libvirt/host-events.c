/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-events.h"

HostEvents *host_events_new(GDBusConnection *bus, Conversation *conversation, GDestroyNotify known_free) {
        HostEvents *events = g_new0(HostEvents, 1);
        events->bus = bus;
        events->conversation = conversation;
        events->callbacks = callbacks_new();
        events->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, known_free);
        events->waiters = waiters_new();
        events->cancellable = g_cancellable_new();
        return events;
}

void host_events_free(HostEvents *events) {
        if (!events)
                return;
        if (events->of_objects) {
                g_dbus_connection_signal_unsubscribe(events->bus, events->of_objects);
                g_dbus_connection_signal_unsubscribe(events->bus, events->of_changes);
        }
        g_cancellable_cancel(events->cancellable);
        g_object_unref(events->cancellable);
        callbacks_free(events->callbacks);
        g_hash_table_unref(events->objects);
        waiters_free(events->waiters);
        g_free(events);
}
