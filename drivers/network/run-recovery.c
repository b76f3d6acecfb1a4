/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/run-recovery.h"

#include "errors.h"
#include "log.h"
#include "network/run.h"
#include "network/run-state.h"

static const char *name_of(const Network *network) {
        const NetworkDefinition *definition = network->entry.definition;
        return definition->name;
}

/* Runs of an earlier driver */

static void on_recovered(void *data, Entry *entry, const GError *error) {
        (void) entry;
        if (error && virtbus_error_code(error) != VIRTBUS_ERROR_CANCELLED)
                log_error("network '%s', which was active, is not any more: %s", name_of(data), error->message);
}

/* What was being started is taken down, too. */
static void begin_recovery(RegistryChange *change) {
        NetworkRun *run = ((Network *) change->entry)->run;
        if (run->phase == RUN_STARTING)
                run->phase = RUN_STOPPING;
        run_go(run, change);
}

static void recover(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Networks *networks = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "networkstatus", &error) : NULL;
        NetworkRun *run = document ? run_state_read(networks, xmlDocGetRootElement(document), uuid, &error) : NULL;
        if (run)
                registry_change_take_own_turn(registry_change_new(&run->network->entry, begin_recovery, NULL, NULL, on_recovered,
                                                                  run->network));
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
                log_error("network '%s' cannot be started with the machine: %s", name_of(data), error->message);
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
