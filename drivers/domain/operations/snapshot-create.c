/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/snapshot-create.h"

#include <string.h>

#include "bus.h"
#include "domain/checkpoint.h"
#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "domain/domain-run.h"
#include "domain/operations/snapshot-delete.h"
#include "domain/operations/tree-create.h"
#include "vtables.h"

typedef struct SnapshotCreate {
        TreeCreate create;
        SnapshotOptions options;
        void *work; /* the hypervisor's */
        GDestroyNotify let_go;
} SnapshotCreate;

static bool was_off(const SnapshotDefinition *definition) {
        return strcmp(definition->state, "shutoff") == 0;
}

static bool is_there(const TreeCreate *self) {
        return was_off((const SnapshotDefinition *) self->item) || domain_is_up(self->operation.domain);
}

static void create(Operation *operation) {
        operation->domain->connection->hypervisor->snapshots->create(operation);
}

static bool kept(const TreeCreate *self) {
        return ((const SnapshotCreate *) self)->options.halt && domain_is_active(self->operation.domain);
}

static void describe(TreeCreate *create);

static const TreeCreateKind kind = { describe, is_there, create, kept, snapshot_delete_pending };

static Operation *new_of(const OperationClass *class, Call *call, SnapshotDefinition *definition, SnapshotOptions options) {
        SnapshotCreate *self = (SnapshotCreate *) tree_create_new(class, call, &kind, &definition->item);
        self->options = options;
        self->create.is_forgotten = options.no_metadata;
        return &self->create.operation;
}

Operation *snapshot_create_new(Call *call, SnapshotDefinition *definition, SnapshotOptions options) {
        return new_of(&snapshot_create_class, call, definition, options);
}

Operation *snapshot_redefine_new(Call *call, SnapshotDefinition *definition, SnapshotOptions options) {
        return new_of(&snapshot_redefine_class, call, definition, options);
}

const SnapshotDefinition *snapshot_create_definition(const Operation *operation) {
        return (const SnapshotDefinition *) tree_create_item(operation);
}

const SnapshotOptions *snapshot_create_options(const Operation *operation) {
        return &((const SnapshotCreate *) operation)->options;
}

void snapshot_create_keep(Operation *operation, void *work, GDestroyNotify let_go) {
        ((SnapshotCreate *) operation)->work = work;
        ((SnapshotCreate *) operation)->let_go = let_go;
}

void *snapshot_create_kept(const Operation *operation) {
        return ((const SnapshotCreate *) operation)->work;
}

/* First, as what is half made may be removed by the next operation. */
static void create_free(Operation *operation) {
        const SnapshotCreate *self = (const SnapshotCreate *) operation;
        if (self->work)
                self->let_go(self->work);
        tree_create_free(operation);
}

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, snapshots, create);
}

/* Making */

static const char *state_of(const Domain *domain, const SnapshotOptions *options) {
        return domain->state != DOMAIN_SHUTOFF && options->disk_only ? "disk-snapshot" : domain_state_name(domain->state);
}

/* What only a snapshot has of its domain. */
static void describe(TreeCreate *create) {
        const SnapshotCreate *self = (const SnapshotCreate *) create;
        const Domain *domain = create->operation.domain;
        SnapshotDefinition *definition = (SnapshotDefinition *) create->item;
        g_free(definition->state);
        definition->inactive = domain->live && domain->persistent ? definition_machine_text(domain->persistent) : NULL;
        definition->state = g_strdup(state_of(domain, &self->options));
}

static bool check(SnapshotCreate *self, GError **error) {
        Domain *domain = self->create.operation.domain;
        SnapshotDefinition *definition = (SnapshotDefinition *) self->create.item;
        const SnapshotOptions *options = &self->options;
        bool active = domain_is_active(domain);
        tree_create_name(&self->create);
        if (!snapshots_check(domain, error) || !disk_jobs_check_none(domain, NULL, "a snapshot is made", error) ||
            !checkpoints_check_none(domain, "a snapshot is made", error))
                return false;
        if (!tree_create_check(&self->create, error))
                return false;
        if (!active && domain->has_managed_save)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "it has a managed save, whose memory would not be in the snapshot; remove that first, or "
                                   "start it");
        if (options->halt && !domain->persistent)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "it is transient: it would be gone, and its snapshot with it");
        if (options->quiesce && (!options->disk_only || domain->state != DOMAIN_RUNNING))
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "quiesce is for a snapshot with disk_only, of a guest that runs");
        g_autoptr(GError) wrong = NULL;
        if (!snapshot_definition_complete(definition, domain_definition(domain), active, options->disk_only, &wrong))
                return domain_fail(domain, error, virtbus_error_code(wrong), "%s", wrong->message);
        return !domain->connection->hypervisor->snapshots->check ||
               domain->connection->hypervisor->snapshots->check(domain, definition, options, error);
}

