/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/run-steps.h"

#include "base/xml.h"
#include "link/bandwidth.h"
#include "network/bridge.h"
#include "network/dnsmasq.h"
#include "network/port.h"
#include "network/rules.h"
#include "network/run-leases.h"
#include "network/run-server.h"
#include "network/server-files.h"

static void climbed(NetworkRun *run, const GError *error) {
        run->stairs->climbed(run, error);
}

static void descended(NetworkRun *run) {
        run->stairs->descended(run);
}

static void down_failed(NetworkRun *run, const char *what, const GError *error) {
        if (error)
                run_state_log(run, what, error);
        descended(run);
}

/* What it is, on disk */

static void write_down(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        run_state_save(run, &error);
        climbed(run, error);
}

static void forget(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        server_files_remove(&run_state_networks(run)->servers, run->definition->uuid);
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
        run->has_bridge = !failure && run_state_save(run, &failure);
        climbed(run, failure);
}

static void claim_bridge(NetworkRun *run) {
        if (run->has_bridge || !bridge_is_needed(run->definition))
                climbed(run, NULL);
        else
                worker_run(run_state_networks(run)->worker, look_in_thread, on_looked, run);
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
        run->nft = nft_begin(run_state_networks(run)->registry.event, text, on_rules_added, run, &error);
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
        run->nft = nft_begin(run_state_networks(run)->registry.event, text, on_rules_removed, run, &error);
        if (!run->nft)
                down_failed(run, "its rules cannot be removed", error);
}

/* The bridge */

static const xmlNode *bandwidth_element(const NetworkRun *run) {
        return xml_child(xmlDocGetRootElement(run->definition->document), "bandwidth");
}

/* What passes between the network and the host, or beyond: guests among each other have no limit. */
static bool limit(const NetworkRun *run, GError **error) {
        const xmlNode *element = bandwidth_element(run);
        Bandwidth bandwidth = bandwidth_of(element);
        return !element || bandwidth_set(run->definition->bridge, false, &bandwidth, error);
}

/* One that runs already keeps what dnsmasq has opened, and its bandwidth, as packets wait there. */
static void make_in_thread(void *data, GError **error) {
        const NetworkRun *run = data;
        bool starts = run->phase == RUN_STARTING;
        if (starts && !server_check_boot(run->definition, error))
                return;
        bool fine = bridge_is_needed(run->definition)               ? bridge_make(run->definition, error)
                    : network_definition_is_direct(run->definition) ? true
                                                                    : bridge_check_foreign(run->definition->bridge, error);
        if (fine && starts)
                limit(run, error);
}

static void on_bridge_made(void *data, const GError *error) {
        climbed(data, error);
}

static void make_bridge(NetworkRun *run) {
        worker_run(run_state_networks(run)->worker, make_in_thread, on_bridge_made, run);
}

static void delete_in_thread(void *data, GError **error) {
        const NetworkRun *run = data;
        const Bandwidth none = { 0 };
        if (run->has_bridge)
                bridge_delete(run->definition, error);
        else if (bandwidth_element(run)) /* the host's bridge stays, if it is there yet */
                (void) bandwidth_set(run->definition->bridge, false, &none, NULL);
}

static void on_bridge_deleted(void *data, const GError *error) {
        down_failed(data, "its bridge cannot be deleted", error);
}

static void delete_bridge(NetworkRun *run) {
        worker_run(run_state_networks(run)->worker, delete_in_thread, on_bridge_deleted, run);
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
        worker_run(run_state_networks(run)->worker, attach_in_thread, on_attached, run);
}

/* dnsmasq, and what it has leased while there was no driver */

static void start_server(NetworkRun *run) {
        run_server_provide(run, climbed);
}

static void on_server_ended(NetworkRun *run, const GError *error) {
        down_failed(run, "its dnsmasq cannot be ended", error);
}

static void end_server(NetworkRun *run) {
        run_server_end(run, on_server_ended);
}

static void on_leases_read(NetworkRun *run) {
        if (run->server && lease_book_has_ipv6(run->leases))
                server_reload(run->server);
        climbed(run, NULL);
}

static void read_leases(NetworkRun *run) {
        if (dnsmasq_is_needed(run->definition))
                run_leases_read(run, on_leases_read);
        else
                climbed(run, NULL);
}

const RunStep run_steps[RUN_N_STEPS] = {
        { write_down, forget },         { claim_bridge, descended }, [RUN_STEP_RULES] = { add_rules, remove_rules },
        { make_bridge, delete_bridge }, { attach_ports, descended }, { start_server, end_server },
        { read_leases, descended },
};
