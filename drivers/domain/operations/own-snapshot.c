/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/own-snapshot.h"

#include "bus.h"
#include "domain/connection.h"
#include "domain/operations/power.h"
#include "domain/operations/start.h"
#include "vtables.h"

typedef struct OwnSnapshot {
        Operation operation;
        char *name; /* of what is reverted to, or deleted; of what was made */
        SnapshotDefinition *definition;
        SnapshotOptions create;
        SnapshotRevertOptions revert;
        TreeDeleteOptions delete;
        void *work;
        void (*drop)(void *work);
} OwnSnapshot;

static const OwnSnapshot *own(const Operation *operation) {
        return (const OwnSnapshot *) operation;
}

static OwnSnapshot *own_new(const OperationClass *class, Call *call, const char *name) {
        OwnSnapshot *self = (OwnSnapshot *) operation_new(class, call);
        self->name = g_strdup(name);
        return self;
}

Operation *own_snapshot_create_new(Call *call, SnapshotDefinition *definition, SnapshotOptions options) {
        OwnSnapshot *self = own_new(&own_snapshot_create_class, call, NULL);
        self->definition = definition;
        self->create = options;
        return &self->operation;
}

Operation *own_snapshot_revert_new(Call *call, const char *name, SnapshotRevertOptions options) {
        OwnSnapshot *self = own_new(&own_snapshot_revert_class, call, name);
        self->revert = options;
        return &self->operation;
}

Operation *own_snapshot_delete_new(Call *call, const char *name, TreeDeleteOptions options) {
        OwnSnapshot *self = own_new(&own_snapshot_delete_class, call, name);
        self->delete = options;
        return &self->operation;
}

bool own_snapshot_is(const Operation *operation) {
        return operation_is(operation, &own_snapshot_create_class) || operation_is(operation, &own_snapshot_revert_class) ||
               operation_is(operation, &own_snapshot_delete_class);
}

const SnapshotDefinition *own_snapshot_definition(const Operation *operation) {
        return own(operation)->definition;
}

bool own_snapshot_has_memory(const Operation *operation) {
        return domain_is_active(operation->domain) && own(operation)->definition->memory == SNAPSHOT_INTERNAL;
}

bool own_snapshot_quiesces(const Operation *operation) {
        return own(operation)->create.quiesce;
}

const char *own_snapshot_name(const Operation *operation) {
        return own(operation)->name;
}

bool own_snapshot_takes_children(const Operation *operation) {
        return own(operation)->delete.children;
}

bool own_snapshot_takes_children_only(const Operation *operation) {
        return own(operation)->delete.children_only;
}

void own_snapshot_set_work(Operation *operation, void *work, void (*drop)(void *work)) {
        ((OwnSnapshot *) operation)->work = work;
        ((OwnSnapshot *) operation)->drop = drop;
}

static const HypervisorOwnSnapshots *functions_of(const Operation *operation) {
        return operation->domain->connection->hypervisor->own_snapshots;
}

static bool is_offered(const Hypervisor *hypervisor) {
        return hypervisor->own_snapshots != NULL;
}

/* Its guest's end, or start, is none of it. */
static OperationFate fate(const Operation *operation) {
        (void) operation;
        return OPERATION_GOES_ON;
}

static void own_free(Operation *operation) {
        OwnSnapshot *self = (OwnSnapshot *) operation;
        if (self->work)
                self->drop(self->work);
        g_clear_pointer(&self->definition, snapshot_definition_unref);
        g_free(self->name);
}

/* Making */

static bool refuse(const Domain *domain, GError **error, const char *why) {
        return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED, "%s", why);
}

/* What a document or a caller may not choose where the hypervisor keeps them. */
static bool check_asked(const OwnSnapshot *self, const Domain *domain, GError **error) {
        const SnapshotDefinition *definition = self->definition;
        if (definition->disks->len > 0)
                return refuse(domain, error, "its hypervisor takes all disks into a snapshot, each as it is; leave <disks> out");
        if (definition->memory == SNAPSHOT_EXTERNAL)
                return refuse(domain, error,
                              "its hypervisor keeps the memory where it keeps the snapshot; leave <memory>'s file out");
        if (self->create.files || self->create.reuse)
                return refuse(domain, error, "its hypervisor names the files of a snapshot itself; use CreateSnapshot");
        if (self->create.no_metadata)
                return refuse(domain, error, "its hypervisor knows what snapshots it has; leave the option no_metadata out");
        return !self->create.halt ||
               refuse(domain, error, "its hypervisor goes on after a snapshot; leave the option halt out, and use Destroy");
}

