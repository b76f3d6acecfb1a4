/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secret-events.h"

#include <string.h>

#include "procedures.h"

#define SERVICE "org.virtbus1"
#define HOST "/org/virtbus1/host"
#define SECRET "org.virtbus1.Secret"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

#define DEFINED 0
#define UNDEFINED 1

const char *const secret_usages[SECRET_USAGES] = { "none", "volume", "ceph", "iscsi", "tls", "vtpm" };

GVariant *secret_name(GVariant *properties) {
        const char *uuid = "", *usage = "", *id = "";
        int32_t number = 0;
        g_variant_lookup(properties, "UUID", "&s", &uuid);
        g_variant_lookup(properties, "UsageType", "&s", &usage);
        g_variant_lookup(properties, "UsageID", "&s", &id);
        for (size_t i = 0; i < SECRET_USAGES; i++)
                if (strcmp(secret_usages[i], usage) == 0)
                        number = (int32_t) i;
        return g_variant_new("(sis)", uuid, number, id);
}

/* An event, as each callback is told of it. */
typedef struct Told {
        Conversation *conversation;
        GVariant *secret;
        int32_t event;
} Told;

static void tell_life(void *data, int32_t number) {
        const Told *told = data;
        conversation_event(told->conversation, REMOTE_SECRET_EVENT_LIFECYCLE,
                           g_variant_new("(i@(sis)ii)", number, told->secret, told->event, 0));
}

static void tell_value(void *data, int32_t number) {
        const Told *told = data;
        conversation_event(told->conversation, REMOTE_SECRET_EVENT_VALUE_CHANGED,
                           g_variant_new("(i@(sis))", number, told->secret));
}

static void tell(HostEvents *events, SecretEventKind kind, GVariant *secret, int32_t event) {
        Told told = { events->conversation, secret, event };
        const char *uuid;
        g_variant_get(secret, "(&si&s)", &uuid, NULL, NULL);
        if (events->filled) /* nothing that happens while the secrets are read first is told */
                callbacks_each(events->callbacks, kind, uuid, kind == SECRET_EVENT_LIFECYCLE ? tell_life : tell_value, &told);
}

static void keep(void *data, const char *path, GVariant *interfaces) {
        HostEvents *events = data;
        g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, SECRET, G_VARIANT_TYPE_VARDICT);
        if (!properties)
                return;
        GVariant *secret = g_variant_ref_sink(secret_name(properties));
        host_events_seen(events, path);
        if (g_hash_table_replace(events->objects, g_strdup(path), secret))
                tell(events, SECRET_EVENT_LIFECYCLE, secret, DEFINED);
}

static void on_removed(HostEvents *events, const char *path) {
        g_autofree char *key = NULL;
        g_autoptr(GVariant) secret = NULL;
        if (g_hash_table_steal_extended(events->objects, path, (void **) &key, (void **) &secret))
                tell(events, SECRET_EVENT_LIFECYCLE, secret, UNDEFINED);
}

static void on_changed(HostEvents *events, void *secret, const char *member, GVariant *arguments) {
        (void) arguments;
        if (strcmp(member, "ValueChanged") == 0)
                tell(events, SECRET_EVENT_VALUE_CHANGED, secret, 0);
}

static void on_objects(GObject *bus, GAsyncResult *result, void *data) {
        HostEvents *events = data;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, &error);
        g_autoptr(GVariantIter) objects = NULL;
        const char *path;
        GVariant *interfaces;
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                return; /* it is freed */
        if (reply)
                g_variant_get(reply, "(a{oa{sa{sv}}})", &objects);
        while (reply && g_variant_iter_loop(objects, "{&o@a{sa{sv}}}", &path, &interfaces))
                keep(events, path, interfaces);
        host_events_read(events, error);
}

static void read_secrets(HostEvents *events) {
        if (!events->of_objects) { /* a client that knows secrets is not woken by what domains do */
                events->of_objects = host_events_subscribe(events, OBJECT_MANAGER, NULL, HOST, NULL);
                events->of_changes = host_events_subscribe(events, SECRET, "ValueChanged", NULL, NULL);
        }
        g_dbus_connection_call(events->bus, SERVICE, HOST, OBJECT_MANAGER, "GetManagedObjects", NULL,
                               G_VARIANT_TYPE("(a{oa{sa{sv}}})"), G_DBUS_CALL_FLAGS_NONE, G_MAXINT, events->cancellable,
                               on_objects, events);
}

static const HostEventsKind kind = { .known_free = (GDestroyNotify) g_variant_unref,
                                     .read = read_secrets,
                                     .keep = keep,
                                     .removed = on_removed,
                                     .changed = on_changed };

HostEvents *secret_events_new(GDBusConnection *bus, Conversation *conversation) {
        return host_events_new(bus, conversation, &kind);
}
