/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/networks.h"

#include <net/if.h>
#include <string.h>

#include "base/folder-lock.h"
#include "base/uuid.h"
#include "bus.h"
#include "log.h"
#include "network/document-check.h"

/* What stands for all networks, where turns are taken. */
#define ALL_NETWORKS "networks"

/* The name of a bridge that is chosen. */
#define BRIDGE_TEMPLATE "virbr%d"

/* Networks */

Network *network_ref(Network *network) {
        network->n_references++;
        return network;
}

void network_unref(Network *network) {
        if (--network->n_references > 0)
                return;
        network_definition_free(network->definition);
        g_free(network);
}

/* The bridge that is the network's own: another may have the name of one that it only uses. */
static const char *own_bridge(const NetworkDefinition *definition) {
        return document_mode_has_bridge(definition->mode) && *definition->bridge ? definition->bridge : NULL;
}

static void enter(Network *network) {
        Networks *networks = network->networks;
        const NetworkDefinition *definition = network->definition;
        g_hash_table_insert(networks->by_uuid, definition->uuid, network);
        g_hash_table_insert(networks->by_name, definition->name, network);
        if (own_bridge(definition))
                g_hash_table_insert(networks->by_bridge, (char *) own_bridge(definition), network);
}

/* The reference of the table is the caller's. */
static void leave(Network *network) {
        Networks *networks = network->networks;
        const NetworkDefinition *definition = network->definition;
        if (own_bridge(definition))
                g_hash_table_remove(networks->by_bridge, own_bridge(definition));
        g_hash_table_remove(networks->by_name, definition->name);
        g_hash_table_steal(networks->by_uuid, definition->uuid);
}

/* DEFINITION is taken. Borrowed: the table holds it. */
static Network *add(Networks *networks, NetworkDefinition *definition, const Kept *kept) {
        Network *network = g_new0(Network, 1);
        *network = (Network){ .n_references = 1,
                              .networks = networks,
                              .definition = definition,
                              .owner = kept->owner,
                              .autostart = kept->autostart };
        enter(network);
        if (networks->listener)
                networks->listener->added(network);
        return network;
}

static void tell_changed(Network *network) {
        if (network->networks->listener)
                network->networks->listener->changed(network);
}

/* The UUID stays what it was. DEFINITION is taken. */
static void redefine(Network *network, NetworkDefinition *definition) {
        NetworkDefinition *old = network->definition;
        leave(network);
        network->definition = definition;
        enter(network);
        network_definition_free(old);
        tell_changed(network);
}

static void remove_network(Network *network) {
        network->gone = true;
        if (network->networks->listener)
                network->networks->listener->removed(network);
        leave(network);
        network_unref(network);
}

static bool no_such_network(GError **error, const char *what, const char *value) {
        return virtbus_error_set(error, VIRTBUS_ERROR_NO_SUCH_NETWORK, "there is no network %s '%.64s'", what, value);
}

Network *networks_find(Networks *networks, const char *uuid, GError **error) {
        g_autofree char *normal = uuid_of_argument(uuid, error);
        Network *network = normal ? g_hash_table_lookup(networks->by_uuid, normal) : NULL;
        if (normal && !network)
                no_such_network(error, "with UUID", normal);
        return network;
}

Network *networks_find_name(Networks *networks, const char *name, GError **error) {
        Network *network = g_hash_table_lookup(networks->by_name, name);
        if (!network)
                no_such_network(error, "named", name);
        return network;
}

/* What one definition takes, another may not have. */
static bool check_unique(Networks *networks, const NetworkDefinition *definition, GError **error) {
        const Network *namesake = g_hash_table_lookup(networks->by_name, definition->name);
        const char *bridge = own_bridge(definition);
        const Network *user = bridge ? g_hash_table_lookup(networks->by_bridge, bridge) : NULL;
        if (namesake && strcmp(namesake->definition->uuid, definition->uuid) != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                         "network '%s' exists with UUID %s; give that UUID, or another name", definition->name,
                                         namesake->definition->uuid);
        return !user || strcmp(user->definition->uuid, definition->uuid) == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                 "bridge '%s' is the one of network '%s'; give another name, or leave it out", bridge,
                                 user->definition->name);
}

/* What is there at the start */

static void load(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Networks *networks = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "network", &error) : NULL;
        Kept kept = { 0 };
        bool readable = document && kept_take(document, &kept, &error);
        g_autoptr(NetworkDefinition) definition =
                        readable ? network_definition_from_document(g_steal_pointer(&document), &error) : NULL;
        if (definition && strcmp(definition->uuid, uuid) != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_XML, "its UUID is %s", definition->uuid);
        if (definition && !error && check_unique(networks, definition, &error)) {
                add(networks, g_steal_pointer(&definition), &kept);
                return;
        }
        log_error("the definition of network %s is left as it is: %s", uuid, error->message);
        if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED))
                g_hash_table_insert(networks->newer, g_strdup(uuid), g_strdup(error->message));
}