static bool check_create(const Operation *operation, GError **error) {
        const OwnSnapshot *self = own(operation);
        const Domain *domain = operation->domain;
        SnapshotDefinition *definition = self->definition;
        bool is_up = domain_is_active(domain);
        if (!check_asked(self, domain, error))
                return false;
        if (definition->memory == SNAPSHOT_INTERNAL && (self->create.disk_only || !is_up))
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s",
                                   is_up ? "disk_only leaves the memory out, and the document does not"
                                         : "a domain that is off has no memory to be kept");
        if (definition->memory == SNAPSHOT_UNSAID)
                definition->memory = is_up && !self->create.disk_only ? SNAPSHOT_INTERNAL : SNAPSHOT_NO;
        if (self->create.quiesce && (definition->memory != SNAPSHOT_NO || domain->state != DOMAIN_RUNNING))
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "quiesce is for a snapshot with disk_only, of a guest that runs");
        tree_name(domain, &snapshot_tree, &definition->item);
        if (snapshot_find(domain, definition->name))
                return domain_fail(domain, error, VIRTBUS_ERROR_ALREADY_EXISTS, "it has a snapshot '%s' already",
                                   definition->name);
        return snapshots_count(domain) < SNAPSHOTS_MAX ||
               domain_fail(domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "it has %u snapshots already; delete some first",
                           SNAPSHOTS_MAX);
}

static void create_begin(Operation *operation) {
        functions_of(operation)->create(operation);
}

void own_snapshot_created(Operation *operation, const char *name) {
        OwnSnapshot *self = (OwnSnapshot *) operation;
        g_free(self->name);
        self->name = g_strdup(name);
        operation_finish(operation, NULL);
}

static void create_reply(Operation *operation, Call *call) {
        reply_domain_create_snapshot(call, snapshot_path(snapshot_find(operation->domain, own(operation)->name)));
}

const OperationClass own_snapshot_create_class = {
        .name = "CreateSnapshot",
        .states = IN(DOMAIN_RUNNING) | IN(DOMAIN_PAUSED) | IN(DOMAIN_SHUTOFF),
        .needs = "run, be paused, or be shutoff",
        .of_tree = &snapshot_tree,
        .size = sizeof(OwnSnapshot),
        .is_offered = is_offered,
        .check = check_create,
        .begin = create_begin,
        .reply = create_reply,
        .fate = fate,
        .free = own_free,
};

/* Going back */

static bool check_there(const Operation *operation, GError **error) {
        return snapshot_find(operation->domain, own(operation)->name) ||
               domain_fail(operation->domain, error, VIRTBUS_ERROR_NO_SUCH_SNAPSHOT, "it has no snapshot '%s' any more",
                           own(operation)->name);
}

static bool check_revert(const Operation *operation, GError **error) {
        return (!own(operation)->revert.paused ||
                refuse(operation->domain, error,
                       "its hypervisor starts nothing paused; leave the option out, and use Suspend then")) &&
               check_there(operation, error);
}

static void revert_begin(Operation *operation) {
        functions_of(operation)->revert(operation);
}

/* It is to run, and does not: the call is answered when it does. Nothing comes between. */
static bool revert_follow(Operation *operation, GError **error) {
        Domain *domain = operation->domain;
        Operation *next = NULL;
        (void) error;
        if (!own(operation)->revert.running || !domain->published)
                return true;
        if (domain->state == DOMAIN_SHUTOFF)
                next = start_new(g_steal_pointer(&operation->call), (StartOptions){ 0 });
        else if (domain->state == DOMAIN_PAUSED)
                next = operation_new(&resume_class, g_steal_pointer(&operation->call));
        if (!next)
                return true;
        next->domain = domain;
        g_queue_push_head(&domain->waiting, next);
        return true;
}

const OperationClass own_snapshot_revert_class = {
        .name = "Snapshot.Revert",
        .states = IN_SETTLED,
        .needs = "be at rest",
        .of_tree = &snapshot_tree,
        .size = sizeof(OwnSnapshot),
        .is_offered = is_offered,
        .check = check_revert,
        .begin = revert_begin,
        .follow = revert_follow,
        .fate = fate,
        .free = own_free,
};

/* Deleting */

static bool check_delete(const Operation *operation, GError **error) {
        return (!own(operation)->delete.metadata_only ||
                refuse(operation->domain, error,
                       "nothing of its snapshots is kept but by its hypervisor; leave the option metadata_only out")) &&
               check_there(operation, error);
}

static void delete_begin(Operation *operation) {
        functions_of(operation)->remove(operation);
}

const OperationClass own_snapshot_delete_class = {
        .name = "Snapshot.Delete",
        .states = IN_SETTLED,
        .needs = "be at rest",
        .of_tree = &snapshot_tree,
        .size = sizeof(OwnSnapshot),
        .is_offered = is_offered,
        .check = check_delete,
        .begin = delete_begin,
        .fate = fate,
        .free = own_free,
};
