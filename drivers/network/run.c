/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/run.h"

#include <net/if.h>
#include <string.h>

#include "errors.h"
#include "log.h"
#include "network/bridge.h"
#include "network/rules.h"
#include "network/run-steps.h"
#include "network/run-update.h"

/* What is known */

static const NetworkDefinition *defined(const Network *network) {
        return network->entry.definition;
}

bool run_is_active(const Network *network) {
        return network->run && network->run->phase == RUN_ACTIVE;
}

const NetworkDefinition *run_live(const Network *network) {
        return run_is_active(network) ? network->run->definition : defined(network);
}

char **run_obstacles(const Network *network) {
        g_autoptr(GPtrArray) found = g_ptr_array_new();
        for (char **text = network->obstacles; text && *text; text++)
                g_ptr_array_add(found, *text);
        for (size_t i = 0; i < RUN_N_OBSTACLES && run_is_active(network); i++)
                if (network->run->obstacles[i])
                        g_ptr_array_add(found, network->run->obstacles[i]);
        g_ptr_array_add(found, NULL);
        return (char **) g_ptr_array_steal(found, NULL);
}

GPtrArray *run_leases(const Network *network, const char *mac) {
        return run_is_active(network) ? lease_book_list(network->run->leases, mac) : g_ptr_array_new();
}

/* The staircase */

const NetworkDefinition *run_ruled(const Network *network) {
        const NetworkRun *run = network->run;
        if (!run || run->phase == RUN_STOPPING || !rules_are_needed(run->definition))
                return NULL;
        return run->phase == RUN_ACTIVE || run->step >= RUN_STEP_RULES ? run->definition : NULL;
}

/* Tells who waits, as the last thing. */
static void answer(NetworkRun *run, const GError *error) {
        Network *network = run->network;
        RegistryChange *change = g_steal_pointer(&run->change);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        if (run->phase != RUN_ACTIVE)
                run_state_free(run);
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
        run->phase = RUN_STOPPING;
        run->step = step;
        if (!run_state_save(run, &error))
                run_state_log(run, "cannot write the state of its run", error);
        run_steps[step].down(run);
}

static void descended(NetworkRun *run) {
        if (is_cancelled(run))
                return;
        if (run->step > 0)
                run_steps[--run->step].down(run);
        else
                answer(run, run->error);
}

static void climbed(NetworkRun *run, const GError *error);

static void finish(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        run->phase = RUN_ACTIVE;
        if (run_state_save(run, &error))
                answer(run, NULL);
        else
                climbed(run, error);
}

static void climbed(NetworkRun *run, const GError *error) {
        if (is_cancelled(run))
                return;
        if (error) {
                run->error = g_error_copy(error);
                descend(run, MIN(run->step, RUN_N_STEPS - 1));
        } else if (++run->step < RUN_N_STEPS)
                run_steps[run->step].up(run);
        else
                finish(run);
}

static const RunStairs stairs = { climbed, descended };

void run_go(NetworkRun *run, RegistryChange *change) {
        run->stairs = &stairs;
        run->change = change;
        if (run->phase == RUN_STOPPING)
                descend(run, RUN_N_STEPS - 1);
        else {
                run->step = 0;
                run_steps[0].up(run);
        }
}

/* Starting and stopping */

/* Networks do not wait for each other, only what is done to one of them. */
static void take_turn(Network *network, void (*begin)(RegistryChange *change), EntryDone done, void *data) {
        registry_change_take_own_turn(registry_change_new(&network->entry, begin, NULL, NULL, done, data));
}

bool run_check_kind(const Network *network, GError **error) {
        const NetworkDefinition *definition = defined(network);
        if (!bridge_is_needed(definition) && !*definition->bridge && !network_definition_is_direct(definition))
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_UNSUPPORTED,
                                "network '%s' of mode '%s' has neither a bridge nor an <interface>, and cannot be started: give "
                                "guests interfaces of type 'direct' or 'hostdev' in its place",
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
        run_go(run_state_new(network, copy, RUN_STARTING), change);
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
        network->run->phase = RUN_STOPPING;
        run_go(network->run, change);
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
                        run_state_set_obstacle(network->run, OBSTACLE_BRIDGE,
                                               g_strdup_printf("bridge: '%s' has been deleted, so that its guests are cut off: "
                                                               "stop and start the network",
                                                               name));
        }
}

void run_abandon(NetworkRun *run) {
        RegistryChange *change = run->change;
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        run_update_abandon(run);
        run_state_free(run);
        if (change)
                registry_change_end(change, error);
}
