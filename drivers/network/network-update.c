/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/network-update.h"

#include "network/run-state.h"
#include "network/run-update.h"
#include "network/run.h"

typedef struct NetworkUpdate {
        NetworkEdit *edit;
        bool live, config;
        NetworkDefinition *runs_with; /* what it runs with then; or NULL */
        NetworkDefinition *before;    /* what it ran with, once it does not any more */
        GError *error;                /* why all is as it was; or NULL */
} NetworkUpdate;

static void update_free(void *data) {
        NetworkUpdate *update = data;
        g_clear_pointer(&update->edit, network_edit_free);
        g_clear_pointer(&update->runs_with, network_definition_free);
        g_clear_pointer(&update->before, network_definition_free);
        g_clear_error(&update->error);
        g_free(update);
}

/* Whether each is there that is to be changed. */
static bool check(const Network *network, NetworkUpdate *update, GError **error) {
        const NetworkDefinition *definition = network_definition(network);
        bool is_active = run_is_active(network);
        if (!update->live && !update->config) {
                update->live = is_active;
                update->config = !is_active;
        }
        if (update->live && !is_active)
                return virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                         "network '%s' is not active: change its definition (config)", definition->name);
        return !update->config || !definition->is_transient ||
               virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                 "network '%s' has no definition: change what it runs with (live)", definition->name);
}

/* Both are made before either is used. */
static bool edit(RegistryChange *change, GError **error) {
        const Network *network = (const Network *) change->entry;
        NetworkUpdate *update = change->own;
        if (!check(network, update, error))
                return false;
        if (update->live)
                update->runs_with = network_edit(run_live(network), update->edit, error);
        if (update->config && (update->runs_with || !update->live))
                change->definition = network_edit(network_definition(network), update->edit, error);
        return (!update->live || update->runs_with) && (!update->config || change->definition);
}

static void end(RegistryChange *change, const GError *error) {
        NetworkRun *run = ((Network *) change->entry)->run;
        if (run)
                run->change = NULL;
        registry_change_end(change, error);
}

static void on_gone_back(void *data, const GError *error) {
        RegistryChange *change = data;
        const NetworkUpdate *update = change->own;
        (void) error; /* logged, where it is one of this way back */
        end(change, update->error);
}

/* What it runs with stays with it where it is written down. */
static void on_written(void *data, const GError *error) {
        RegistryChange *change = data;
        NetworkUpdate *update = change->own;
        if (!error) {
                entry_redefine(change->entry, g_steal_pointer(&change->definition));
                end(change, NULL);
        } else if (update->before) {
                update->error = g_error_copy(error);
                run_update(((Network *) change->entry)->run, g_steal_pointer(&update->before), on_gone_back, change);
        } else
                end(change, error);
}

static void write_definition(RegistryChange *change) {
        const NetworkDefinition *definition = change->definition;
        g_autofree char *text = kept_text(definition->xml, &change->kept);
        store_define(change->registry->store, definition->uuid, text, on_written, change);
}

static void on_updated(void *data, const GError *error) {
        RegistryChange *change = data;
        if (error || !change->definition)
                end(change, error);
        else
                write_definition(change);
}

static void begin(RegistryChange *change) {
        Network *network = (Network *) change->entry;
        NetworkUpdate *update = change->own;
        g_autoptr(GError) error = NULL;
        if (!edit(change, &error)) {
                end(change, error);
                return;
        }
        if (!update->runs_with) {
                write_definition(change);
                return;
        }
        update->before = change->definition ? network_definition_copy(run_live(network), NULL) : NULL;
        network->run->change = change;
        run_update(network->run, g_steal_pointer(&update->runs_with), on_updated, change);
}

void network_update(Network *network, NetworkEdit *edit, bool live, bool config, EntryDone done, void *data) {
        NetworkUpdate *update = g_new0(NetworkUpdate, 1);
        *update = (NetworkUpdate){ .edit = edit, .live = live, .config = config };
        registry_change_take_own_turn(registry_change_new(&network->entry, begin, update, update_free, done, data));
}
