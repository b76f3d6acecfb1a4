/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/checkpoint-create.h"

#include <string.h>

#include "bus.h"
#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "domain/operations/checkpoint-delete.h"
#include "domain/operations/tree-create.h"
#include "vtables.h"

typedef struct CheckpointCreate {
        TreeCreate create;
        bool current; /* REDEFINE */
} CheckpointCreate;

static bool is_there(const TreeCreate *self) {
        return domain_is_up(self->operation.domain);
}

static void create(Operation *operation) {
        operation->domain->connection->hypervisor->checkpoints->create(operation);
}

bool checkpoint_create_kept(const TreeCreate *self) {
        Domain *domain = self->operation.domain;
        if (domain_is_up(domain) && HYPERVISOR_HAS(domain->connection->hypervisor, checkpoints, look))
                domain->connection->hypervisor->checkpoints->look(domain);
        return false;
}

static const TreeCreateKind kind = { NULL, is_there, create, checkpoint_create_kept, checkpoint_delete_pending };

Operation *checkpoint_create_new(Call *call, CheckpointDefinition *definition) {
        return tree_create_new(&checkpoint_create_class, call, &kind, &definition->item);
}

Operation *checkpoint_redefine_new(Call *call, CheckpointDefinition *definition, bool current) {
        Operation *operation = tree_create_new(&checkpoint_redefine_class, call, &kind, &definition->item);
        ((CheckpointCreate *) operation)->current = current;
        return operation;
}

const CheckpointDefinition *checkpoint_create_definition(const Operation *operation) {
        return (const CheckpointDefinition *) tree_create_item(operation);
}

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, checkpoints, create);
}

/* Whether another checkpoint has one of its bitmaps: to delete the one would break the other. */
static bool check_bitmaps(const Domain *domain, const CheckpointDefinition *definition, GError **error) {
        for (guint i = 0; i < checkpoints_count(domain); i++) {
                const CheckpointDefinition *other = checkpoints_at(domain, i)->definition;
                if (strcmp(other->name, definition->name) == 0)
                        continue;
                for (guint k = 0; k < definition->disks->len; k++) {
                        const CheckpointDisk *disk = definition->disks->pdata[k];
                        const CheckpointDisk *same = checkpoint_definition_find(other, disk->name);
                        if (same && disk->bitmap && g_strcmp0(same->bitmap, disk->bitmap) == 0)
                                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                   "disk '%s': checkpoint '%s' has the bitmap '%.64s' already; name another",
                                                   disk->name, other->name, disk->bitmap);
                }
        }
        return true;
}

/* Making */

bool checkpoint_create_check(TreeCreate *self, GError **error) {
        Domain *domain = self->operation.domain;
        CheckpointDefinition *definition = (CheckpointDefinition *) self->item;
        tree_create_name(self);
        if (!checkpoints_check(domain, error) || !disk_jobs_check_none(domain, NULL, "a checkpoint is made", error))
                return false;
        if (!tree_create_check(self, error))
                return false;
        g_autoptr(GError) wrong = NULL;
        if (!checkpoint_definition_complete(definition, domain_definition(domain), &wrong))
                return domain_fail(domain, error, virtbus_error_code(wrong), "%s", wrong->message);
        return check_bitmaps(domain, definition, error);
}

static void create_begin(Operation *operation) {
        g_autoptr(GError) error = NULL;
        if (checkpoint_create_check((TreeCreate *) operation, &error))
                operation->domain->connection->hypervisor->checkpoints->prepare(operation);
        else
                operation_finish(operation, error);
}

static void create_reply(Operation *operation, Call *call) {
        reply_domain_create_checkpoint(call, tree_create_path(operation));
}

const OperationClass checkpoint_create_class = {
        .name = "CreateCheckpoint",
        .states = IN(DOMAIN_RUNNING) | IN(DOMAIN_PAUSED),
        .needs = "run, or be paused",
        .size = sizeof(CheckpointCreate),
        .of_tree = &checkpoint_tree,
        .fate = tree_fate,
        .is_offered = is_offered,
        .begin = create_begin,
        .reply = create_reply,
        .free = tree_create_free,
};

/* Making known */

/* Another definition of one that is known: its bitmaps stay. */
static bool check_same(const Domain *domain, const CheckpointDefinition *definition, GError **error) {
        const Checkpoint *known = checkpoint_find(domain, definition->name);
        bool same = !known || known->definition->disks->len == definition->disks->len;
        for (guint i = 0; known && same && i < definition->disks->len; i++) {
                const CheckpointDisk *disk = definition->disks->pdata[i],
                                     *old = checkpoint_definition_find(known->definition, disk->name);
                same = old && old->is_in == disk->is_in && g_strcmp0(old->bitmap, disk->bitmap) == 0;
        }
        return same || domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "checkpoint '%s' is there with other disks, or bitmaps; delete it with metadata_only first",
                                   definition->name);
}

/* One that goes on from the current one is what the next is to go on from: so a chain is made known, one after the other. */
static bool is_next(const Domain *domain, const CheckpointDefinition *definition) {
        const Checkpoint *current = checkpoint_current(domain);
        return g_strcmp0(current ? current->definition->name : NULL, definition->parent) == 0;
}

static bool check_disks(const TreeCreate *self, const CheckpointDefinition *definition, const Definition *was, GError **error) {
        for (guint i = 0; i < definition->disks->len; i++)
                if (!tree_create_check_disk(self, was, ((const CheckpointDisk *) definition->disks->pdata[i])->name, error))
                        return false;
        return true;
}

static void redefine_begin(Operation *operation) {
        CheckpointCreate *self = (CheckpointCreate *) operation;
        const CheckpointDefinition *definition = checkpoint_create_definition(operation);
        const Domain *domain = operation->domain;
        g_autoptr(Definition) was = NULL;
        g_autoptr(GError) error = NULL;
        if (!checkpoints_check(domain, &error) || !tree_check_parent(domain, &checkpoint_tree, &definition->item, &error) ||
            !check_same(domain, definition, &error) || !tree_create_check_whose(&self->create, &was, &error) ||
            !check_disks(&self->create, definition, was, &error) || !check_bitmaps(domain, definition, &error))
                operation_finish(operation, error);
        else
                tree_create_known(&self->create, self->current || is_next(domain, definition));
}

static void redefine_reply(Operation *operation, Call *call) {
        reply_domain_redefine_checkpoint(call, tree_create_path(operation));
}

const OperationClass checkpoint_redefine_class = {
        .name = "RedefineCheckpoint",
        .states = IN_SETTLED,
        .needs = "be at rest",
        .size = sizeof(CheckpointCreate),
        .of_tree = &checkpoint_tree,
        .fate = tree_fate,
        .is_offered = is_offered,
        .begin = redefine_begin,
        .reply = redefine_reply,
        .free = tree_create_free,
};
