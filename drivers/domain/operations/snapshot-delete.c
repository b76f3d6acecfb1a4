/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/snapshot-delete.h"

#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "domain/domain-run.h"

static bool check_one(const Domain *domain, const char *name, GError **error) {
        return !snapshot_definition_has(snapshot_find(domain, name)->definition, SNAPSHOT_EXTERNAL) || domain_is_active(domain) ||
               !domain->has_managed_save ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "snapshot '%s' is external, and it has a managed save, which is of the images as they are: start it, "
                           "or "
                           "remove that first, or delete the snapshot with metadata_only",
                           name);
}

static bool check(const TreeDelete *self, GError **error) {
        const Domain *domain = self->operation.domain;
        if (!self->name || self->options.metadata_only)
                return true;
        if (!disk_jobs_check_none(domain, NULL, "snapshots are deleted", error))
                return false;
        for (guint i = 0; i < self->names->len; i++)
                if (!check_one(domain, self->names->pdata[i], error))
                        return false;
        return true;
}

static void take_out(Operation *operation, const TreeItem *item, const char *traces) {
        const SnapshotDefinition *definition = (const SnapshotDefinition *) item;
        bool is_somewhere = snapshot_definition_has(definition, SNAPSHOT_INTERNAL) ||
                            snapshot_definition_has(definition, SNAPSHOT_EXTERNAL);
        if (is_somewhere)
                operation->domain->connection->hypervisor->snapshots->remove(operation, definition, traces);
        else
                tree_delete_removed(operation, NULL);
}

static const TreeDeleteKind kind = { check, take_out };

Operation *snapshot_delete_new(Call *call, const char *name, TreeDeleteOptions options) {
        return tree_delete_new(&snapshot_delete_class, call, &kind, name, options);
}

void snapshot_delete_pending(Domain *domain) {
        if (domain->published && !domain->connection->closing && snapshots_pending(domain) &&
            !tree_is_changing(domain, &snapshot_tree))
                domain_operate(domain, snapshot_delete_new(NULL, NULL, (TreeDeleteOptions){ 0 }));
}

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, snapshots, remove);
}

const OperationClass snapshot_delete_class = {
        .name = "Snapshot.Delete",
        .states = IN_SETTLED,
        .needs = "be at rest",
        .size = sizeof(TreeDelete),
        .of_tree = &snapshot_tree,
        .fate = tree_delete_fate,
        .is_offered = is_offered,
        .begin = tree_delete_begin,
        .free = tree_delete_free,
};

/* It could not be removed before: its guest's end changes that. */
static void on_state(Domain *domain, DomainState old) {
        (void) old;
        snapshot_delete_pending(domain);
}

const DomainListener snapshot_delete_listener = {
        .state_changed = on_state,
};
