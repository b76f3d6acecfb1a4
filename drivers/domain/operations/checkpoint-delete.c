/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/checkpoint-delete.h"

#include "bus.h"
#include "domain/connection.h"
#include "domain/disk-jobs.h"

static bool check(const TreeDelete *self, GError **error) {
        const Domain *domain = self->operation.domain;
        if (self->options.metadata_only)
                return true;
        if (!domain_is_up(domain))
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "it is off, and its images have the bitmaps of its checkpoints: start it first, or pass the "
                                   "option metadata_only, by which these stay in the images");
        return disk_jobs_check_none(domain, NULL, "checkpoints are deleted", error);
}

static void take_out(Operation *operation, const TreeItem *item, const char *traces) {
        const Domain *domain = operation->domain;
        (void) traces; /* its guest's QEMU has the images that it was made in */
        if (domain_is_up(domain)) {
                domain->connection->hypervisor->checkpoints->remove(operation, (const CheckpointDefinition *) item);
                return;
        }
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it has ended meanwhile");
        operation_finish(operation, error);
}

static const TreeDeleteKind kind = { check, take_out };

Operation *checkpoint_delete_new(Call *call, const char *name, TreeDeleteOptions options) {
        return tree_delete_new(&checkpoint_delete_class, call, &kind, name, options);
}

/* Whether that is being done, or waits: a domain may run, stop and run again before it is. */
void checkpoint_delete_pending(Domain *domain) {
        if (domain->published && !domain->connection->closing && domain_is_up(domain) && checkpoints_pending(domain) &&
            !tree_is_changing(domain, &checkpoint_tree))
                domain_operate(domain, checkpoint_delete_new(NULL, NULL, (TreeDeleteOptions){ 0 }));
}

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, checkpoints, remove);
}

const OperationClass checkpoint_delete_class = {
        .name = "Checkpoint.Delete",
        .states = IN_SETTLED,
        .needs = "be at rest",
        .size = sizeof(TreeDelete),
        .of_tree = &checkpoint_tree,
        .fate = tree_fate,
        .is_offered = is_offered,
        .begin = tree_delete_begin,
        .free = tree_delete_free,
};

static void on_state(Domain *domain, DomainState old) {
        (void) old;
        checkpoint_delete_pending(domain);
}

const DomainListener checkpoint_delete_listener = {
        .state_changed = on_state,
};
