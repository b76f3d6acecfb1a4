/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/run.h"

#include <net/if.h>
#include <string.h>

#include "errors.h"
#include "log.h"
#include "network/bridge.h"
#include "network/dnsmasq.h"
#include "network/nft.h"
#include "network/port.h"
#include "network/rules.h"
#include "network/server.h"

typedef enum RunState { RUN_STARTING, RUN_ACTIVE, RUN_STOPPING, RUN_N_STATES } RunState;

static const char *const state_names[RUN_N_STATES + 1] = { "starting", "active", "stopping", NULL };

struct NetworkRun {
        Network *network; /* holds a reference */
        NetworkDefinition *definition;
        RunState state;
        size_t step; /* where it goes up or down */
        Nft *nft;    /* at work */
        Server *server;
        bool has_bridge;                        /* its name was free before, or had our mark: what is there is ours */
        uint64_t server_pid, server_start_time; /* what is written down of it */
        char *obstacle;
        GPtrArray *links;       /* its ports, while they are put into the bridge */
        RegistryChange *change; /* what it starts or stops for; NULL where it does neither */
        GError *error;          /* why it goes down, or NULL */
};

static Networks *networks_of(const NetworkRun *run) {
        return (Networks *) run->network->entry.registry;
}

/* What is known */

static const NetworkDefinition *defined(const Network *network) {
        return network->entry.definition;
}

bool run_is_active(const Network *network) {
        return network->run && network->run->state == RUN_ACTIVE;
}

const NetworkDefinition *run_live(const Network *network) {
        return run_is_active(network) ? network->run->definition : defined(network);
}

const char *run_obstacle(const Network *network) {
        return run_is_active(network) ? network->run->obstacle : NULL;
}

static void log_trouble(const NetworkRun *run, const char *what, const GError *error) {
        log_error("network '%s': %s: %s", run->definition->name, what, error->message);
}

/* DEFINITION is taken. */
static NetworkRun *run_new(Network *network, NetworkDefinition *definition, RunState state) {
        NetworkRun *run = g_new0(NetworkRun, 1);
        *run = (NetworkRun){ .network = network, .definition = definition, .state = state };
        entry_ref(&network->entry);
        network->run = run;
        networks_of(run)->n_runs++;
        return run;
}

static void run_free(NetworkRun *run) {
        g_clear_pointer(&run->nft, nft_free);
        g_clear_pointer(&run->server, server_free);
        g_clear_pointer(&run->definition, network_definition_free);
        g_clear_error(&run->error);
        g_clear_pointer(&run->links, g_ptr_array_unref);
        g_free(run->obstacle);
        run->network->run = NULL;
        networks_of(run)->n_runs--;
        entry_unref(&run->network->entry);
        g_free(run);
}

/* What is written down */

static char *status_text(const NetworkRun *run) {
        const Network *network = run->network;
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "networkstatus", NULL);
        xmlDocSetRootElement(document, root);
        xml_set_number(root, "format", STORE_FORMAT_COMMON);
        xml_set_attribute(root, "state", state_names[run->state]);
        xml_set_number(root, "owner", network->entry.kept.owner);
        if (run->has_bridge)
                xml_set_attribute(root, "bridge", "ours");
        if (run->server_pid > 0) {
                xml_set_number(root, "server", (int64_t) run->server_pid);
                xml_set_number(root, "server-start-time", (int64_t) run->server_start_time);
        }
        xmlAddChild(root, xmlDocCopyNode(xmlDocGetRootElement(run->definition->document), document, 1));
        return xml_document_text(document);
}

static bool save(const NetworkRun *run, GError **error) {
        g_autofree char *text = status_text(run);
        return store_save_status(run->network->entry.registry->store, run->definition->uuid, text, error);
}

/* Up and down */

static void climbed(NetworkRun *run, const GError *error);
static void descended(NetworkRun *run);

static void down_failed(NetworkRun *run, const char *what, const GError *error) {
        if (error)
                log_trouble(run, what, error);
        descended(run);
}

/* What it is, on disk */

static void write_down(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        save(run, &error);
        climbed(run, error);
}