static void create_begin(Operation *operation) {
        g_autoptr(GError) error = NULL;
        if (check((SnapshotCreate *) operation, &error))
                operation->domain->connection->hypervisor->snapshots->prepare(operation);
        else
                operation_finish(operation, error);
}

static void create_reply(Operation *operation, Call *call) {
        const SnapshotCreate *self = (const SnapshotCreate *) operation;
        const char *path = self->options.no_metadata ? published_path(operation->domain->published) : tree_create_path(operation);
        if (self->options.files)
                reply_domain_create_snapshot_with_files(call, path);
        else
                reply_domain_create_snapshot(call, path);
}

const OperationClass snapshot_create_class = {
        .name = "CreateSnapshot",
        .states = IN(DOMAIN_RUNNING) | IN(DOMAIN_PAUSED) | IN(DOMAIN_SHUTOFF),
        .needs = "run, be paused, or be shutoff",
        .tells_state = true,
        .size = sizeof(SnapshotCreate),
        .of_tree = &snapshot_tree,
        .fate = tree_fate,
        .is_offered = is_offered,
        .begin = create_begin,
        .reply = create_reply,
        .free = create_free,
};

/* Making known */

/* Another definition of one that is known: what it is stays. */
static bool check_same(const Domain *domain, const SnapshotDefinition *definition, GError **error) {
        const Snapshot *known = snapshot_find(domain, definition->name);
        if (!known)
                return true;
        const SnapshotDefinition *old = known->definition;
        bool same = strcmp(old->state, definition->state) == 0 && old->memory == definition->memory &&
                    old->disks->len == definition->disks->len;
        for (guint i = 0; same && i < old->disks->len; i++) {
                const SnapshotDisk *disk = old->disks->pdata[i], *now = snapshot_definition_find(definition, disk->name);
                same = now && now->place == disk->place && g_strcmp0(now->path, disk->path) == 0;
        }
        return same ||
               domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                           "snapshot '%s' is there with another state, or other disks; delete it with metadata_only first",
                           definition->name);
}

static bool check_disks(const TreeCreate *self, const SnapshotDefinition *definition, const Definition *was, GError **error) {
        g_autoptr(Definition) inactive = definition->inactive ? definition_parse(definition->inactive, error) : NULL;
        if (definition->inactive && !inactive)
                return false;
        for (guint i = 0; i < definition->disks->len; i++)
                if (!tree_create_check_disk(self, was, ((const SnapshotDisk *) definition->disks->pdata[i])->name, error))
                        return false;
        return true;
}

static void redefine_begin(Operation *operation) {
        SnapshotCreate *self = (SnapshotCreate *) operation;
        const SnapshotDefinition *definition = snapshot_create_definition(operation);
        const Domain *domain = operation->domain;
        g_autoptr(Definition) was = NULL;
        g_autoptr(GError) error = NULL;
        if (!snapshots_check(domain, &error) || !tree_check_parent(domain, &snapshot_tree, &definition->item, &error) ||
            !check_same(domain, definition, &error) || !tree_create_check_whose(&self->create, &was, &error) ||
            !check_disks(&self->create, definition, was, &error))
                operation_finish(operation, error);
        else
                tree_create_known(&self->create, self->options.current);
}

static void redefine_reply(Operation *operation, Call *call) {
        reply_domain_redefine_snapshot(call, tree_create_path(operation));
}

const OperationClass snapshot_redefine_class = {
        .name = "RedefineSnapshot",
        .states = IN_SETTLED,
        .needs = "be at rest",
        .size = sizeof(SnapshotCreate),
        .of_tree = &snapshot_tree,
        .fate = tree_fate,
        .is_offered = is_offered,
        .begin = redefine_begin,
        .reply = redefine_reply,
        .free = tree_create_free,
};
