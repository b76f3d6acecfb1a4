/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/owners-rights.h"

#include "bus.h"
#include "domain/connection.h"
#include "domain/connection-table.h"
#include "domain/offers.h"

static bool check(Connection *connection, const Definition *definition, const Definition *before, bool live, GError **error) {
        const Hypervisor *hypervisor = connection->hypervisor;
        return offers_check(connection, HYPERVISOR_HAS(hypervisor, documents, check_rights),
                            "domain with its owner's rights alone", error) &&
               hypervisor->documents->check_rights(connection, definition, before, live, error);
}

static unsigned count_of(const Connection *connection, uid_t user) {
        GHashTableIter iterator;
        gpointer value;
        unsigned n = 0;
        g_hash_table_iter_init(&iterator, connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &value))
                n += ((const Domain *) value)->owners_rights && ((const Domain *) value)->owner == user;
        for (guint i = 0; connection->own_in_writing && i < connection->own_in_writing->len; i++)
                n += g_array_index(connection->own_in_writing, uid_t, i) == user;
        return n;
}

void owners_rights_begin_define(Connection *connection, const Call *call) {
        if (!connection->own_in_writing)
                connection->own_in_writing = g_array_new(FALSE, FALSE, sizeof(uid_t));
        if (call->own_rights)
                g_array_append_val(connection->own_in_writing, call->uid);
}

void owners_rights_end_define(Connection *connection, const Call *call) {
        GArray *users = connection->own_in_writing;
        for (guint i = 0; call->own_rights && i < users->len; i++)
                if (g_array_index(users, uid_t, i) == call->uid) {
                        g_array_remove_index_fast(users, i);
                        return;
                }
}

void owners_rights_end_transient(const Domain *domain) {
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        if (domain->owners_rights && HYPERVISOR_HAS(hypervisor, leftovers, delete_nvram))
                hypervisor->leftovers->delete_nvram(domain->connection, domain->uuid);
        if (HYPERVISOR_HAS(hypervisor, leftovers, forget))
                hypervisor->leftovers->forget(domain->connection, domain->uuid);
}

/* Whether something is there of a domain that had the UUID before: nobody knows whose it was. */
static bool is_anything_left(Connection *connection, const char *uuid) {
        return !connection_find(connection, uuid) && HYPERVISOR_HAS(connection->hypervisor, leftovers, has_any) &&
               connection->hypervisor->leftovers->has_any(connection, uuid);
}

bool owners_rights_check_define(Connection *connection, const Domain *existing, const Definition *definition, const Call *call,
                                GError **error) {
        if (call->own_rights && existing && (!existing->owners_rights || existing->owner != call->uid))
                return domain_fail(existing, error, VIRTBUS_ERROR_ACCESS_DENIED,
                                   "it is not one that you have defined with your own rights alone; use another name and UUID");
        if (call->own_rights && !existing && count_of(connection, call->uid) >= OWN_DOMAINS_PER_USER_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                         "domain '%s': you have %d domains already, as many as you may; undefine one first",
                                         definition->name, OWN_DOMAINS_PER_USER_MAX);
        if (call->own_rights && !existing && is_anything_left(connection, definition->uuid))
                return virtbus_error_set(error, VIRTBUS_ERROR_ACCESS_DENIED,
                                         "domain '%s': UUID %s was another domain's, whose UEFI variables or log are there yet; "
                                         "leave <uuid> out",
                                         definition->name, definition->uuid);
        return !(existing ? existing->owners_rights : call->own_rights) ||
               check(connection, definition, existing ? existing->persistent : NULL, false, error);
}

bool owners_rights_check_change(const Domain *domain, const Definition *definition, bool live, GError **error) {
        return !domain->owners_rights ||
               check(domain->connection, definition, live ? domain->live : domain->persistent, live, error);
}

uid_t owners_rights_of(const Domain *domain) {
        return domain->owners_rights ? domain->owner : USER_RIGHTS_ALL;
}

bool owners_rights_check_path(const Domain *domain, const char *what, const char *instead, GError **error) {
        return !domain->owners_rights ||
               domain_fail(domain, error, VIRTBUS_ERROR_ACCESS_DENIED,
                           "it has the rights of its owner alone, and %s would open a path with others; %s", what, instead);
}
