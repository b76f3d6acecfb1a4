/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/run-update.h"

#include <string.h>

#include "network/rules.h"
#include "network/run-leases.h"
#include "network/run-server.h"

typedef struct RunUpdate {
        NetworkDefinition *before;
        GError *error; /* why it is made what it was; or NULL */
        uint64_t server_start_time;
        void (*done)(void *data, const GError *error);
        void *data;
} RunUpdate;

static void update_free(RunUpdate *update) {
        g_clear_pointer(&update->before, network_definition_free);
        g_clear_error(&update->error);
        g_free(update);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RunUpdate, update_free)

void run_update_abandon(NetworkRun *run) {
        g_clear_pointer(&run->update, update_free);
}

static void finish(NetworkRun *run) {
        g_autoptr(RunUpdate) update = g_steal_pointer(&run->update);
        entry_changed(&run->network->entry);
        update->done(update->data, update->error);
}

static void apply(NetworkRun *run);

/* What fails on the way back cannot be helped. */
static void go_back(NetworkRun *run, const GError *error) {
        RunUpdate *update = run->update;
        if (update->error) {
                run_state_log(run, "it could not be made what it was before a change that has failed", error);
                finish(run);
                return;
        }
        update->error = g_error_copy(error);
        network_definition_free(run->definition);
        run->definition = g_steal_pointer(&update->before);
        apply(run);
}

/* Another dnsmasq has told of all leases by now, but for what ended with the first. */
static void on_server(NetworkRun *run, const GError *error) {
        if (run->network->entry.registry->cancelled)
                return;
        if (error)
                go_back(run, error);
        else if (run->server_start_time != run->update->server_start_time)
                run_leases_read(run, finish);
        else
                finish(run);
}

static void on_ruled(void *data, const GError *error) {
        NetworkRun *run = data;
        run->nft = NULL;
        if (run->network->entry.registry->cancelled)
                return;
        if (error)
                go_back(run, error);
        else
                run_server_provide(run, on_server);
}

static void apply(NetworkRun *run) {
        const NetworkDefinition *before = run->update->before;
        g_autoptr(GError) error = NULL;
        if (!run_state_save(run, &error)) {
                go_back(run, error);
                return;
        }
        g_autofree char *text = rules_are_needed(run->definition) ? rules_text(run->definition) : NULL,
                        *known = text && before ? rules_text(before) : NULL;
        if (g_strcmp0(text, known) == 0) {
                run_server_provide(run, on_server);
                return;
        }
        run->nft = nft_begin(run_state_networks(run)->registry.event, text, on_ruled, run, &error);
        if (!run->nft)
                go_back(run, error);
}

void run_update(NetworkRun *run, NetworkDefinition *definition, void (*done)(void *data, const GError *error), void *data) {
        RunUpdate *update = g_new0(RunUpdate, 1);
        *update = (RunUpdate){
                .before = run->definition, .server_start_time = run->server_start_time, .done = done, .data = data
        };
        run->definition = definition;
        run->update = update;
        apply(run);
}