static void forget(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        server_remove_files(&networks_of(run)->servers, run->definition->uuid);
        store_save_status(run->network->entry.registry->store, run->definition->uuid, NULL, &error);
        down_failed(run, "cannot remove the state of its run", error);
}

/* The bridge's name, before anything is done to whose it may be. That it was free is written down before there is one: a
 * bridge of the host's that looks like ours, as a document can have it, is not taken for it then. */

static void look_in_thread(void *data, GError **error) {
        const NetworkRun *run = data;
        bridge_check_free(run->definition, error);
}

static void on_looked(void *data, const GError *error) {
        NetworkRun *run = data;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        run->has_bridge = !failure;
        run->has_bridge = !failure && save(run, &failure);
        climbed(run, failure);
}

static void claim_bridge(NetworkRun *run) {
        if (run->has_bridge || !bridge_is_needed(run->definition))
                climbed(run, NULL);
        else
                worker_run(networks_of(run)->worker, look_in_thread, on_looked, run);
}

/* Rules, before there is a packet that needs them */

static void on_rules_added(void *data, const GError *error) {
        NetworkRun *run = data;
        run->nft = NULL;
        climbed(run, error);
}

static void add_rules(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        if (!rules_are_needed(run->definition)) {
                climbed(run, NULL);
                return;
        }
        g_autofree char *text = rules_text(run->definition);
        run->nft = nft_begin(networks_of(run)->registry.event, text, on_rules_added, run, &error);
        if (!run->nft)
                climbed(run, error);
}

static void on_rules_removed(void *data, const GError *error) {
        NetworkRun *run = data;
        run->nft = NULL;
        down_failed(run, "its rules cannot be removed", error);
}

static void remove_rules(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        if (!rules_are_needed(run->definition)) {
                descended(run);
                return;
        }
        g_autofree char *text = rules_removal(run->definition);
        run->nft = nft_begin(networks_of(run)->registry.event, text, on_rules_removed, run, &error);
        if (!run->nft)
                down_failed(run, "its rules cannot be removed", error);
}

/* The bridge */

static void make_in_thread(void *data, GError **error) {
        const NetworkRun *run = data;
        /* One that runs already keeps what dnsmasq has opened. */
        if (run->state == RUN_STARTING && !server_check_boot(run->definition, error))
                return;
        if (bridge_is_needed(run->definition))
                bridge_make(run->definition, error);
        else
                bridge_check_foreign(run->definition->bridge, error);
}

static void on_bridge_made(void *data, const GError *error) {
        climbed(data, error);
}

static void make_bridge(NetworkRun *run) {
        worker_run(networks_of(run)->worker, make_in_thread, on_bridge_made, run);
}

static void delete_in_thread(void *data, GError **error) {
        const NetworkRun *run = data;
        if (run->has_bridge)
                bridge_delete(run->definition, error);
}

static void on_bridge_deleted(void *data, const GError *error) {
        down_failed(data, "its bridge cannot be deleted", error);
}

static void delete_bridge(NetworkRun *run) {
        worker_run(networks_of(run)->worker, delete_in_thread, on_bridge_deleted, run);
}

/* The ports that it had before */

static void attach_in_thread(void *data, GError **error) {
        const NetworkRun *run = data;
        (void) error;
        ports_attach(run->links, run->definition->bridge);
}

static void on_attached(void *data, const GError *error) {
        NetworkRun *run = data;
        g_clear_pointer(&run->links, g_ptr_array_unref);
        climbed(run, error);
}

static void attach_ports(NetworkRun *run) {
        run->links = ports_links(run->network);
        worker_run(networks_of(run)->worker, attach_in_thread, on_attached, run);
}

/* dnsmasq */

static void set_obstacle(NetworkRun *run, char *obstacle) {
        g_free(run->obstacle);
        run->obstacle = obstacle;
        log_error("network '%s': %s", run->definition->name, obstacle);
        entry_changed(&run->network->entry);
}

static void on_server_ready(void *data, const GError *error) {
        NetworkRun *run = data;
        if (error)
                g_clear_pointer(&run->server, server_free);
        climbed(run, error);
}

