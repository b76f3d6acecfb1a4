/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/networks.h"

#include <net/if.h>
#include <string.h>

#include "bus.h"
#include "network/default-network.h"
#include "network/document-check.h"
#include "network/guard.h"
#include "network/interfaces.h"
#include "network/obstacles.h"
#include "network/port.h"
#include "network/run-leases.h"
#include "network/run-recovery.h"
#include "network/run.h"

/* What stands for all networks, where turns are taken. */
#define ALL_NETWORKS "networks"

/* The name of a bridge that is chosen. */
#define BRIDGE_TEMPLATE "virbr%d"

/* What no two networks have. */
typedef enum NetworkKey {
        KEY_NAME,
        KEY_BRIDGE,
} NetworkKey;

const NetworkDefinition *network_definition(const Network *network) {
        return network->entry.definition;
}

Network *networks_find(Networks *networks, const char *uuid, GError **error) {
        return (Network *) registry_find(&networks->registry, uuid, error);
}

Network *networks_find_name(Networks *networks, const char *name, GError **error) {
        return (Network *) registry_find_key(&networks->registry, KEY_NAME, name, "named", error);
}

/* The kind */

static void *parse(const char *xml, GError **error) {
        return network_definition_parse(xml, error);
}

static void *from_document(xmlDoc *document, GError **error) {
        return network_definition_from_document(document, error);
}

static void definition_free(void *definition) {
        network_definition_free(definition);
}

/* The bridge that is the network's own: another may have the name of one that it only uses. */
static const char *own_bridge(const NetworkDefinition *definition) {
        return document_mode_has_bridge(definition->mode) && *definition->bridge ? definition->bridge : NULL;
}

static Identity identify(const void *data) {
        const NetworkDefinition *definition = data;
        return (Identity){ .uuid = definition->uuid,
                           .xml = definition->xml,
                           .keys = { [KEY_NAME] = definition->name, [KEY_BRIDGE] = own_bridge(definition) },
                           .turn = ALL_NETWORKS,
                           .ephemeral = definition->is_transient };
}

static void say_taken(const void *data, unsigned key, const Entry *user, GError **error) {
        const NetworkDefinition *definition = data, *taken = user->definition;
        if (key == KEY_NAME)
                virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                  "network '%s' exists with UUID %s; give that UUID, or another name", taken->name, taken->uuid);
        else
                virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                  "bridge '%s' is the one of network '%s'; give another name, or leave it out",
                                  definition->bridge, taken->name);
}

static bool check_redefine(const void *old, const void *new, GError **error) {
        const NetworkDefinition *there = old, *wanted = new;
        if (wanted->is_transient)
                return virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS, "network '%s' with UUID %s exists: start it",
                                         there->name, there->uuid);
        return strcmp(there->name, wanted->name) == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                 "UUID %s is the one of network '%s'; give that name, or leave <uuid> out", there->uuid,
                                 there->name);
}

/* The first name of the template that neither a network nor the host has. */
static char *choose_bridge(const Registry *networks, const char *template) {
        g_autofree char *prefix = g_strndup(template, strcspn(template, "%"));
        for (unsigned i = 0; i <= NETWORKS_MAX; i++) {
                char *name = g_strdup_printf("%s%u", prefix, i);
                if (!g_hash_table_contains(networks->by_key[KEY_BRIDGE], name) && if_nametoindex(name) == 0)
                        return name;
                g_free(name);
        }
        return g_strdup_printf("%s%u", prefix, NETWORKS_MAX + 1);
}

/* An existing network keeps the bridge that it has. */
static void *give_bridge(Registry *networks, const void *old, void *definition, GError **error) {
        g_autoptr(NetworkDefinition) taken = definition;
        const char *bridge = old ? own_bridge(old) : NULL;
        if (!network_definition_lacks_bridge(taken))
                return g_steal_pointer(&taken);
        g_autofree char *name =
                        bridge ? g_strdup(bridge) : choose_bridge(networks, *taken->bridge ? taken->bridge : BRIDGE_TEMPLATE);
        return network_definition_with_bridge(taken, name, error);
}

/* Their runs */

static bool open_runs(Registry *registry, const char *state, const char *runtime, GError **error) {
        Networks *networks = (Networks *) registry;
        networks->state = g_strdup(state);
        servers_init(&networks->servers, registry->event, runtime);
        networks->newer_runs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        networks->worker = worker_new(registry->event, 1, error);
        if (networks->worker && networks->servers.has_user) {
                networks->lease_socket = lease_socket_new(registry->event, runtime, networks->servers.uid, networks->servers.gid,
                                                          run_leases_hear, networks, error);
                if (!networks->lease_socket)
                        return false;
        }
        networks->ports = networks->worker ? ports_open(networks, runtime, run_link_gone, error) : NULL;
        return networks->ports;
}

static void recover(Registry *registry) {
        Networks *networks = (Networks *) registry;
        runs_recover(networks);
        ports_recover(networks);
        default_network_provide(networks, networks->state);
}

static void autostart(Registry *registry) {
        runs_autostart((Networks *) registry);
}

/* Macvtaps are to be removed when their guests end: while there is any port, somebody has to be there. */
static bool has_runs(const Registry *registry) {
        const Networks *networks = (const Networks *) registry;
        return networks->n_runs > 0 || (networks->ports && ports_any(networks->ports));
}

static void cancel_runs(Registry *registry) {
        Networks *networks = (Networks *) registry;
        guard_cancel(networks);
        g_clear_pointer(&networks->interfaces, interfaces_close);
        if (networks->ports)
                ports_withdraw_host(networks->ports);
}

