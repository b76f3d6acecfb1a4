/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/snapshot-create.h"

#include <inttypes.h>
#include <string.h>

#include "bus.h"
#include "domain/checkpoint.h"
#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "domain/domain-run.h"
#include "domain/operations/snapshot-delete.h"
#include "vtables.h"

typedef struct SnapshotCreate {
        Operation operation;
        SnapshotDefinition *definition;
        SnapshotOptions options;
        bool is_pending; /* the file says that it is being made */
        GError *error;
} SnapshotCreate;

static Operation *new_of(const OperationClass *class, Call *call, SnapshotDefinition *definition, SnapshotOptions options) {
        Operation *operation = operation_new(class, call);
        ((SnapshotCreate *) operation)->definition = definition;
        ((SnapshotCreate *) operation)->options = options;
        return operation;
}

Operation *snapshot_create_new(Call *call, SnapshotDefinition *definition, SnapshotOptions options) {
        return new_of(&snapshot_create_class, call, definition, options);
}

Operation *snapshot_redefine_new(Call *call, SnapshotDefinition *definition, SnapshotOptions options) {
        return new_of(&snapshot_redefine_class, call, definition, options);
}

const SnapshotDefinition *snapshot_create_definition(const Operation *operation) {
        return ((const SnapshotCreate *) operation)->definition;
}

const SnapshotOptions *snapshot_create_options(const Operation *operation) {
        return &((const SnapshotCreate *) operation)->options;
}

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, snapshots, create);
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

static const char *state_of(const Domain *domain, const SnapshotOptions *options) {
        return domain->state != DOMAIN_SHUTOFF && options->disk_only ? "disk-snapshot" : domain_state_name(domain->state);
}

static void name(SnapshotCreate *self) {
        Domain *domain = self->operation.domain;
        SnapshotDefinition *definition = self->definition;
        definition->created = g_get_real_time() / G_USEC_PER_SEC;
        for (int64_t number = definition->created; !definition->name; number++) {
                g_autofree char *digits = g_strdup_printf("%" PRId64, number);
                if (!snapshot_find(domain, digits))
                        definition->name = g_steal_pointer(&digits);
        }
}

static void describe_domain(SnapshotCreate *self) {
        const Domain *domain = self->operation.domain;
        SnapshotDefinition *definition = self->definition;
        const Snapshot *current = snapshot_current(domain);
        g_free(definition->uuid);
        g_free(definition->domain);
        g_free(definition->state);
        definition->uuid = g_strdup(domain->uuid);
        definition->domain = describe(domain_definition(domain));
        definition->inactive = domain->live && domain->persistent ? describe(domain->persistent) : NULL;
        definition->state = g_strdup(state_of(domain, &self->options));
        definition->parent = current ? g_strdup(current->definition->name) : NULL;
}

static bool check(SnapshotCreate *self, GError **error) {
        Domain *domain = self->operation.domain;
        const SnapshotOptions *options = &self->options;
        bool active = domain_is_active(domain);
        name(self);
        if (!snapshots_check(domain, error) || !disk_jobs_check_none(domain, NULL, "a snapshot is made", error) ||
            !checkpoints_check_none(domain, "it goes back to a snapshot", error))
                return false;
        if (!options->no_metadata && snapshot_find(domain, self->definition->name))
                return domain_fail(domain, error, VIRTBUS_ERROR_ALREADY_EXISTS, "it has a snapshot '%s' already",
                                   self->definition->name);
        if (!options->no_metadata && snapshots_count(domain) >= SNAPSHOTS_MAX)
                return domain_fail(domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "it has %d snapshots already; delete some first",
                                   SNAPSHOTS_MAX);
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
        if (!snapshot_definition_complete(self->definition, domain_definition(domain), active, options->disk_only, &wrong))
                return domain_fail(domain, error, virtbus_error_code(wrong), "%s", wrong->message);
        return !domain->connection->hypervisor->snapshots->check ||
               domain->connection->hypervisor->snapshots->check(domain, self->definition, options, error);
}

/* Making */

static void finish(SnapshotCreate *self) {
        g_autoptr(GError) error = g_steal_pointer(&self->error);
        operation_finish(&self->operation, error);
}

static void on_forgotten(void *data, const GError *unused) {
        SnapshotCreate *self = data;
        (void) unused;
        self->is_pending = false;
        finish(self);
}

/* It is not made: nothing of it is there. */
static void give_up(SnapshotCreate *self, const GError *error) {
        TreeChange *change = snapshots_change_new(self->operation.domain);
        self->error = g_error_copy(error);
        snapshots_change_set_pending(change, NULL);
        tree_change_write(change, on_forgotten, self);
}

static void on_kept(void *data, const GError *error) {
        SnapshotCreate *self = data;
        Domain *domain = self->operation.domain;
        self->is_pending = error != NULL; /* then it is removed: free() */
        if (error)
                self->error = g_error_copy(error);
        bool halts = !error && self->options.halt && domain_is_active(domain);
        finish(self);
        if (halts)
                domain_destroy(domain, REASON_DESTROYED, NULL);
}