static bool open_state(Networks *networks, const char *state, GError **error) {
        networks->lock = folder_lock(state, error);
        networks->store = networks->lock >= 0 ? store_new(networks->event, "networks", state, NULL, error) : NULL;
        return networks->store != NULL;
}

Networks *networks_open(sd_event *event, const char *state, GError **error) {
        g_autoptr(Networks) networks = g_new0(Networks, 1);
        networks->event = sd_event_ref(event);
        networks->by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) network_unref);
        networks->by_name = g_hash_table_new(g_str_hash, g_str_equal);
        networks->by_bridge = g_hash_table_new(g_str_hash, g_str_equal);
        networks->newer = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        networks->turns = turns_new();
        networks->lock = -1;
        if (!open_state(networks, state, error))
                return NULL;
        store_each_definition(networks->store, load, networks);
        return g_steal_pointer(&networks);
}

void networks_cancel(Networks *networks) {
        g_autoptr(GError) error = NULL;
        if (networks->cancelled)
                return;
        networks->cancelled = true;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        turns_cancel(networks->turns, error);
        if (networks->store)
                store_finish(networks->store);
        calls_cancel(error);
}

void networks_close(Networks *networks) {
        networks_cancel(networks);
        if (networks->store)
                store_free(networks->store);
        turns_free(networks->turns);
        g_hash_table_unref(networks->by_bridge);
        g_hash_table_unref(networks->by_name);
        g_hash_table_unref(networks->by_uuid);
        g_hash_table_unref(networks->newer);
        autofd_close(&networks->lock);
        sd_event_unref(networks->event);
        g_free(networks);
}

bool networks_is_busy(const Networks *networks) {
        return turns_pending(networks->turns) > 0 || store_is_busy(networks->store);
}

/* Changes */

typedef struct Change Change;

/* What is to be done when the change has its turn, and when it is on disk. */
typedef struct ChangeKind {
        bool (*prepare)(Change *change, GError **error);
        void (*apply)(Change *change);
} ChangeKind;

struct Change {
        const ChangeKind *kind;
        Networks *networks;
        Network *network;              /* the existing one, or NULL */
        NetworkDefinition *definition; /* the new one, or NULL */
        Kept kept;                     /* what is kept with that, or with the existing one */
        char *uri;                     /* of metadata */
        xmlDoc *metadata;
        NetworkDone done;
        void *data;
        Turn *turn;
};

static void change_free(Change *change) {
        g_clear_pointer(&change->network, network_unref);
        g_clear_pointer(&change->definition, network_definition_free);
        g_clear_pointer(&change->metadata, xmlFreeDoc);
        g_free(change->uri);
        g_free(change);
}

static void change_end(Change *change, const GError *error) {
        Networks *networks = change->networks;
        change->done(change->data, error ? NULL : change->network, error);
        if (change->turn)
                turn_end(change->turn);
        change_free(change);
        if (networks->idle)
                networks->idle(networks->idle_data);
}

static void on_written(void *data, const GError *error) {
        Change *change = data;
        if (!error)
                change->kind->apply(change);
        change_end(change, error);
}

static void write_change(Change *change) {
        const NetworkDefinition *definition = change->definition ? change->definition : change->network->definition;
        g_autofree char *text = kept_text(definition->xml, &change->kept);
        store_define(change->networks->store, definition->uuid, text, on_written, change);
}

static void delete_definition(Change *change) {
        store_define(change->networks->store, change->network->definition->uuid, NULL, on_written, change);
}

static const ChangeKind undefining;

static void on_turn(void *data, Turn *turn, const GError *refused) {
        Change *change = data;
        g_autoptr(GError) error = refused ? g_error_copy(refused) : NULL;
        change->turn = turn;
        if (turn && change->network && change->network->gone)
                no_such_network(&error, "any more with UUID", change->network->definition->uuid);
        else if (turn && change->network)
                change->kept = (Kept){ .owner = change->network->owner, .autostart = change->network->autostart };
        if (error || !change->kind->prepare(change, &error))
                change_end(change, error);
        else if (change->kind == &undefining)
                delete_definition(change);
        else
                write_change(change);
}

static Change *change_new(const ChangeKind *kind, Network *network, NetworkDone done, void *data) {
        Change *change = g_new0(Change, 1);
        *change = (Change){
                .kind = kind, .networks = network->networks, .network = network_ref(network), .done = done, .data = data
        };
        return change;
}