static void on_server_ended(void *data, const char *said) {
        NetworkRun *run = data;
        g_clear_pointer(&run->server, server_free);
        if (run->state == RUN_STOPPING) {
                descended(run);
                return;
        }
        set_obstacle(run, g_strdup_printf("dnsmasq has ended, so that guests get no addresses and names: stop and start the "
                                          "network (%s)",
                                          said));
}

static const ServerListener server_listener = { on_server_ready, on_server_ended };

static bool find_server(NetworkRun *run) {
        if (run->server_pid > 0)
                run->server = server_find(&networks_of(run)->servers, (pid_t) run->server_pid, run->server_start_time,
                                          &server_listener, run);
        return run->server;
}

/* It does nothing before its number is written down. */
static bool begin_server(NetworkRun *run, GError **error) {
        run->server = server_new(&networks_of(run)->servers, run->definition, &server_listener, run, error);
        if (!run->server)
                return false;
        run->server_pid = (uint64_t) server_pid(run->server);
        run->server_start_time = server_start_time(run->server);
        if (!save(run, error))
                return false;
        server_go(run->server);
        return true;
}

static void start_server(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        if (!dnsmasq_is_needed(run->definition) || find_server(run))
                climbed(run, NULL);
        else if (!begin_server(run, &error))
                climbed(run, error);
}

static void end_server(NetworkRun *run) {
        if (run->server || find_server(run))
                server_end(run->server);
        else
                descended(run);
}

/* The staircase */

typedef struct Step {
        void (*up)(NetworkRun *run);   /* ends with climbed; takes what is there for made */
        void (*down)(NetworkRun *run); /* ends with descended; whatever is there of it */
} Step;

static const Step steps[] = {
        { write_down, forget },         { claim_bridge, descended }, { add_rules, remove_rules },
        { make_bridge, delete_bridge }, { attach_ports, descended }, { start_server, end_server },
};

const NetworkDefinition *run_ruled(const Network *network) {
        const NetworkRun *run = network->run;
        if (!run || run->state == RUN_STOPPING || !rules_are_needed(run->definition))
                return NULL;
        bool has_come_to_them = run->state == RUN_ACTIVE;
        for (size_t i = 0; i <= run->step && !has_come_to_them; i++)
                has_come_to_them = steps[i].up == add_rules;
        return has_come_to_them ? run->definition : NULL;
}

/* Tells who waits, as the last thing. */
static void answer(NetworkRun *run, const GError *error) {
        Network *network = run->network;
        RegistryChange *change = g_steal_pointer(&run->change);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        if (run->state != RUN_ACTIVE)
                run_free(run);
        if (!network->run && defined(network)->is_transient && !network->entry.gone)
                entry_remove(&network->entry);
        else if (!network->entry.gone)
                entry_changed(&network->entry);
        registry_change_end(change, failure);
}

/* The driver ends: the next one goes on. */
static bool is_cancelled(const NetworkRun *run) {
        return run->network->entry.registry->cancelled;
}

static void descend(NetworkRun *run, size_t step) {
        g_autoptr(GError) error = NULL;
        run->state = RUN_STOPPING;
        run->step = step;
        if (!save(run, &error))
                log_trouble(run, "cannot write the state of its run", error);
        steps[step].down(run);
}

static void descended(NetworkRun *run) {
        if (is_cancelled(run))
                return;
        if (run->step > 0)
                steps[--run->step].down(run);
        else
                answer(run, run->error);
}

static void finish(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        run->state = RUN_ACTIVE;
        if (save(run, &error))
                answer(run, NULL);
        else
                climbed(run, error);
}

static void climbed(NetworkRun *run, const GError *error) {
        if (is_cancelled(run))
                return;
        if (error) {
                run->error = g_error_copy(error);
                descend(run, MIN(run->step, G_N_ELEMENTS(steps) - 1));
        } else if (++run->step < G_N_ELEMENTS(steps))
                steps[run->step].up(run);
        else
                finish(run);
}

