/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/networks-bus.h"

#include "network/network-bus.h"
#include "options.h"
#include "vtables.h"

NETWORKS_VTABLE(Networks, bus);

/* All methods answer a network, or why there is none. */
static void answer_network(void *call, Network *network, const GError *error) {
        if (network)
                call_reply(call, "o", published_path(network->published));
        else
                call_fail(call, error);
}

static void bus_define_network(Call *call, Networks *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (options_read(options, &error, NULL))
                networks_define(self, xml, call->uid, answer_network, call);
        else
                answer_network(call, NULL, error);
}

static void bus_get_network_by_uuid(Call *call, Networks *self, const char *uuid) {
        g_autoptr(GError) error = NULL;
        Network *network = networks_find(self, uuid, &error);
        answer_network(call, network, error);
}

static void bus_get_network_by_name(Call *call, Networks *self, const char *name) {
        g_autoptr(GError) error = NULL;
        Network *network = networks_find_name(self, name, &error);
        answer_network(call, network, error);
}

static void publish_each(void *uuid, void *network, void *unused) {
        (void) uuid;
        (void) unused;
        network_bus_listener.added(network);
}

static void withdraw_each(void *uuid, void *network, void *unused) {
        (void) uuid;
        (void) unused;
        network_bus_listener.removed(network);
}

void networks_publish(Networks *networks, Objects *objects, const char *path) {
        static const Vtable *const vtables[] = { &bus_vtable, NULL };
        networks->path = g_strdup(path);
        networks->objects = objects;
        networks->listener = &network_bus_listener;
        networks->published = objects_publish(objects, path, networks, vtables);
        g_hash_table_foreach(networks->by_uuid, publish_each, NULL);
}

void networks_withdraw(Networks *networks) {
        g_hash_table_foreach(networks->by_uuid, withdraw_each, NULL);
        networks->listener = NULL;
        g_clear_pointer(&networks->published, published_withdraw);
        g_clear_pointer(&networks->path, g_free);
}
