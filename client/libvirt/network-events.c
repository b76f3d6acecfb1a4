/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network-events.h"

#include <string.h>

#include "listing.h"
#include "parts.h"
#include "procedures.h"

#define SERVICE "org.virtbus1"
#define HOST "/org/virtbus1/host"
#define NETWORK "org.virtbus1.Network"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

typedef enum Lifecycle { LIFECYCLE_DEFINED, LIFECYCLE_UNDEFINED, LIFECYCLE_STARTED, LIFECYCLE_STOPPED } Lifecycle;

static const char *const wanted[] = { "Name", "UUID", "Active", "Persistent", NULL };

typedef struct KnownNetwork {
        GVariant *name; /* (ss) */
        gboolean active, persistent;
} KnownNetwork;

static void known_free(void *data) {
        KnownNetwork *known = data;
        g_variant_unref(known->name);
        g_free(known);
}

/* An event, as each callback is told of it. */
typedef struct Told {
        Conversation *conversation;
        GVariant *network;
        Lifecycle event;
} Told;

static void tell_one(void *data, int32_t number) {
        const Told *told = data;
        conversation_event(told->conversation, REMOTE_NETWORK_EVENT_LIFECYCLE,
                           g_variant_new("(i@(ss)ii)", number, told->network, (int32_t) told->event, 0));
}

/* Nothing that happens while the networks are read is told. */
static void tell(HostEvents *events, const KnownNetwork *network, Lifecycle event) {
        Told told = { events->conversation, network->name, event };
        const char *uuid;
        g_variant_get(network->name, "(&s&s)", NULL, &uuid);
        if (events->filled)
                callbacks_each(events->callbacks, NETWORK_EVENT_LIFECYCLE, uuid, tell_one, &told);
}

static void update(HostEvents *events, KnownNetwork *known, GVariant *properties) {
        KnownNetwork before = *known;
        g_variant_lookup(properties, "Active", "b", &known->active);
        g_variant_lookup(properties, "Persistent", "b", &known->persistent);
        if (known->persistent != before.persistent)
                tell(events, known, known->persistent ? LIFECYCLE_DEFINED : LIFECYCLE_UNDEFINED);
        if (known->active != before.active)
                tell(events, known, known->active ? LIFECYCLE_STARTED : LIFECYCLE_STOPPED);
}

/* A network that was not known is one that neither runs nor is defined. */
static void keep(void *data, const char *path, GVariant *interfaces) {
        HostEvents *events = data;
        g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, NETWORK, G_VARIANT_TYPE_VARDICT);
        KnownNetwork *known = g_hash_table_lookup(events->objects, path);
        if (!properties)
                return;
        host_events_seen(events, path);
        if (!known) {
                known = g_new0(KnownNetwork, 1);
                known->name = g_variant_ref_sink(listing_name_and_uuid(properties));
                g_hash_table_insert(events->objects, g_strdup(path), known);
        }
        update(events, known, properties);
}

static void on_removed(HostEvents *events, const char *path) {
        KnownNetwork *known = g_hash_table_lookup(events->objects, path);
        if (!known)
                return;
        if (known->active)
                tell(events, known, LIFECYCLE_STOPPED);
        if (known->persistent)
                tell(events, known, LIFECYCLE_UNDEFINED);
        g_hash_table_remove(events->objects, path);
}

static void on_changed(HostEvents *events, void *known, const char *member, GVariant *arguments) {
        if (strcmp(member, "PropertiesChanged") != 0 || !g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}as)")))
                return;
        g_autoptr(GVariant) properties = g_variant_get_child_value(arguments, 1);
        update(events, known, properties);
}

static void on_list(GObject *bus, GAsyncResult *result, void *data) {
        g_autoptr(GError) error = NULL;
        (void) bus;
        parts_load_finish(result, &error);
        if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) /* else it is freed */
                host_events_read(data, error);
}

static void read_networks(HostEvents *events) {
        const PartsList list = { .bus = events->bus,
                                 .service = SERVICE,
                                 .path = HOST,
                                 .interface = NETWORK,
                                 .properties = wanted,
                                 .timeout = G_MAXINT,
                                 .each = keep,
                                 .data = events };
        if (!events->of_objects) { /* a client that knows networks is not woken by what domains do */
                events->of_objects = host_events_subscribe(events, OBJECT_MANAGER, NULL, HOST, NULL);
                events->of_changes = host_events_subscribe(events, PROPERTIES, "PropertiesChanged", NULL, NETWORK);
        }
        parts_load(&list, events->cancellable, on_list, events);
}

static const HostEventsKind kind = {
        .known_free = known_free, .read = read_networks, .keep = keep, .removed = on_removed, .changed = on_changed
};

HostEvents *network_events_new(GDBusConnection *bus, Conversation *conversation) {
        return host_events_new(bus, conversation, &kind);
}
