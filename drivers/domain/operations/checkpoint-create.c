/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/checkpoint-create.h"

#include <inttypes.h>
#include <string.h>

#include "bus.h"
#include "domain/connection.h"
#include "domain/disk-chain.h"
#include "domain/disk-jobs.h"
#include "domain/operations/checkpoint-delete.h"
#include "vtables.h"

typedef struct CheckpointCreate {
        Operation operation;
        CheckpointDefinition *definition;
        bool current;    /* REDEFINE */
        bool is_pending; /* the file says that it is being made */
        GError *error;
} CheckpointCreate;

static Operation *new_of(const OperationClass *class, Call *call, CheckpointDefinition *definition, bool current) {
        Operation *operation = operation_new(class, call);
        ((CheckpointCreate *) operation)->definition = definition;
        ((CheckpointCreate *) operation)->current = current;
        return operation;
}

Operation *checkpoint_create_new(Call *call, CheckpointDefinition *definition) {
        return new_of(&checkpoint_create_class, call, definition, true);
}

Operation *checkpoint_redefine_new(Call *call, CheckpointDefinition *definition, bool current) {
        return new_of(&checkpoint_redefine_class, call, definition, current);
}

const CheckpointDefinition *checkpoint_create_definition(const Operation *operation) {
        return ((const CheckpointCreate *) operation)->definition;
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

/* What it becomes */

/* The machine, not this run of it: its images are looked at when it starts again. */
static char *describe(const Definition *definition) {
        g_autoptr(xmlDoc) document = definition_document(definition, NULL);
        if (!document)
                return g_strdup(definition->xml);
        disk_chain_forget(document);
        return xml_document_text(document);
}

static void name(CheckpointCreate *self) {
        CheckpointDefinition *definition = self->definition;
        definition->created = g_get_real_time() / G_USEC_PER_SEC;
        for (int64_t number = definition->created; !definition->name; number++) {
                g_autofree char *digits = g_strdup_printf("%" PRId64, number);
                if (!checkpoint_find(self->operation.domain, digits))
                        definition->name = g_steal_pointer(&digits);
        }
}

static bool check(CheckpointCreate *self, GError **error) {
        Domain *domain = self->operation.domain;
        CheckpointDefinition *definition = self->definition;
        name(self);
        if (!checkpoints_check(domain, error) || !disk_jobs_check_none(domain, NULL, "a checkpoint is made", error))
                return false;
        if (checkpoint_find(domain, definition->name))
                return domain_fail(domain, error, VIRTBUS_ERROR_ALREADY_EXISTS, "it has a checkpoint '%s' already",
                                   definition->name);
        if (checkpoints_pending(domain))
                return domain_fail(domain, error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                   "what was half made of checkpoint '%s' is not removed yet", checkpoints_pending(domain)->name);
        if (checkpoints_count(domain) >= CHECKPOINTS_MAX)
                return domain_fail(domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                   "it has %d checkpoints already; delete some first", CHECKPOINTS_MAX);
        g_autoptr(GError) wrong = NULL;
        if (!checkpoint_definition_complete(definition, domain_definition(domain), &wrong))
                return domain_fail(domain, error, virtbus_error_code(wrong), "%s", wrong->message);
        return check_bitmaps(domain, definition, error);
}

static void describe_domain(CheckpointCreate *self) {
        const Domain *domain = self->operation.domain;
        const Checkpoint *current = checkpoint_current(domain);
        CheckpointDefinition *definition = self->definition;
        definition->uuid = g_strdup(domain->uuid);
        definition->domain = describe(domain_definition(domain));
        definition->parent = current ? g_strdup(current->definition->name) : NULL;
}

/* Making */

static void finish(CheckpointCreate *self) {
        g_autoptr(GError) error = g_steal_pointer(&self->error);
        operation_finish(&self->operation, error);
}

static void on_forgotten(void *data, const GError *unused) {
        CheckpointCreate *self = data;
        (void) unused;
        self->is_pending = false;
        finish(self);
}

/* It is not made: nothing of it is there. */
static void give_up(CheckpointCreate *self, const GError *error) {
        TreeChange *change = checkpoints_change_new(self->operation.domain);
        self->error = g_error_copy(error);
        checkpoints_change_set_pending(change, NULL);
        tree_change_write(change, on_forgotten, self);
}

static void on_kept(void *data, const GError *error) {
        CheckpointCreate *self = data;
        Domain *domain = self->operation.domain;
        self->is_pending = error != NULL; /* then it is removed: free() */
        if (error)
                self->error = g_error_copy(error);
        else if (HYPERVISOR_HAS(domain->connection->hypervisor, checkpoints, look) && domain_is_up(domain))
                domain->connection->hypervisor->checkpoints->look(domain);
        finish(self);
}

void checkpoint_made(Operation *operation, const GError *error) {
        CheckpointCreate *self = (CheckpointCreate *) operation;
        if (error) {
                give_up(self, error);
                return;
        }
        TreeChange *change = checkpoints_change_new(operation->domain);
        checkpoints_change_set_pending(change, NULL);
        checkpoints_change_put(change, self->definition);
        tree_change_set_current(change, self->definition->name);
        tree_change_write(change, on_kept, self);
}

static void on_pending(void *data, const GError *error) {
        CheckpointCreate *self = data;
        Domain *domain = self->operation.domain;
        self->is_pending = !error;
        if (error) {
                operation_finish(&self->operation, error);
                return;
        }
        g_autoptr(GError) changed = NULL;
        if (domain->connection->closing)
                domain_fail(domain, &changed, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        else if (!domain_is_up(domain))
                domain_fail(domain, &changed, VIRTBUS_ERROR_CANCELLED, "it has ended meanwhile");
        if (changed)
                give_up(self, changed);
        else
                domain->connection->hypervisor->checkpoints->create(&self->operation);
}

void checkpoint_prepared(Operation *operation, const GError *error) {
        CheckpointCreate *self = (CheckpointCreate *) operation;
        if (error) {
                operation_finish(operation, error);
                return;
        }
        describe_domain(self);
        TreeChange *change = checkpoints_change_new(operation->domain);
        checkpoints_change_set_pending(change, self->definition);
        tree_change_write(change, on_pending, self);
}

static void create_begin(Operation *operation) {
        g_autoptr(GError) error = NULL;
        if (check((CheckpointCreate *) operation, &error))
                operation->domain->connection->hypervisor->checkpoints->prepare(operation);
        else
                operation_finish(operation, error);
}

static void create_reply(Operation *operation, Call *call) {
        const CheckpointDefinition *definition = checkpoint_create_definition(operation);
        reply_domain_create_checkpoint(call, checkpoint_path(checkpoint_find(operation->domain, definition->name)));
}

/* Its guest may have ended meanwhile, with what was half made. */
static void create_free(Operation *operation) {
        CheckpointCreate *self = (CheckpointCreate *) operation;
        if (self->is_pending)
                checkpoint_delete_pending(operation->domain);
        checkpoint_definition_unref(self->definition);
        g_clear_error(&self->error);
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
        .free = create_free,
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

static bool check_domain(const Domain *domain, const CheckpointDefinition *definition, GError **error) {
        g_autoptr(Definition) was = definition->domain ? definition_parse(definition->domain, error) : NULL;
        const char *uuid = was ? was->uuid : definition->uuid;
        if (definition->domain && !was)
                return false;
        return !uuid || strcmp(uuid, domain->uuid) == 0 ||
               domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "checkpoint '%s' is of the domain with UUID %s",
                           definition->name, uuid);
}

/* One that goes on from the current one is what the next is to go on from: so a chain is made known, one after the other. */
static bool is_next(const Domain *domain, const CheckpointDefinition *definition) {
        const Checkpoint *current = checkpoint_current(domain);
        return g_strcmp0(current ? current->definition->name : NULL, definition->parent) == 0;
}

static void on_redefined(void *data, const GError *error) {
        Operation *operation = data;
        const Hypervisor *hypervisor = operation->domain->connection->hypervisor;
        if (!error && domain_is_up(operation->domain) && HYPERVISOR_HAS(hypervisor, checkpoints, look))
                hypervisor->checkpoints->look(operation->domain);
        operation_finish(operation, error);
}

static void redefine_begin(Operation *operation) {
        const CheckpointCreate *self = (const CheckpointCreate *) operation;
        CheckpointDefinition *definition = self->definition;
        Domain *domain = operation->domain;
        g_autoptr(GError) error = NULL;
        if (!checkpoints_check(domain, &error) || !tree_check_parent(domain, &checkpoint_tree, &definition->item, &error) ||
            !check_same(domain, definition, &error) || !check_domain(domain, definition, &error) ||
            !check_bitmaps(domain, definition, &error)) {
                operation_finish(operation, error);
                return;
        }
        if (!definition->uuid)
                definition->uuid = g_strdup(domain->uuid);
        TreeChange *change = checkpoints_change_new(domain);
        checkpoints_change_put(change, definition);
        if (self->current || is_next(domain, definition))
                tree_change_set_current(change, definition->name);
        tree_change_write(change, on_redefined, operation);
}

static void redefine_reply(Operation *operation, Call *call) {
        const CheckpointDefinition *definition = checkpoint_create_definition(operation);
        reply_domain_redefine_checkpoint(call, checkpoint_path(checkpoint_find(operation->domain, definition->name)));
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
        .free = create_free,
};