static void climb(NetworkRun *run) {
        run->step = 0;
        steps[0].up(run);
}

/* Starting and stopping */

/* Networks do not wait for each other, only what is done to one of them. */
static void take_turn(Network *network, void (*begin)(RegistryChange *change), EntryDone done, void *data) {
        registry_change_take_own_turn(registry_change_new(&network->entry, begin, NULL, NULL, done, data));
}

bool run_check_kind(const Network *network, GError **error) {
        const NetworkDefinition *definition = defined(network);
        if (!bridge_is_needed(definition) && !*definition->bridge)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_UNSUPPORTED,
                                "network '%s' of mode '%s' has no bridge, and cannot be started: give guests interfaces of "
                                "type 'direct' or 'hostdev' in its place",
                                definition->name, definition->mode);
        return geteuid() == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                 "network '%s' is a user's own, who may not change the host's network: define and start "
                                 "it on the system bus, or give guests interfaces of type 'user'",
                                 definition->name);
}

bool run_check_active(const Network *network, GError **error) {
        const NetworkDefinition *definition = defined(network);
        if (run_is_active(network) || !run_check_kind(network, error))
                return run_is_active(network);
        return virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                 "network '%s' is not active: start it (virtbusctl network start %s)", definition->name,
                                 definition->name);
}

static bool check_start(const Network *network, GError **error) {
        const Networks *networks = (const Networks *) network->entry.registry;
        const char *newer = g_hash_table_lookup(networks->newer_runs, defined(network)->uuid);
        if (newer)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "network '%s' may be active already, and the state of its run is left alone: %s",
                                         defined(network)->name, newer);
        if (network->run)
                return virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID, "network '%s' is active already",
                                         defined(network)->name);
        return run_check_kind(network, error);
}

static void begin_start(RegistryChange *change) {
        Network *network = (Network *) change->entry;
        g_autoptr(GError) error = NULL;
        NetworkDefinition *copy = check_start(network, &error) ? network_definition_copy(defined(network), &error) : NULL;
        if (!copy) {
                if (!network->run && defined(network)->is_transient)
                        entry_remove(&network->entry);
                registry_change_end(change, error);
                return;
        }
        NetworkRun *run = run_new(network, copy, RUN_STARTING);
        run->change = change;
        climb(run);
}

void run_start(Network *network, EntryDone done, void *data) {
        take_turn(network, begin_start, done, data);
}

static void begin_stop(RegistryChange *change) {
        Network *network = (Network *) change->entry;
        g_autoptr(GError) error = NULL;
        if (!network->run) {
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID, "network '%s' is not active", defined(network)->name);
                registry_change_end(change, error);
                return;
        }
        network->run->change = change;
        descend(network->run, G_N_ELEMENTS(steps) - 1);
}

void run_stop(Network *network, EntryDone done, void *data) {
        take_turn(network, begin_stop, done, data);
}

void run_link_gone(Networks *networks, const char *name) {
        g_autoptr(GPtrArray) all = registry_list(&networks->registry);
        /* An earlier one of a network that was stopped and started: */
        for (guint i = 0; i < all->len && if_nametoindex(name) == 0; i++) {
                const Network *network = all->pdata[i];
                if (run_is_active(network) && strcmp(network->run->definition->bridge, name) == 0)
                        set_obstacle(network->run,
                                     g_strdup_printf("bridge '%s' has been deleted, so that its guests are cut off: "
                                                     "stop and start the network",
                                                     name));
        }
}

void run_abandon(NetworkRun *run) {
        RegistryChange *change = run->change;
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        run_free(run);
        if (change)
                registry_change_end(change, error);
}

/* Runs of an earlier driver */

static void on_recovered(void *data, Entry *entry, const GError *error) {
        (void) entry;
        if (error && virtbus_error_code(error) != VIRTBUS_ERROR_CANCELLED)
                log_error("network '%s', which was active, is not any more: %s", defined(data)->name, error->message);
}

static void begin_recovery(RegistryChange *change) {
        NetworkRun *run = ((Network *) change->entry)->run;
        run->change = change;
        if (run->state == RUN_ACTIVE)
                climb(run);
        else
                descend(run, G_N_ELEMENTS(steps) - 1);
}

