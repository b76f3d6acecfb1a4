/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/managed-save.h"

#include <string.h>
#include <unistd.h>

#include "base/named-file.h"
#include "domain/connection.h"
#include "domain/domain-status.h"
#include "domain/operation.h"
#include "domain/operations/save-image.h"
#include "vtables.h"

#define SUFFIX ".save"
#define UUID_BYTES 36 /* as text */

char *managed_save_path(const Connection *connection, const char *uuid) {
        return g_strdup_printf("%s/save/%s" SUFFIX, connection->state_directory, uuid);
}

static void unlink_file(void *data, GError **error) {
        (void) error;
        named_file_remove(data);
}

static void on_unlinked(void *data, const GError *error) {
        (void) error;
        g_free(data);
}

void managed_save_forget(const Connection *connection, const char *path) {
        worker_run(connection->worker, unlink_file, on_unlinked, g_strdup(path));
}

/* Whether a name is that of one that is not whole: UUID.save.NUMBER. */
static bool is_half(const char *name) {
        g_autofree char *uuid = g_strndup(name, UUID_BYTES);
        const char *number = g_uuid_string_is_valid(uuid) && g_str_has_prefix(name + UUID_BYTES, SUFFIX ".")
                                             ? name + UUID_BYTES + strlen(SUFFIX ".")
                                             : "";
        return strlen(number) == SAVE_NUMBER_DIGITS && strspn(number, "0123456789abcdef") == SAVE_NUMBER_DIGITS;
}

void managed_saves_find(Connection *connection) {
        GHashTableIter iterator;
        void *value;
        g_autofree char *directory = g_strdup_printf("%s/save", connection->state_directory);
        g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(directory, name, NULL);
                if (g_str_has_suffix(name, SUFFIX))
                        g_hash_table_add(found, g_strndup(name, strlen(name) - strlen(SUFFIX)));
                else if (is_half(name)) /* nothing is being saved yet: a driver was cut off */
                        managed_save_forget(connection, path);
        }
        g_hash_table_iter_init(&iterator, connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Domain *domain = value;
                domain->has_managed_save = g_hash_table_contains(found, domain->uuid);
                /* Whether a guest that was being saved runs on, and is further now, is known when it is found again. */
                if (domain->save_is_used)
                        managed_save_remove(domain);
        }
}

typedef struct Removal {
        Domain *domain;
        char *path;
} Removal;

static void remove_managed(void *data, GError **error) {
        const Removal *removal = data;
        (void) error;
        unlink(removal->path);
}

static void on_managed_removed(void *data, const GError *error) {
        Removal *removal = data;
        g_autoptr(Domain) domain = removal->domain; /* the reference that was held */
        domain->removing_save = false;
        if (error) /* the driver is ending: a domain that is defined anew must not find it */
                unlink(removal->path);
        g_free(removal->path);
        g_free(removal);
        if (domain->save_is_used) {
                domain->save_is_used = false;
                domain_save_status(domain);
        }
        if (domain->operation && domain->operation->class->save_removed)
                domain->operation->class->save_removed(domain->operation);
        void (*done)(void *data) = domain->save_removed;
        domain->save_removed = NULL;
        if (done)
                done(domain->save_removed_data);
}

void managed_save_remove_first(Domain *domain, void (*done)(void *data), void *data) {
        managed_save_remove(domain);
        domain->save_removed = domain->removing_save ? done : NULL;
        domain->save_removed_data = data;
        if (!domain->removing_save)
                done(data);
}

void managed_save_remove(Domain *domain) {
        if (!domain->has_managed_save)
                return;
        Removal *removal = g_new0(Removal, 1);
        *removal = (Removal){ domain_ref(domain), managed_save_path(domain->connection, domain->uuid) };
        domain->has_managed_save = false;
        domain->removing_save = true;
        domain_announce(domain, (const int[]){ DOMAIN_HAS_MANAGED_SAVE, -1 });
        worker_run(domain->connection->worker, remove_managed, on_managed_removed, removal);
}

/* A guest whose processors run is no longer in the state that was saved. */
static void on_state_kept(Domain *domain) {
        if (domain->state == DOMAIN_RUNNING && domain->has_managed_save)
                managed_save_remove(domain);
}

const DomainListener managed_save_listener = {
        .state_kept = on_state_kept,
};