/* What they were at is left as it is written down. */
static void close_runs(Registry *registry) {
        Networks *networks = (Networks *) registry;
        g_autoptr(GPtrArray) all = registry_list(registry);
        g_clear_pointer(&networks->worker, worker_free);
        for (guint i = 0; i < all->len; i++) {
                Network *network = all->pdata[i];
                if (network->run)
                        run_abandon(network->run);
        }
        guard_close(networks);
        g_clear_pointer(&networks->lease_socket, lease_socket_free);
        g_clear_pointer(&networks->ports, ports_close);
        servers_clear(&networks->servers);
        g_clear_pointer(&networks->newer_runs, g_hash_table_unref);
        g_clear_pointer(&networks->state, g_free);
}

static void defined(Entry *entry) {
        ports_take_home((Network *) entry);
        obstacles_look(((Networks *) entry->registry)->obstacles);
}

static void release(Entry *entry) {
        Network *network = (Network *) entry;
        ports_release(network);
        g_clear_pointer(&network->obstacles, g_strfreev);
}

const RegistryKind networks_kind = {
        .noun = "network",
        .folder = "networks",
        .max = NETWORKS_MAX,
        .missing = VIRTBUS_ERROR_NO_SUCH_NETWORK,
        .registry_size = sizeof(Networks),
        .entry_size = sizeof(Network),
        .parse = parse,
        .from_document = from_document,
        .definition_free = definition_free,
        .identify = identify,
        .say_taken = say_taken,
        .check_redefine = check_redefine,
        .complete = give_bridge,
        .runs = true,
        .open = open_runs,
        .opened = recover,
        .defined = defined,
        .resume = autostart,
        .release = release,
        .is_busy = has_runs,
        .cancel = cancel_runs,
        .close = close_runs,
};

/* One that is not kept */

typedef struct Creation {
        EntryDone done;
        void *data;
} Creation;

static void on_added(void *data, Entry *entry, const GError *error) {
        g_autofree Creation *creation = data;
        if (entry)
                run_start((Network *) entry, creation->done, creation->data);
        else
                creation->done(creation->data, NULL, error);
}

void networks_create(Networks *networks, const char *xml, uid_t owner, EntryDone done, void *data) {
        g_autoptr(GError) error = NULL;
        NetworkDefinition *definition = network_definition_parse(xml, &error);
        if (!definition) {
                done(data, NULL, error);
                return;
        }
        Creation *creation = g_new0(Creation, 1);
        *creation = (Creation){ done, data };
        definition->is_transient = true;
        registry_take(&networks->registry, definition, owner, on_added, creation);
}

/* Undefining */

static void on_definition_deleted(void *data, const GError *failure) {
        RegistryChange *change = data;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        NetworkDefinition *definition = error ? NULL : network_definition_copy(change->entry->definition, &error);
        if (definition) {
                definition->is_transient = true;
                change->entry->kept.autostart = false;
                entry_redefine(change->entry, definition);
        }
        registry_change_end(change, error);
}

static void begin_undefine(RegistryChange *change) {
        const Network *network = (const Network *) change->entry;
        const NetworkDefinition *definition = network_definition(network);
        g_autoptr(GError) error = NULL;
        if (!network->run)
                registry_change_delete(change);
        else if (!definition->is_transient)
                store_define(change->registry->store, definition->uuid, NULL, on_definition_deleted, change);
        else {
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID,
                                  "network '%s' has no definition, and is gone when it stops: stop it", definition->name);
                registry_change_end(change, error);
        }
}

void network_undefine(Network *network, EntryDone done, void *data) {
        registry_change_take_turn(registry_change_new(&network->entry, begin_undefine, NULL, NULL, done, data));
}

/* Whether it is started with the machine */

static void begin_autostart_on(RegistryChange *change) {
        const NetworkDefinition *definition = change->entry->definition;
        g_autoptr(GError) error = NULL;
        if (definition->is_transient) {
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID,
                                  "network '%s' has no definition, and cannot be started with the machine: define it",
                                  definition->name);
                registry_change_end(change, error);
                return;
        }
        change->kept.autostart = true;
        registry_change_write(change);
}

static void begin_autostart_off(RegistryChange *change) {
        change->kept.autostart = false;
        registry_change_write(change);
}

void network_set_autostart(Network *network, bool autostart, EntryDone done, void *data) {
        registry_change_take_turn(registry_change_new(&network->entry, autostart ? begin_autostart_on : begin_autostart_off, NULL,
                                                      NULL, done, data));
}

/* Metadata */

typedef struct Metadata {
        char *uri;
        xmlDoc *element;
} Metadata;

static void metadata_free(void *data) {
        Metadata *metadata = data;
        g_clear_pointer(&metadata->element, xmlFreeDoc);
        g_free(metadata->uri);
        g_free(metadata);
}

static void begin_metadata(RegistryChange *change) {
        const Metadata *metadata = change->own;
        g_autoptr(GError) error = NULL;
        change->definition =
                        network_definition_with_metadata(change->entry->definition, metadata->uri, metadata->element, &error);
        if (change->definition)
                registry_change_write(change);
        else
                registry_change_end(change, error);
}

void network_set_metadata(Network *network, const char *uri, xmlDoc *element, EntryDone done, void *data) {
        Metadata *metadata = g_new0(Metadata, 1);
        *metadata = (Metadata){ g_strdup(uri), element };
        registry_change_take_turn(registry_change_new(&network->entry, begin_metadata, metadata, metadata_free, done, data));
}