/* The network that a status is of: defined, or else transient. DEFINITION is taken. */
static NetworkRun *adopt(Networks *networks, NetworkDefinition *definition, RunState state, uid_t owner, GError **error) {
        g_autoptr(NetworkDefinition) live = definition;
        Network *network = (Network *) registry_find(&networks->registry, live->uuid, NULL);
        if (network)
                return run_new(network, g_steal_pointer(&live), state);
        if (!registry_check_unique(&networks->registry, live, error))
                return NULL;
        NetworkDefinition *only = network_definition_copy(live, error);
        if (!only)
                return NULL;
        only->is_transient = true;
        network = (Network *) registry_add(&networks->registry, only, &(Kept){ .owner = owner });
        return run_new(network, g_steal_pointer(&live), state);
}

static int state_of(const xmlNode *root) {
        g_autofree char *name = xml_attribute(root, "state");
        for (int i = 0; name && i < RUN_N_STATES; i++)
                if (strcmp(name, state_names[i]) == 0)
                        return i;
        return RUN_STOPPING;
}

static NetworkDefinition *live_of(xmlNode *root, const char *uuid, GError **error) {
        xmlNode *element = xml_child(root, "network");
        if (!element) {
                xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<network> is missing");
                return NULL;
        }
        xmlDoc *document = xmlNewDoc((const xmlChar *) "1.0");
        xmlDocSetRootElement(document, xmlDocCopyNode(element, document, 1));
        g_autoptr(NetworkDefinition) live = network_definition_from_document(document, error);
        if (!live || strcmp(live->uuid, uuid) == 0)
                return g_steal_pointer(&live);
        xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "its UUID is %s", live->uuid);
        return NULL;
}

static NetworkRun *restore(Networks *networks, xmlNode *root, const char *uuid, GError **error) {
        uint64_t owner = 0, server = 0, start_time = 0;
        bool has_bridge = xml_attribute_is(root, "bridge", "ours");
        if (!store_check_format(root, error) || !xml_one_of(root, "state", state_names, error) ||
            !xml_number_attribute(root, "owner", 0, UINT32_MAX, &owner, error) ||
            !xml_number_attribute(root, "server", 1, INT32_MAX, &server, error) ||
            !xml_number_attribute(root, "server-start-time", 0, INT64_MAX, &start_time, error))
                return NULL;
        NetworkDefinition *live = live_of(root, uuid, error);
        NetworkRun *run = live ? adopt(networks, live, (RunState) state_of(root), (uid_t) owner, error) : NULL;
        if (run) {
                run->has_bridge = has_bridge;
                run->server_pid = server;
                run->server_start_time = start_time;
        }
        return run;
}

static void recover(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Networks *networks = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "networkstatus", &error) : NULL;
        NetworkRun *run = document ? restore(networks, xmlDocGetRootElement(document), uuid, &error) : NULL;
        if (run)
                take_turn(run->network, begin_recovery, on_recovered, run->network);
        else if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED)) {
                log_error("what is known of the run of network %s is left as it is: %s", uuid, error->message);
                g_hash_table_insert(networks->newer_runs, g_strdup(uuid), g_strdup(error->message));
        } else
                store_put_status_aside(networks->registry.store, uuid, error);
}

void runs_recover(Networks *networks) {
        store_each_status(networks->registry.store, recover, networks);
}

/* With the machine */

static void on_autostarted(void *data, Entry *entry, const GError *error) {
        (void) entry;
        if (error)
                log_error("network '%s' cannot be started with the machine: %s", defined(data)->name, error->message);
}

void runs_autostart(Networks *networks) {
        if (!store_is_first_run(networks->registry.store))
                return;
        g_autoptr(GPtrArray) all = registry_list(&networks->registry);
        for (guint i = 0; i < all->len; i++) {
                Network *network = all->pdata[i];
                if (network->entry.kept.autostart && !network->run)
                        run_start(network, on_autostarted, network);
        }
}
