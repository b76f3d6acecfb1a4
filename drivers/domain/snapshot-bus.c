/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/snapshot-bus.h"

#include <string.h>

#include "domain/connection.h"
#include "domain/offers.h"
#include "domain/operations/own-snapshot.h"
#include "domain/operations/snapshot-create.h"
#include "domain/operations/snapshot-delete.h"
#include "domain/operations/snapshot-revert.h"
#include "options.h"
#include "vtables.h"

SNAPSHOT_VTABLE(Snapshot, bus);

/* Whether the hypervisor keeps them itself. */
static bool is_own(const Domain *domain) {
        return domain->connection->hypervisor->own_snapshots != NULL;
}

/* Of the domain */

void snapshot_bus_create(Call *call, Domain *domain, const char *xml, sd_bus_message *options, bool files) {
        g_autoptr(GError) error = NULL;
        SnapshotOptions asked = { .files = files };
        bool reuse = false;
        bool fine = options_read(options, &error, "disk_only", 'b', &asked.disk_only, "halt", 'b', &asked.halt, "no_metadata",
                                 'b', &asked.no_metadata, "quiesce", 'b', &asked.quiesce, "reuse", 'b', &reuse, NULL);
        g_autoptr(SnapshotDefinition) definition = fine ? snapshot_definition_parse(xml, false, &error) : NULL;
        asked.reuse = reuse;
        if (definition && reuse && !files)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "reuse is for files that are named: use CreateSnapshotWithFiles");
        else if (definition && !files && snapshot_definition_names_files(definition))
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "the document names files: use CreateSnapshotWithFiles");
        if (error)
                call_fail(call, error);
        else
                domain_operate(domain, (is_own(domain) ? own_snapshot_create_new
                                                       : snapshot_create_new)(call, g_steal_pointer(&definition), asked));
}

void snapshot_bus_redefine(Call *call, Domain *domain, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        SnapshotOptions asked = { 0 };
        bool fine = options_read(options, &error, "current", 'b', &asked.current, NULL);
        SnapshotDefinition *definition = fine ? snapshot_definition_parse(xml, true, &error) : NULL;
        if (definition)
                domain_operate(domain, snapshot_redefine_new(call, definition, asked));
        else
                call_fail(call, error);
}

/* Of a snapshot: methods */

static void bus_revert(Call *call, Snapshot *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        SnapshotRevertOptions asked = { 0 };
        bool fine = options_read(options, &error, "running", 'b', &asked.running, "paused", 'b', &asked.paused, "force", 'b',
                                 &asked.force, NULL);
        if (fine && asked.running && asked.paused)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "running and paused exclude each other");
        if (error)
                call_fail(call, error);
        else
                domain_operate(self->domain, (is_own(self->domain) ? own_snapshot_revert_new
                                                                   : snapshot_revert_new)(call, self->definition->name, asked));
}

static void bus_delete(Call *call, Snapshot *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        TreeDeleteOptions asked = { 0 };
        if (tree_delete_read(options, &asked, &error))
                domain_operate(self->domain, (is_own(self->domain) ? own_snapshot_delete_new
                                                                   : snapshot_delete_new)(call, self->definition->name, asked));
        else
                call_fail(call, error);
}

static void bus_get_xml(Call *call, Snapshot *self) {
        g_autofree char *text = snapshot_definition_text(self->definition, false);
        reply_snapshot_get_xml(call, text);
}

static void bus_get_xml_with_secrets(Call *call, Snapshot *self) {
        g_autofree char *text = snapshot_definition_text(self->definition, true);
        reply_snapshot_get_xml_with_secrets(call, text);
}

/* Properties */

static const char *bus_get_name(const Snapshot *self) {
        return self->definition->name;
}

static const char *bus_get_description(const Snapshot *self) {
        return self->definition->description ? self->definition->description : "";
}

static const char *bus_get_state(const Snapshot *self) {
        return self->definition->state;
}

static uint64_t bus_get_creation_time(const Snapshot *self) {
        return (uint64_t) self->definition->created * G_USEC_PER_SEC;
}

static const char *bus_get_parent(const Snapshot *self) {
        return snapshot_path(snapshot_find(self->domain, self->definition->parent));
}

static int bus_get_children(const Snapshot *self, sd_bus_message *message) {
        return tree_append_children(&self->node, &snapshot_tree, message);
}

static bool bus_get_current(const Snapshot *self) {
        return snapshot_current(self->domain) == self;
}

static const char *bus_get_memory(const Snapshot *self) {
        SnapshotPlace place = self->definition->memory;
        return place == SNAPSHOT_UNSAID ? "no" : snapshot_place_name(place);
}

static int bus_get_disks(const Snapshot *self, sd_bus_message *message) {
        int r = sd_bus_message_open_container(message, 'a', "(ss)");
        for (guint i = 0; r >= 0 && i < self->definition->disks->len; i++) {
                const SnapshotDisk *disk = self->definition->disks->pdata[i];
                r = sd_bus_message_append(message, "(ss)", disk->name,
                                          disk->place == SNAPSHOT_UNSAID ? "no" : snapshot_place_name(disk->place));
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* Publishing */

void snapshot_bus_publish(Domain *domain) {
        static const Vtable *const vtables[] = { &bus_vtable, NULL };
        tree_publish(domain, &snapshot_tree, vtables);
        domain_announce(domain, (const int[]){ DOMAIN_CURRENT_SNAPSHOT, DOMAIN_HAS_SNAPSHOTS, -1 });
}
