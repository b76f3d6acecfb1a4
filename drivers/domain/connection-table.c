/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/connection-table.h"

#include "domain/connection.h"

static const char *const state_names[] = {
        [CONNECTION_CONNECTED] = "connected",
        [CONNECTION_CONNECTING] = "connecting",
        [CONNECTION_DISCONNECTED] = "disconnected",
};

const char *connection_state_name(const Connection *connection) {
        return state_names[connection->state];
}

void connection_idle(const Connection *connection) {
        if (connection->idle)
                connection->idle(connection->idle_data);
}

Domain *connection_find(Connection *connection, const char *uuid) {
        return g_hash_table_lookup(connection->by_uuid, uuid);
}

Domain *connection_find_name(Connection *connection, const char *name) {
        return g_hash_table_lookup(connection->by_name, name);
}

/* The domain itself says by which name it is found: that of its definition may be another by the time that it goes. */
void connection_know_as(Connection *connection, Domain *domain, const char *name) {
        if (domain->known_as)
                g_hash_table_remove(connection->by_name, domain->known_as);
        g_free(domain->known_as);
        domain->known_as = g_strdup(name);
        g_hash_table_insert(connection->by_name, domain->known_as, domain);
}

static void on_added(Domain *domain) {
        Connection *connection = domain->connection;
        g_assert(!connection_find(connection, domain->uuid) && !connection_find_name(connection, domain_name(domain)));
        g_hash_table_insert(connection->by_uuid, domain->uuid, domain_ref(domain));
        connection_know_as(connection, domain, domain_name(domain));
}

static void on_gone(Domain *domain) {
        Connection *connection = domain->connection;
        g_hash_table_remove(connection->by_name, domain->known_as);
        g_hash_table_remove(connection->by_uuid, domain->uuid);
}

const DomainListener connection_table_listener = {
        .added = on_added,
        .gone = on_gone,
};

bool connection_check_known(Connection *connection, const char *uuid, GError **error) {
        const char *reason = g_hash_table_lookup(connection->newer, uuid);
        return !reason ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "the file of domain %s is left alone: %s", uuid, reason);
}

bool connection_find_same(Connection *connection, const Definition *definition, Domain **domain, GError **error) {
        Domain *same_uuid = connection_find(connection, definition->uuid);
        Domain *same_name = connection_find_name(connection, definition->name);
        *domain = same_uuid;
        if (!connection_check_known(connection, definition->uuid, error))
                return false;
        if (same_name && same_name != same_uuid)
                return domain_fail(same_name, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                   "a domain of that name exists, with UUID %s; choose another name, or give that UUID",
                                   same_name->uuid);
        if (same_uuid && same_uuid != same_name)
                return domain_fail(same_uuid, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                   "it has UUID %s already; leave <uuid> out, or give that name", same_uuid->uuid);
        return true;
}
