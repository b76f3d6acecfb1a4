/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-events.h"

#include <string.h>

#define SERVICE "org.virtbus1"
#define MANAGER "org.virtbus1.Manager"

HostEvents *host_events_new(GDBusConnection *bus, Conversation *conversation, const HostEventsKind *kind) {
        HostEvents *events = g_new0(HostEvents, 1);
        events->kind = kind;
        events->bus = bus;
        events->conversation = conversation;
        events->callbacks = callbacks_new();
        events->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, kind->known_free);
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
                g_dbus_connection_signal_unsubscribe(events->bus, events->of_losses);
        }
        g_cancellable_cancel(events->cancellable);
        g_object_unref(events->cancellable);
        callbacks_free(events->callbacks);
        g_hash_table_unref(events->objects);
        waiters_free(events->waiters);
        g_clear_pointer(&events->seen, g_hash_table_unref);
        g_free(events);
}

static void on_signal(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member,
                      GVariant *arguments, void *data) {
        HostEvents *events = data;
        void *known = g_hash_table_lookup(events->objects, path);
        g_autoptr(GVariant) content = NULL;
        const char *object;
        (void) bus;
        (void) sender;
        (void) interface;
        if (strcmp(member, "InterfacesAdded") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oa{sa{sv}})"))) {
                g_variant_get(arguments, "(&o@a{sa{sv}})", &object, &content);
                events->kind->keep(events, object, content);
        } else if (strcmp(member, "InterfacesRemoved") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oas)"))) {
                g_variant_get(arguments, "(&o@as)", &object, &content);
                events->kind->removed(events, object);
        } else if (known)
                events->kind->changed(events, known, member, arguments);
}

unsigned int host_events_subscribe(HostEvents *events, const char *interface, const char *member, const char *path,
                                   const char *argument) {
        return g_dbus_connection_signal_subscribe(events->bus, SERVICE, interface, member, path, argument,
                                                  G_DBUS_SIGNAL_FLAGS_NONE, on_signal, events, NULL);
}

static void read_all(HostEvents *events) {
        events->filling = true;
        events->stale = false;
        if (events->filled)
                events->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        events->kind->read(events);
}

static void on_signals_lost(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member,
                            GVariant *arguments, void *data) {
        HostEvents *events = data;
        (void) bus;
        (void) sender;
        (void) path;
        (void) interface;
        (void) member;
        (void) arguments;
        events->stale = events->filling; /* what is being read may have changed since */
        if (events->filled && !events->filling)
                read_all(events);
}

void host_events_begin(HostEvents *events, WaitersDone done, void *data) {
        if (events->filled) {
                done(data, NULL);
                return;
        }
        waiters_add(events->waiters, done, data);
        if (events->filling)
                return;
        if (!events->of_losses)
                events->of_losses = g_dbus_connection_signal_subscribe(events->bus, SERVICE, MANAGER, "SignalsLost", NULL, NULL,
                                                                       G_DBUS_SIGNAL_FLAGS_NONE, on_signals_lost, events, NULL);
        read_all(events);
}

void host_events_seen(HostEvents *events, const char *path) {
        if (events->seen)
                g_hash_table_add(events->seen, g_strdup(path));
}

/* What is known and was not seen has gone, without a word. */
static void forget_unseen(HostEvents *events) {
        g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter iterator;
        void *path;
        g_hash_table_iter_init(&iterator, events->objects);
        while (g_hash_table_iter_next(&iterator, &path, NULL))
                if (!g_hash_table_contains(events->seen, path))
                        g_ptr_array_add(gone, g_strdup(path));
        for (guint i = 0; i < gone->len; i++)
                events->kind->removed(events, gone->pdata[i]);
}

void host_events_read(HostEvents *events, const GError *error) {
        if (events->seen && !error)
                forget_unseen(events);
        g_clear_pointer(&events->seen, g_hash_table_unref);
        events->filling = false;
        events->filled |= !error; /* what was known is better than nothing */
        waiters_tell(events->waiters, error);
        if (events->filled && events->stale)
                read_all(events);
}