static void take_turn(Change *change) {
        const NetworkDefinition *definition = change->definition ? change->definition : change->network->definition;
        turns_take(change->networks->turns, definition->uuid, ALL_NETWORKS, on_turn, change);
}

/* Defining */

/* The first name of the template that neither a network nor the host has. */
static char *choose_bridge(Networks *networks, const char *template) {
        g_autofree char *prefix = g_strndup(template, strcspn(template, "%"));
        for (unsigned i = 0; i <= NETWORKS_MAX; i++) {
                char *name = g_strdup_printf("%s%u", prefix, i);
                if (!g_hash_table_contains(networks->by_bridge, name) && if_nametoindex(name) == 0)
                        return name;
                g_free(name);
        }
        return g_strdup_printf("%s%u", prefix, NETWORKS_MAX + 1);
}

/* An existing network keeps the bridge that it has. */
static bool give_bridge(Change *change, GError **error) {
        NetworkDefinition *definition = change->definition;
        const char *old = change->network ? own_bridge(change->network->definition) : NULL;
        if (!network_definition_lacks_bridge(definition))
                return true;
        g_autofree char *name = old ? g_strdup(old)
                                    : choose_bridge(change->networks, *definition->bridge ? definition->bridge : BRIDGE_TEMPLATE);
        change->definition = network_definition_with_bridge(definition, name, error);
        network_definition_free(definition);
        return change->definition;
}

static bool prepare_define(Change *change, GError **error) {
        Networks *networks = change->networks;
        Network *same = g_hash_table_lookup(networks->by_uuid, change->definition->uuid);
        const char *newer = g_hash_table_lookup(networks->newer, change->definition->uuid);
        if (newer)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "the file of network %s is left alone: %s",
                                         change->definition->uuid, newer);
        if (same && strcmp(same->definition->name, change->definition->name) != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                         "UUID %s is the one of network '%s'; give that name, or leave <uuid> out",
                                         same->definition->uuid, same->definition->name);
        if (!same && g_hash_table_size(networks->by_uuid) >= NETWORKS_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there are %d networks already; undefine some",
                                         NETWORKS_MAX);
        if (same) {
                change->network = network_ref(same);
                change->kept = (Kept){ .owner = same->owner, .autostart = same->autostart };
        }
        return give_bridge(change, error) && check_unique(networks, change->definition, error);
}

static void apply_define(Change *change) {
        if (change->network)
                redefine(change->network, g_steal_pointer(&change->definition));
        else
                change->network = network_ref(add(change->networks, g_steal_pointer(&change->definition), &change->kept));
}

static const ChangeKind defining = { prepare_define, apply_define };

void networks_define(Networks *networks, const char *xml, uid_t owner, NetworkDone done, void *data) {
        g_autoptr(GError) error = NULL;
        NetworkDefinition *definition = network_definition_parse(xml, &error);
        if (!definition) {
                done(data, NULL, error);
                return;
        }
        Change *change = g_new0(Change, 1);
        *change = (Change){
                .kind = &defining, .networks = networks, .definition = definition, .kept.owner = owner, .done = done, .data = data
        };
        take_turn(change);
}

/* Undefining */

static bool prepare_undefine(Change *change, GError **error) {
        (void) change;
        (void) error;
        return true;
}

static void apply_undefine(Change *change) {
        remove_network(change->network);
}

static const ChangeKind undefining = { prepare_undefine, apply_undefine };

void network_undefine(Network *network, NetworkDone done, void *data) {
        take_turn(change_new(&undefining, network, done, data));
}

/* Whether it is started with the machine */

static bool prepare_autostart_on(Change *change, GError **error) {
        (void) error;
        change->kept.autostart = true;
        return true;
}

static bool prepare_autostart_off(Change *change, GError **error) {
        (void) error;
        change->kept.autostart = false;
        return true;
}

static void apply_autostart(Change *change) {
        change->network->autostart = change->kept.autostart;
        tell_changed(change->network);
}

static const ChangeKind autostart_on = { prepare_autostart_on, apply_autostart };
static const ChangeKind autostart_off = { prepare_autostart_off, apply_autostart };

void network_set_autostart(Network *network, bool autostart, NetworkDone done, void *data) {
        take_turn(change_new(autostart ? &autostart_on : &autostart_off, network, done, data));
}

/* Metadata */

static bool prepare_metadata(Change *change, GError **error) {
        change->definition = network_definition_with_metadata(change->network->definition, change->uri, change->metadata, error);
        return change->definition;
}

static const ChangeKind describing = { prepare_metadata, apply_define };

void network_set_metadata(Network *network, const char *uri, xmlDoc *metadata, NetworkDone done, void *data) {
        Change *change = change_new(&describing, network, done, data);
        change->uri = g_strdup(uri);
        change->metadata = metadata;
        take_turn(change);
}
