/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/run-state.h"

#include <string.h>

#include "errors.h"
#include "log.h"

static const char *const phase_names[RUN_N_PHASES + 1] = { "starting", "active", "stopping", NULL };

Networks *run_state_networks(const NetworkRun *run) {
        return (Networks *) run->network->entry.registry;
}

void run_state_log(const NetworkRun *run, const char *what, const GError *error) {
        log_error("network '%s': %s: %s", run->definition->name, what, error->message);
}

NetworkRun *run_state_new(Network *network, NetworkDefinition *definition, RunPhase phase) {
        NetworkRun *run = g_new0(NetworkRun, 1);
        *run = (NetworkRun){ .network = network, .definition = definition, .phase = phase };
        entry_ref(&network->entry);
        network->run = run;
        run->leases = lease_book_new(network->entry.registry->event, run_state_networks(run)->lease_told, network);
        run_state_networks(run)->n_runs++;
        return run;
}

void run_state_free(NetworkRun *run) {
        g_clear_pointer(&run->nft, nft_free);
        g_clear_pointer(&run->server, server_free);
        g_clear_pointer(&run->definition, network_definition_free);
        g_clear_pointer(&run->leases, lease_book_free);
        g_clear_error(&run->error);
        g_clear_pointer(&run->links, g_ptr_array_unref);
        for (size_t i = 0; i < RUN_N_OBSTACLES; i++)
                g_free(run->obstacles[i]);
        run->network->run = NULL;
        run_state_networks(run)->n_runs--;
        entry_unref(&run->network->entry);
        g_free(run);
}

void run_state_set_obstacle(NetworkRun *run, RunObstacle obstacle, char *text) {
        g_autofree char *before = run->obstacles[obstacle];
        run->obstacles[obstacle] = text;
        if (g_strcmp0(before, text) == 0)
                return;
        if (text)
                log_error("network '%s': %s", run->definition->name, text);
        entry_changed(&run->network->entry);
}

/* What is written down */

static char *status_text(const NetworkRun *run) {
        const Network *network = run->network;
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "networkstatus", NULL);
        xmlDocSetRootElement(document, root);
        xml_set_number(root, "format", STORE_FORMAT_COMMON);
        xml_set_attribute(root, "state", phase_names[run->phase]);
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

bool run_state_save(const NetworkRun *run, GError **error) {
        g_autofree char *text = status_text(run);
        return store_save_status(run->network->entry.registry->store, run->definition->uuid, text, error);
}

/* Reading it */

/* DEFINITION is taken. */
static NetworkRun *adopt(Networks *networks, NetworkDefinition *definition, RunPhase phase, uid_t owner, GError **error) {
        g_autoptr(NetworkDefinition) live = definition;
        Network *network = (Network *) registry_find(&networks->registry, live->uuid, NULL);
        if (network)
                return run_state_new(network, g_steal_pointer(&live), phase);
        if (!registry_check_unique(&networks->registry, live, error))
                return NULL;
        NetworkDefinition *only = network_definition_copy(live, error);
        if (!only)
                return NULL;
        only->is_transient = true;
        network = (Network *) registry_add(&networks->registry, only, &(Kept){ .owner = owner });
        return run_state_new(network, g_steal_pointer(&live), phase);
}

static RunPhase phase_of(const xmlNode *root) {
        g_autofree char *name = xml_attribute(root, "state");
        for (int i = 0; name && i < RUN_N_PHASES; i++)
                if (strcmp(name, phase_names[i]) == 0)
                        return (RunPhase) i;
        return RUN_STOPPING;
}

static NetworkDefinition *live_of(const xmlNode *root, const char *uuid, GError **error) {
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

NetworkRun *run_state_read(Networks *networks, xmlNode *root, const char *uuid, GError **error) {
        uint64_t owner = 0, server = 0, start_time = 0;
        bool has_bridge = xml_attribute_is(root, "bridge", "ours");
        if (!store_check_format(root, error) || !xml_one_of(root, "state", phase_names, error) ||
            !xml_number_attribute(root, "owner", 0, UINT32_MAX, &owner, error) ||
            !xml_number_attribute(root, "server", 1, INT32_MAX, &server, error) ||
            !xml_number_attribute(root, "server-start-time", 0, INT64_MAX, &start_time, error))
                return NULL;
        NetworkDefinition *live = live_of(root, uuid, error);
        NetworkRun *run = live ? adopt(networks, live, phase_of(root), (uid_t) owner, error) : NULL;
        if (run) {
                run->has_bridge = has_bridge;
                run->server_pid = server;
                run->server_start_time = start_time;
        }
        return run;
}
