/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/snapshot-delete.h"

#include <string.h>

#include "bus.h"
#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "log.h"

typedef struct SnapshotDelete {
        Operation operation;
        char *name; /* NULL: the one that is half made */
        SnapshotDeleteOptions options;
        GPtrArray *names; /* char *: to be deleted, children before their parents */
} SnapshotDelete;

Operation *snapshot_delete_new(Call *call, const char *name, SnapshotDeleteOptions options) {
        Operation *operation = operation_new(&snapshot_delete_class, call);
        SnapshotDelete *self = (SnapshotDelete *) operation;
        self->name = g_strdup(name);
        self->options = options;
        self->names = g_ptr_array_new_with_free_func(g_free);
        return operation;
}

void snapshot_delete_pending(Domain *domain) {
        if (domain->published && !domain->connection->closing && snapshots_pending(domain))
                domain_operate(domain, snapshot_delete_new(NULL, NULL, (SnapshotDeleteOptions){ 0 }));
}

void snapshot_delete_all_pending(Connection *connection) {
        g_autoptr(GList) domains = g_hash_table_get_values(connection->by_uuid);
        for (GList *link = domains; link; link = link->next)
                snapshot_delete_pending(link->data);
}

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, snapshots, remove);
}

static bool check_one(const Domain *domain, const char *name, const SnapshotDeleteOptions *options, GError **error) {
        const SnapshotDefinition *definition = snapshot_find(domain, name)->definition;
        return options->metadata_only || !snapshot_definition_has(definition, SNAPSHOT_EXTERNAL) ||
               domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                           "snapshot '%s' is external, which cannot be deleted with its files yet: merge its overlays "
                           "(Device.Disk.Image.Commit), and delete it with metadata_only",
                           name);
}

static void next(SnapshotDelete *self);

static void on_written(void *data, const GError *error) {
        SnapshotDelete *self = data;
        if (error)
                operation_finish(&self->operation, error);
        else
                next(self);
}

/* What it had in the images is gone: then it is forgotten. */
static void forget(SnapshotDelete *self) {
        TreeChange *change = snapshots_change_new(self->operation.domain);
        if (self->name) {
                tree_change_remove(change, self->names->pdata[0]);
                g_ptr_array_remove_index(self->names, 0);
        } else
                snapshots_change_set_pending(change, NULL);
        tree_change_write(change, on_written, self);
}

void snapshot_removed(Operation *operation, const GError *error) {
        SnapshotDelete *self = (SnapshotDelete *) operation;
        if (!error) {
                forget(self);
                return;
        }
        if (!self->name) { /* it is tried again by the next driver */
                const SnapshotDefinition *pending = snapshots_pending(operation->domain);
                log_warning("domain '%s': what was half made of snapshot '%s' cannot be removed: %s",
                            domain_name(operation->domain), pending ? pending->name : "", error->message);
        }
        operation_finish(operation, error);
}

static void next(SnapshotDelete *self) {
        Domain *domain = self->operation.domain;
        const Snapshot *snapshot = self->names->len > 0 ? snapshot_find(domain, self->names->pdata[0]) : NULL;
        const SnapshotDefinition *definition = self->name ? (snapshot ? snapshot->definition : NULL) : snapshots_pending(domain);
        if (!definition)
                operation_finish(&self->operation, NULL);
        else if (self->options.metadata_only || !snapshot_definition_has(definition, SNAPSHOT_INTERNAL))
                forget(self);
        else
                domain->connection->hypervisor->snapshots->remove(&self->operation, definition);
}

static void begin(Operation *operation) {
        SnapshotDelete *self = (SnapshotDelete *) operation;
        Domain *domain = operation->domain;
        g_autoptr(GError) error = NULL;
        if (!snapshots_check(domain, &error))
                ;
        else if (self->name && !snapshot_find(domain, self->name))
                domain_fail(domain, &error, VIRTBUS_ERROR_NO_SUCH_SNAPSHOT, "it has no snapshot '%s' any more", self->name);
        else if (self->name) {
                g_ptr_array_unref(self->names);
                self->names = tree_branch(domain, &snapshot_tree, self->name);
                if (self->options.children_only)
                        g_ptr_array_set_size(self->names, (int) self->names->len - 1);
                else if (!self->options.children)
                        g_ptr_array_remove_range(self->names, 0, self->names->len - 1);
                if (!self->options.metadata_only)
                        disk_jobs_check_none(domain, NULL, "snapshots are deleted", &error);
                for (guint i = 0; i < self->names->len && !error; i++)
                        check_one(domain, self->names->pdata[i], &self->options, &error);
        }
        if (error)
                operation_finish(operation, error);
        else
                next(self);
}

static void delete_free(Operation *operation) {
        SnapshotDelete *self = (SnapshotDelete *) operation;
        g_free(self->name);
        g_ptr_array_unref(self->names);
}

const OperationClass snapshot_delete_class = {
        .name = "Snapshot.Delete",
        .states = IN_SETTLED,
        .needs = "be at rest",
        .size = sizeof(SnapshotDelete),
        .of_tree = &snapshot_tree,
        .fate = tree_fate,
        .is_offered = is_offered,
        .begin = begin,
        .free = delete_free,
};
