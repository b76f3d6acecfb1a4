/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/checkpoint.h"

#include <string.h>

#include "domain/operations/checkpoint-create.h"
#include "domain/operations/tree-create.h"
#include "domain/operations/tree-delete.h"
#include "log.h"
#include "qemu/guest/node-bitmap.h"

/* What the guest's QEMU is asked for an operation; one at a time. */
typedef struct Marking {
        Operation *operation;
        CheckpointDefinition *definition; /* of the operation, or of a checkpoint that it deletes */
        void (*done)(Operation *operation, const GError *error);
} Marking;

static void prepared(Operation *operation, const GError *error) {
        tree_create_prepared(operation, NULL, error);
}

static void marking_free(Marking *self) {
        checkpoint_definition_unref(self->definition);
        g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Marking, marking_free)

static void finish(Guest *guest, const GError *failure) {
        g_autoptr(Marking) self = g_steal_pointer(&guest->marking);
        g_autoptr(GError) error = NULL;
        if (failure)
                domain_fail(guest->domain, &error, virtbus_error_code(failure), "checkpoint '%s': %s", self->definition->name,
                            failure->message);
        self->done(self->operation, error);
}

static bool begin(Operation *operation, const CheckpointDefinition *definition,
                  void (*done)(Operation *operation, const GError *error)) {
        Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                done(operation, error);
                return false;
        }
        guest->marking = g_new(Marking, 1);
        *guest->marking = (Marking){ operation, checkpoint_definition_ref((CheckpointDefinition *) definition), done };
        return true;
}

static void ask_nodes(Guest *guest, MonitorDone done) {
        monitor_command(guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), -1, done, guest);
}

static char *node_of(const Domain *domain, const CheckpointDisk *disk) {
        return disk->is_in ? node_bitmap_disk_node(domain, disk->name) : NULL;
}

static void on_transaction(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        (void) answer;
        if (guest->marking)
                finish(guest, error);
}

static void transact(Guest *guest, JsonArray *actions) {
        JsonObject *arguments = json_object_new();
        json_object_set_array_member(arguments, "actions", actions);
        monitor_command(guest->monitor, "transaction", arguments, -1, on_transaction, guest);
}

/* Making */

static bool check_disk(const CheckpointDisk *disk, JsonObject *node, GError **error) {
        JsonObject *specific = json_member(json_member(node, "image"), "format-specific");
        if (!node)
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "disk '%s': QEMU has no image of it",
                                         disk->name);
        if (g_strcmp0(json_string(node, "drv"), "qcow2") != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "disk '%s': QEMU does something else with its image",
                                         disk->name);
        if (specific && g_strcmp0(json_string(json_member(specific, "data"), "compat"), "0.10") == 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "disk '%s' is qcow2 of version 2 (compat 0.10), which cannot have bitmaps: while the "
                                         "domain is off, 'qemu-img amend -o compat=1.1' makes it version 3",
                                         disk->name);
        return !node_bitmap_find(node, disk->bitmap) ||
               virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                 "disk '%s': its image has a bitmap '%.64s' already: use RedefineCheckpoint to have it as a "
                                 "checkpoint, or another name",
                                 disk->name, disk->bitmap);
}

static void on_looked(void *data, JsonObject *answer, const GError *failure) {
        Guest *guest = data;
        Marking *self = guest->marking;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!self)
                return;
        for (guint i = 0; !error && i < self->definition->disks->len; i++) {
                const CheckpointDisk *disk = self->definition->disks->pdata[i];
                g_autofree char *name = node_of(guest->domain, disk);
                if (disk->is_in)
                        check_disk(disk, name ? node_bitmap_find_node(answer, name) : NULL, &error);
        }
        finish(guest, error);
}

static void prepare(Operation *operation) {
        if (begin(operation, checkpoint_create_definition(operation), prepared))
                ask_nodes(operation->domain->run, on_looked);
}

static void create(Operation *operation) {
        const CheckpointDefinition *definition = checkpoint_create_definition(operation);
        if (!begin(operation, definition, tree_create_made))
                return;
        JsonArray *actions = json_array_new();
        for (guint i = 0; i < definition->disks->len; i++) {
                const CheckpointDisk *disk = definition->disks->pdata[i];
                g_autofree char *node = node_of(operation->domain, disk);
                if (node)
                        node_bitmap_add_new(actions, node, disk->bitmap);
        }
        transact(operation->domain->run, actions);
}

/* Removing: what is not there, as its disk has left the guest, or its image is another, is no fault */

static void on_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        const Marking *self = guest->marking;
        if (!self)
                return;
        if (error) {
                finish(guest, error);
                return;
        }
        JsonArray *actions = json_array_new();
        for (guint i = 0; i < self->definition->disks->len; i++) {
                const CheckpointDisk *disk = self->definition->disks->pdata[i];
                g_autofree char *name = node_of(guest->domain, disk);
                if (name && node_bitmap_find(node_bitmap_find_node(answer, name), disk->bitmap))
                        node_bitmap_add_action(actions, "block-dirty-bitmap-remove",
                                               json_make("node", 's', name, "name", 's', disk->bitmap, NULL));
        }
        transact(guest, actions);
}

static void take_out(Operation *operation, const CheckpointDefinition *definition) {
        if (begin(operation, definition, tree_delete_removed))
                ask_nodes(operation->domain->run, on_known);
}

/* Which of them count */

static void on_seen(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Domain *domain = guest->domain;
        GHashTable *bitmaps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (guint i = 0; !error && i < checkpoints_count(domain); i++) {
                const CheckpointDefinition *definition = checkpoints_at(domain, i)->definition;
                for (guint k = 0; k < definition->disks->len; k++) {
                        const CheckpointDisk *disk = definition->disks->pdata[k];
                        g_autofree char *name = node_of(domain, disk);
                        JsonObject *bitmap = name ? node_bitmap_find(node_bitmap_find_node(answer, name), disk->bitmap) : NULL;
                        if (node_bitmap_counts(bitmap))
                                g_hash_table_add(bitmaps, checkpoint_bitmap_key(disk->name, disk->bitmap));
                }
        }
        if (error) {
                log_warning("domain '%s': what its checkpoints are worth is not known: %s", domain_name(domain), error->message);
                g_clear_pointer(&bitmaps, g_hash_table_unref);
        }
        checkpoints_set_bitmaps(domain, bitmaps);
}

static void look(Domain *domain) {
        Guest *guest = domain->run;
        if (guest_has_monitor(domain, NULL))
                ask_nodes(guest, on_seen);
}

static void on_found(Guest *guest) {
        if (checkpoints_count(guest->domain) > 0)
                look(guest->domain);
}

static void forget(Guest *guest) {
        g_clear_pointer(&guest->marking, marking_free);
}

const HypervisorCheckpoints checkpoint_functions = {
        .prepare = prepare,
        .create = create,
        .remove = take_out,
        .look = look,
};

const GuestModule checkpoint_module = {
        .found = on_found,
        .forget = forget,
};
