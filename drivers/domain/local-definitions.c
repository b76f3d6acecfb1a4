/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/local-definitions.h"

#include <string.h>

#include "base/kept.h"
#include "domain/connection-document.h"
#include "domain/connection-table.h"
#include "domain/connection.h"
#include "domain/domain-recover.h"
#include "domain/shares.h"
#include "domain/checkpoint.h"
#include "domain/snapshot.h"
#include "log.h"

/* What a later version has written is not touched: neither what is there is known, nor may it be written over. */
static void keep_if_newer(Connection *connection, const char *uuid, const GError *error) {
        if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED))
                g_hash_table_insert(connection->newer, g_strdup(uuid), g_strdup(error->message));
}

static void load_definition(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Connection *connection = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "domain", &error) : NULL;
        Kept kept = { 0 };
        g_auto(GStrv) shares = NULL;
        bool complete = document && kept_take(document, &kept, &error) && shares_take(document, &shares, &error) &&
                        connection_complete(connection, document, &error);
        g_autoptr(Definition) definition = complete ? definition_from_document(document, &error) : NULL;
        if (definition && strcmp(definition->uuid, uuid) != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_XML, "its UUID is %s", definition->uuid);
        else if (definition && connection_find_name(connection, definition->name))
                virtbus_error_set(&error, VIRTBUS_ERROR_ALREADY_EXISTS, "another domain is named '%s'", definition->name);
        if (error) {
                log_error("the definition %s.xml is left as it is: %s", uuid, error->message);
                keep_if_newer(connection, uuid, error);
                return;
        }
        Domain *domain = domain_new(connection, definition, true, kept.owner, kept.owners_rights);
        domain->autostart = kept.autostart;
        domain->shares = g_steal_pointer(&shares);
        domain_unref(domain);
}

static void load_status(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Connection *connection = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(xmlDoc) status = text ? xml_parse_own(text, "virtbus-status", &error) : NULL;
        if (status && domain_restore(connection, status, uuid, &error))
                return;
        keep_if_newer(connection, uuid, error);
        bool is_damaged = !unreadable || g_error_matches(unreadable, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_XML);
        if (!is_damaged || g_hash_table_contains(connection->newer, uuid))
                log_error("the status of the running domain %s is left as it is: %s", uuid, error->message);
        else
                store_put_status_aside(connection->store, uuid, error);
}

/* What is kept of a domain besides. */
static const TreeKind *const trees[DOMAIN_N_TREES] = {
        [DOMAIN_SNAPSHOTS] = &snapshot_tree, [DOMAIN_CHECKPOINTS] = &checkpoint_tree
};

static bool local_open(Connection *connection, GError **error) {
        connection->store = store_new(connection->event, "domains", connection->state_directory, connection->runtime_directory,
                                      error);
        bool fine = connection->store != NULL;
        for (size_t i = 0; fine && i < DOMAIN_N_TREES; i++) {
                if (!trees[i]->is_offered(connection->hypervisor))
                        continue;
                connection->trees[i] = store_new(connection->event, trees[i]->many, connection->state_directory, NULL, error);
                fine = connection->trees[i] != NULL;
        }
        return fine;
}

static void local_close(Connection *connection) {
        if (connection->store)
                store_free(connection->store);
        for (size_t i = 0; i < DOMAIN_N_TREES; i++)
                if (connection->trees[i])
                        store_free(connection->trees[i]);
}

static void local_load(Connection *connection) {
        store_each_definition(connection->store, load_definition, connection);
        store_each_status(connection->store, load_status, connection);
        for (size_t i = 0; i < DOMAIN_N_TREES; i++)
                if (connection->trees[i])
                        tree_load(connection, trees[i]);
}

static void local_define(Connection *connection, const char *uuid, const char *text, WorkDone done, void *data) {
        store_define(connection->store, uuid, text, done, data);
}

static bool local_save_status(Connection *connection, const char *uuid, const char *text, GError **error) {
        return store_save_status(connection->store, uuid, text, error);
}

static bool local_is_busy(const Connection *connection) {
        bool is_busy = store_is_busy(connection->store);
        for (size_t i = 0; i < DOMAIN_N_TREES; i++)
                is_busy |= connection->trees[i] && store_is_busy(connection->trees[i]);
        return is_busy;
}

static void local_finish(Connection *connection) {
        if (connection->store)
                store_finish(connection->store);
        for (size_t i = 0; i < DOMAIN_N_TREES; i++)
                if (connection->trees[i])
                        store_finish(connection->trees[i]);
}

static bool local_is_first_run(Connection *connection) {
        return store_is_first_run(connection->store);
}

const Definitions local_definitions = {
        .open = local_open,
        .close = local_close,
        .load = local_load,
        .define = local_define,
        .save_status = local_save_status,
        .is_busy = local_is_busy,
        .finish = local_finish,
        .is_first_run = local_is_first_run,
};