void snapshot_made(Operation *operation, const GError *error) {
        SnapshotCreate *self = (SnapshotCreate *) operation;
        if (error) {
                give_up(self, error);
                return;
        }
        TreeChange *change = snapshots_change_new(operation->domain);
        snapshots_change_set_pending(change, NULL);
        if (!self->options.no_metadata) {
                snapshots_change_put(change, self->definition);
                tree_change_set_current(change, self->definition->name);
        }
        tree_change_write(change, on_kept, self);
}

static void on_pending(void *data, const GError *error) {
        SnapshotCreate *self = data;
        Domain *domain = self->operation.domain;
        self->is_pending = !error;
        if (error) {
                operation_finish(&self->operation, error);
                return;
        }
        g_autoptr(GError) changed = NULL;
        if (domain->connection->closing)
                domain_fail(domain, &changed, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        else if (strcmp(self->definition->state, "shutoff") != 0 && !domain_is_up(domain))
                domain_fail(domain, &changed, VIRTBUS_ERROR_CANCELLED, "it has ended meanwhile");
        if (changed)
                give_up(self, changed);
        else
                domain->connection->hypervisor->snapshots->create(&self->operation);
}

static void create_begin(Operation *operation) {
        SnapshotCreate *self = (SnapshotCreate *) operation;
        g_autoptr(GError) error = NULL;
        if (!check(self, &error)) {
                operation_finish(operation, error);
                return;
        }
        describe_domain(self);
        TreeChange *change = snapshots_change_new(operation->domain);
        snapshots_change_set_pending(change, self->definition);
        tree_change_write(change, on_pending, self);
}

static void create_reply(Operation *operation, Call *call) {
        const SnapshotCreate *self = (const SnapshotCreate *) operation;
        const Domain *domain = operation->domain;
        const char *path = self->options.no_metadata ? published_path(domain->published)
                                                     : snapshot_path(snapshot_find(domain, self->definition->name));
        if (self->options.files)
                reply_domain_create_snapshot_with_files(call, path);
        else
                reply_domain_create_snapshot(call, path);
}

/* Its guest may have ended meanwhile, with what was half made. */
static void create_free(Operation *operation) {
        SnapshotCreate *self = (SnapshotCreate *) operation;
        if (self->is_pending)
                snapshot_delete_pending(operation->domain);
        snapshot_definition_unref(self->definition);
        g_clear_error(&self->error);
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

static bool check_disks(const Domain *domain, const SnapshotDefinition *definition, GError **error) {
        g_autoptr(Definition) was = definition->domain ? definition_parse(definition->domain, error) : NULL;
        if (definition->domain && !was)
                return false;
        if (was && strcmp(was->uuid, domain->uuid) != 0)
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "snapshot '%s' is of the domain with UUID %s",
                                   definition->name, was->uuid);
        g_autoptr(Definition) inactive = definition->inactive ? definition_parse(definition->inactive, error) : NULL;
        if (definition->inactive && !inactive)
                return false;
        for (guint i = 0; was && i < definition->disks->len; i++) {
                const SnapshotDisk *disk = definition->disks->pdata[i];
                bool found = false;
                for (guint k = 0; k < was->devices->len; k++)
                        found |= strcmp(((const DeviceDefinition *) was->devices->pdata[k])->target, disk->name) == 0;
                if (!found)
                        return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                           "snapshot '%s' has a disk '%s', which its domain has not", definition->name,
                                           disk->name);
        }
        return true;
}

static bool check_redefine(const Domain *domain, const SnapshotDefinition *definition, GError **error) {
        if (!snapshots_check(domain, error) || !tree_check_parent(domain, &snapshot_tree, &definition->item, error) ||
            !check_same(domain, definition, error) || !check_disks(domain, definition, error))
                return false;
        return !definition->uuid || strcmp(definition->uuid, domain->uuid) == 0 ||
               domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "snapshot '%s' is of the domain with UUID %s",
                           definition->name, definition->uuid);
}

static void on_redefined(void *data, const GError *error) {
        operation_finish(data, error);
}

static void redefine_begin(Operation *operation) {
        const SnapshotCreate *self = (const SnapshotCreate *) operation;
        SnapshotDefinition *definition = self->definition;
        g_autoptr(GError) error = NULL;
        if (!check_redefine(operation->domain, definition, &error)) {
                operation_finish(operation, error);
                return;
        }
        if (!definition->uuid)
                definition->uuid = g_strdup(operation->domain->uuid);
        TreeChange *change = snapshots_change_new(operation->domain);
        snapshots_change_put(change, definition);
        if (self->options.current)
                tree_change_set_current(change, definition->name);
        tree_change_write(change, on_redefined, operation);
}

static void redefine_reply(Operation *operation, Call *call) {
        reply_domain_redefine_snapshot(call, snapshot_path(snapshot_find(operation->domain,
                                                                         snapshot_create_definition(operation)->name)));
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
        .free = create_free,
};
