/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/checkpoint-delete.h"

#include "bus.h"
#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "log.h"

typedef struct CheckpointDelete {
        Operation operation;
        char *name; /* NULL: the one that is half made */
        CheckpointDeleteOptions options;
        GPtrArray *names; /* char *: to be deleted, children before their parents */
} CheckpointDelete;

Operation *checkpoint_delete_new(Call *call, const char *name, CheckpointDeleteOptions options) {
        Operation *operation = operation_new(&checkpoint_delete_class, call);
        CheckpointDelete *self = (CheckpointDelete *) operation;
        self->name = g_strdup(name);
        self->options = options;
        return operation;
}

/* Whether that is being done, or waits: a domain may run, stop and run again before it is. */
void checkpoint_delete_pending(Domain *domain) {
        if (domain->published && !domain->connection->closing && domain_is_up(domain) && checkpoints_pending(domain) &&
            !tree_is_changing(domain, &checkpoint_tree))
                domain_operate(domain, checkpoint_delete_new(NULL, NULL, (CheckpointDeleteOptions){ 0 }));
}

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, checkpoints, remove);
}

static void next(CheckpointDelete *self);

static void on_written(void *data, const GError *error) {
        CheckpointDelete *self = data;
        if (error)
                operation_finish(&self->operation, error);
        else
                next(self);
}

/* What it had in the images is gone: then it is forgotten. */
static void forget(CheckpointDelete *self) {
        TreeChange *change = checkpoints_change_new(self->operation.domain);
        if (self->name) {
                tree_change_remove(change, self->names->pdata[0]);
                g_ptr_array_remove_index(self->names, 0);
        } else
                checkpoints_change_set_pending(change, NULL);
        tree_change_write(change, on_written, self);
}

void checkpoint_removed(Operation *operation, const GError *error) {
        CheckpointDelete *self = (CheckpointDelete *) operation;
        if (!error) {
                forget(self);
                return;
        }
        if (!self->name) { /* it is tried again when it runs the next time */
                const CheckpointDefinition *pending = checkpoints_pending(operation->domain);
                log_warning("domain '%s': what was half made of checkpoint '%s' cannot be removed: %s",
                            domain_name(operation->domain), pending ? pending->name : "", error->message);
        }
        operation_finish(operation, error);
}

static void next(CheckpointDelete *self) {
        Domain *domain = self->operation.domain;
        const Checkpoint *checkpoint = self->name && self->names->len > 0 ? checkpoint_find(domain, self->names->pdata[0]) : NULL;
        const CheckpointDefinition *definition =
                        self->name ? (checkpoint ? checkpoint->definition : NULL) : checkpoints_pending(domain);
        if (!definition)
                operation_finish(&self->operation, NULL);
        else if (self->options.metadata_only)
                forget(self);
        else if (!domain_is_up(domain)) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it has ended meanwhile");
                operation_finish(&self->operation, error);
        } else
                domain->connection->hypervisor->checkpoints->remove(&self->operation, definition);
}

static bool check(CheckpointDelete *self, GError **error) {
        const Domain *domain = self->operation.domain;
        if (!checkpoints_check(domain, error))
                return false;
        if (self->name && !checkpoint_find(domain, self->name))
                return domain_fail(domain, error, VIRTBUS_ERROR_NO_SUCH_CHECKPOINT, "it has no checkpoint '%s' any more",
                                   self->name);
        if (!self->options.metadata_only && !domain_is_up(domain))
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "it is off, and its images have the bitmaps of its checkpoints: start it first, or pass the "
                                   "option metadata_only, by which these stay in the images");
        return self->options.metadata_only || disk_jobs_check_none(domain, NULL, "checkpoints are deleted", error);
}

static void begin(Operation *operation) {
        CheckpointDelete *self = (CheckpointDelete *) operation;
        g_autoptr(GError) error = NULL;
        if (!check(self, &error)) {
                operation_finish(operation, error);
                return;
        }
        if (self->name) {
                self->names = tree_branch(operation->domain, &checkpoint_tree, self->name);
                if (self->options.children_only)
                        g_ptr_array_set_size(self->names, (int) self->names->len - 1);
                else if (!self->options.children)
                        g_ptr_array_remove_range(self->names, 0, self->names->len - 1);
        }
        next(self);
}

static void delete_free(Operation *operation) {
        CheckpointDelete *self = (CheckpointDelete *) operation;
        g_free(self->name);
        g_clear_pointer(&self->names, g_ptr_array_unref);
}

const OperationClass checkpoint_delete_class = {
        .name = "Checkpoint.Delete",
        .states = IN_SETTLED,
        .needs = "be at rest",
        .size = sizeof(CheckpointDelete),
        .of_tree = &checkpoint_tree,
        .fate = tree_fate,
        .is_offered = is_offered,
        .begin = begin,
        .free = delete_free,
};

static void on_state(Domain *domain, DomainState old) {
        (void) old;
        checkpoint_delete_pending(domain);
}

const DomainListener checkpoint_delete_listener = {
        .state_changed = on_state,
};
