/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an ESX host or a vCenter, or who says that they are one, tells of machines and tasks: its answers to WaitForUpdatesEx, one
 * after the other, with a NUL between them. Whatever they are, each domain has a document that is read again. */

#include <string.h>

#include "base/xml.h"
#include "domain/connection.h"
#include "domain/snapshot.h"
#include "esx/esx.h"
#include "esx/inventory.h"
#include "esx/quick-stats.h"
#include "esx/updates.h"
#include "fuzz.h"

/* They are a tree: each has a name of its own, a document that is read again, and parents that end. */
static void check_snapshots(const Domain *domain) {
        g_assert_cmpuint(snapshots_count(domain), <=, SNAPSHOTS_MAX);
        for (unsigned i = 0; i < snapshots_count(domain); i++) {
                const Snapshot *snapshot = snapshots_at(domain, i);
                g_autoptr(GError) error = NULL;
                g_autofree char *text = snapshot_definition_text(snapshot->definition, false);
                g_autoptr(SnapshotDefinition) again = snapshot_definition_parse_own(text, &error);
                g_assert_no_error(error);
                g_assert_cmpstr(again->name, ==, snapshot->definition->name);
                g_assert_true(snapshot_find(domain, again->name) == snapshot);
                unsigned depth = 0;
                for (const char *parent = snapshot->definition->parent; parent; depth++) {
                        const Snapshot *above = snapshot_find(domain, parent);
                        g_assert_nonnull(above);
                        g_assert_cmpuint(depth, <, SNAPSHOTS_MAX);
                        parent = above->definition->parent;
                }
                g_assert_cmpstr(snapshot_path(snapshot), !=, "/");
        }
}

static void check_domains(Connection *connection) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                const Domain *domain = value;
                g_autoptr(GError) error = NULL;
                g_autoptr(Definition) again = definition_parse(domain_definition(domain)->xml, &error);
                g_assert_no_error(error);
                g_assert_cmpstr(again->uuid, ==, domain->uuid);
                check_snapshots(domain);
        }
}

/* The same as what machines use. */
static void read_use(Esx *esx, const char *text) {
        static const char *const opened[] = { "returnval", NULL };
        g_auto(SoapFault) fault = { 0 };
        g_autoptr(GError) error = NULL;
        if (!soap_read(text, strlen(text), &(SoapReader){ quick_stats_take, esx, opened }, &fault, &error))
                fuzz_check_error(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autoptr(GError) error = NULL;
        const char *root = fuzz_folder();
        g_autofree char *text = g_malloc(size + 1);
        memcpy(text, data, size);
        text[size] = '\0';
        sd_event *event = NULL;
        g_assert_cmpint(sd_event_new(&event), ==, 0);
        Objects *objects = objects_new();
        const ConnectionPlace place = {
                .name = "esx_x", .uri = "esx://x/?auto_answer=1", .state = root, .runtime = root, .log = root
        };
        Connection *connection = connection_open_at(esx_hypervisor.elsewhere, event, objects, &place, &error);
        g_assert_no_error(error);
        for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
                g_autoptr(GError) fault = NULL;
                if (!updates_read(connection->data, text + at, strlen(text + at), &fault))
                        fuzz_check_error(fault);
                fuzz_settle(event);
                read_use(connection->data, text + at);
                check_domains(connection);
        }
        inventory_begin(connection->data);
        inventory_finish(connection->data);
        connection_close(connection);
        objects_free(objects);
        sd_event_unref(event);
        return 0;
}
