/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot-live.h"

#include <string.h>

#include "domain/domain-run.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/snapshot-create.h"
#include "domain/operations/snapshot-revert.h"
#include "domain/operations/tree-create.h"
#include "domain/operations/tree-delete.h"
#include "log.h"
#include "qemu/command/node-name.h"
#include "qemu/guest/nodes.h"
#include "qemu/guest/snapshot-images.h"
#include "qemu/guest/snapshot-off.h"
#include "qemu/monitor/monitor-job.h"
#include "qemu/monitor/script.h"

/* What the guest's QEMU does of them; one at a time. */
typedef struct Snapshotting {
        Guest *guest;
        Operation *operation; /* of the domain; NULL at a start */
        char *name;
        GPtrArray *nodes;                     /* char *: of the images; the first one has the memory */
        const SnapshotDefinition *definition; /* REMOVE: the operation's, as are its traces */
        const char *traces;
        MonitorJob *job;
        bool has_begun; /* LOAD: the guest is not what it was any more */
        void (*done)(struct Snapshotting *self, const GError *error);
        void (*then)(Guest *guest, const GError *error); /* START */
} Snapshotting;

static Snapshotting *begin(Guest *guest, Operation *operation, const char *name,
                           void (*done)(Snapshotting *self, const GError *error)) {
        Snapshotting *self = g_new0(Snapshotting, 1);
        *self = (Snapshotting){ .guest = guest, .operation = operation, .name = g_strdup(name), .done = done };
        self->nodes = g_ptr_array_new_with_free_func(g_free);
        guest->snapshotting = self;
        return self;
}

static void end(Snapshotting *self) {
        self->guest->snapshotting = NULL;
        g_clear_pointer(&self->job, monitor_job_free);
        g_ptr_array_unref(self->nodes);
        g_free(self->name);
        g_free(self);
}

static void finish(Snapshotting *self, const GError *failure) {
        g_autoptr(GError) error = NULL;
        if (failure)
                domain_fail(self->guest->domain, &error, virtbus_error_code(failure), "snapshot '%s': %s", self->name,
                            failure->message);
        self->done(self, error);
}

/* The nodes of those of its disks that are internal in a snapshot. NULL: of a start, for which any definition's will do. */
static void add_nodes(Snapshotting *self, const Definition *live, const SnapshotDefinition *snapshot) {
        for (guint i = 0; i < live->devices->len; i++) {
                const DeviceDefinition *device = live->devices->pdata[i];
                const SnapshotDisk *disk =
                                device->device_class == DEVICE_DISK ? snapshot_definition_find(snapshot, device->target) : NULL;
                if (disk && disk->place == SNAPSHOT_INTERNAL)
                        g_ptr_array_add(self->nodes, node_name_of_top(device, "format"));
        }
}

static JsonObject *arguments_of(const Snapshotting *self) {
        JsonObject *arguments = json_make("tag", 's', self->name, NULL);
        JsonArray *devices = json_array_new();
        json_add(arguments, "vmstate", 's', (const char *) self->nodes->pdata[0], NULL);
        for (guint i = 0; i < self->nodes->len; i++)
                json_array_add_string_element(devices, self->nodes->pdata[i]);
        json_object_set_array_member(arguments, "devices", devices);
        return arguments;
}

static void on_job_done(void *data, const GError *error) {
        Snapshotting *self = data;
        g_clear_pointer(&self->job, monitor_job_free);
        finish(self, error);
}

/* Those that a guest has a disk of, or an error. */
static bool check_nodes(const Snapshotting *self, GError **error) {
        return self->nodes->len > 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "none of its disks has an image with it");
}

/* What QEMU says of the images */

/* The one of that name in a node's image, or NULL. */
static JsonObject *find_snapshot(JsonArray *nodes, const char *node, const char *name) {
        return json_find(json_array(json_member(json_find(nodes, "node-name", node), "image"), "snapshots"), "name", name);
}

static void look(Snapshotting *self, MonitorDone looked) {
        monitor_command(self->guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), -1, looked,
                        self->guest);
}

/* Before one is made */

static void on_prepared(Snapshotting *self, const GError *error) {
        Operation *operation = self->operation;
        g_autoptr(GString) traces = g_string_new(NULL);
        const Definition *live = self->guest->domain->live;
        for (guint i = 0; !error && i < live->devices->len; i++) {
                const DeviceDefinition *device = live->devices->pdata[i];
                uint64_t number = 0, inode = 0;
                if (device->device_class != DEVICE_DISK)
                        continue;
                g_autofree char *storage = node_name_of_top(device, "storage");
                if (nodes_find_file(self->guest, storage, &number, &inode))
                        snapshot_traces_add(traces, device->target, number, inode);
        }
        end(self);
        tree_create_prepared(operation, traces->str, error);
}

static void on_looked_before(void *data, JsonObject *answer, const GError *failure) {
        Guest *guest = data;
        Snapshotting *self = guest->snapshotting;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!self)
                return;
        for (guint i = 0; !error && i < self->nodes->len; i++)
                if (find_snapshot(json_array(answer, "return"), self->nodes->pdata[i], self->name))
                        virtbus_error_set(&error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                          "the image of node '%s' has one of that name already, of which nothing is known here: "
                                          "use RedefineSnapshot to have it, or another name",
                                          (const char *) self->nodes->pdata[i]);
        finish(self, error);
}

void snapshot_live_prepare(Operation *operation) {
        const SnapshotDefinition *definition = snapshot_create_definition(operation);
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                tree_create_prepared(operation, NULL, error);
                return;
        }
        Snapshotting *self = begin(operation->domain->run, operation, definition->name, on_prepared);
        add_nodes(self, operation->domain->live, definition);
        look(self, on_looked_before);
}

/* Making */

static void on_status(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Snapshotting *self = guest->snapshotting;
        Domain *domain = guest->domain;
        const char *status = json_string(json_member(answer, "return"), "status");
        if (!self)
                return;
        Operation *operation = self->operation;
        end(self);
        /* It stands still for another reason, of which nothing was told meanwhile. */
        if (!error && domain->state == DOMAIN_RUNNING && g_strcmp0(status, "running") != 0)
                domain_changed(domain, DOMAIN_PAUSED, g_strcmp0(status, "io-error") == 0 ? REASON_IO_ERROR : REASON_UNKNOWN);
        tree_create_made(operation, NULL);
}

static void on_saved(Snapshotting *self, const GError *error) {
        Operation *operation = self->operation;
        if (!error) {
                monitor_command(self->guest->monitor, "query-status", NULL, -1, on_status, self->guest);
                return;
        }
        bool is_answer = monitor_is_there(self->guest->monitor); /* else QEMU may have made it, or some of it */
        end(self);
        if (is_answer)
                tree_create_made(operation, error);
        else
                tree_create_unknown(operation, error);
}

void snapshot_live_create(Operation *operation) {
        const SnapshotDefinition *definition = snapshot_create_definition(operation);
        Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                tree_create_made(operation, error);
                return;
        }
        Snapshotting *self = begin(guest, operation, definition->name, on_saved);
        add_nodes(self, operation->domain->live, definition);
        if (check_nodes(self, &error))
                self->job = monitor_job_new(guest->monitor, "snapshot-save", arguments_of(self), on_job_done, self);
        else
                finish(self, error);
}

/* Loading */

/* Whether the images have it, the first one with the memory: where not, nothing is done yet. */
static bool check_images(const Snapshotting *self, JsonArray *nodes, GError **error) {
        for (guint i = 0; i < self->nodes->len; i++) {
                const char *name = self->nodes->pdata[i];
                JsonObject *snapshot = find_snapshot(nodes, name, self->name);
                bool has_memory = json_int(snapshot, "vm-state-size", 0) > 0;
                if (json_array(json_find(nodes, "node-name", name), "dirty-bitmaps"))
                        return virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                                 "the image of node '%s' has bitmaps of checkpoints, with which QEMU loads none; "
                                                 "delete these first",
                                                 name);
                if (!snapshot || (i == 0 && !has_memory))
                        return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                                 "the image of node '%s' has no such snapshot%s", name,
                                                 snapshot ? " with memory" : "");
        }
        return check_nodes(self, error);
}

static void load(void *data) {
        Snapshotting *self = data;
        self->has_begun = true;
        self->job = monitor_job_new(self->guest->monitor, "snapshot-load", arguments_of(self), on_job_done, self);
}

static void on_nodes_known(void *data, JsonObject *answer, const GError *failure) {
        Guest *guest = data;
        Snapshotting *self = guest->snapshotting;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!self)
                return;
        if (error || !check_images(self, json_array(answer, "return"), &error))
                finish(self, error);
        else if (!self->operation) /* START: what was saved is of what the disks were */
                managed_save_remove_first(guest->domain, load, self);
        else
                load(self);
}

static void on_running(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Snapshotting *self = guest->snapshotting;
        (void) answer;
        if (!self)
                return;
        Operation *operation = self->operation;
        end(self);
        if (error)
                log_warning("domain '%s': it does not run on: %s", domain_name(guest->domain), error->message);
        snapshot_loaded(operation, NULL);
}

/* It was to be loaded, and is not: it was stopped for that. */
static void on_let_go(void *data, JsonObject *answer, const GError *unused) {
        Guest *guest = data;
        Snapshotting *self = guest->snapshotting;
        (void) answer;
        (void) unused;
        if (!self)
                return;
        Operation *operation = self->operation;
        g_autoptr(GError) error = g_steal_pointer(&guest->snapshot_failure);
        end(self);
        snapshot_loaded(operation, error);
}

static void on_loaded(Snapshotting *self, const GError *error) {
        Guest *guest = self->guest;
        Domain *domain = guest->domain;
        Operation *operation = self->operation;
        if (!error && snapshot_revert_runs(operation))
                monitor_command(guest->monitor, "cont", NULL, -1, on_running, guest);
        else if (!error) {
                end(self);
                snapshot_loaded(operation, NULL);
        } else if (self->has_begun) { /* it is half one thing and half another: it must not run on */
                log_error("%s; the guest is ended, as it is not what it was any more", error->message);
                end(self);
                domain_observe(domain, error);
                domain_destroy(domain, REASON_FAILED, NULL);
        } else if (domain->state == DOMAIN_RUNNING) {
                guest->snapshot_failure = g_error_copy(error);
                monitor_command(guest->monitor, "cont", NULL, -1, on_let_go, guest);
        } else {
                end(self);
                snapshot_loaded(operation, error);
        }
}

void snapshot_live_load(Operation *operation) {
        const SnapshotDefinition *definition = snapshot_revert_definition(operation);
        Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                snapshot_loaded(operation, error);
                return;
        }
        Snapshotting *self = begin(guest, operation, definition->name, on_loaded);
        add_nodes(self, operation->domain->live, definition);
        if (operation->domain->state == DOMAIN_RUNNING) /* QEMU takes it before what follows */
                monitor_command(guest->monitor, "stop", NULL, -1, NULL, NULL);
        look(self, on_nodes_known);
}

static void on_started(Snapshotting *self, const GError *error) {
        Guest *guest = self->guest;
        void (*then)(Guest *, const GError *) = self->then;
        end(self);
        then(guest, error);
}

void snapshot_live_start(Guest *guest, const char *name, void (*then)(Guest *guest, const GError *error)) {
        const Snapshot *snapshot = snapshot_find(guest->domain, name);
        Snapshotting *self = begin(guest, NULL, name, on_started);
        self->then = then;
        if (snapshot)
                add_nodes(self, guest->domain->live, snapshot->definition);
        look(self, on_nodes_known);
}

/* Removing: one image after the other, of those that have it; then those that are not the guest's any more */

static void remove_next(Snapshotting *self);

static void on_removed(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Snapshotting *self = guest->snapshotting;
        (void) answer;
        if (!self)
                return;
        if (error) {
                finish(self, error);
                return;
        }
        g_ptr_array_remove_index(self->nodes, 0);
        remove_next(self);
}

static void remove_next(Snapshotting *self) {
        if (self->nodes->len > 0)
                monitor_command(self->guest->monitor, "blockdev-snapshot-delete-internal-sync",
                                json_make("device", 's', (const char *) self->nodes->pdata[0], "name", 's', self->name, NULL), -1,
                                on_removed, self->guest);
        else
                finish(self, NULL);
}

static void on_all_removed(Snapshotting *self, const GError *error) {
        Operation *operation = self->operation;
        const SnapshotDefinition *definition = self->definition;
        const char *traces = self->traces;
        end(self);
        if (error)
                tree_delete_removed(operation, error);
        else
                snapshot_off_remove(operation, definition, traces);
}

/* Whether the disk's image is the file that was the snapshot's. */
static bool is_its_file(const Snapshotting *self, const SnapshotImage *image, const DeviceDefinition *disk) {
        g_autofree char *storage = node_name_of_top(disk, "storage");
        uint64_t device = 0, inode = 0;
        return !self->traces || (nodes_find_file(self->guest, storage, &device, &inode) &&
                                 snapshot_traces_have(self->traces, image->target, device, inode));
}

static bool choose_nodes(Snapshotting *self, JsonArray *nodes, GError **error) {
        const Domain *domain = self->guest->domain;
        g_autoptr(GPtrArray) images = snapshot_images_find(domain, self->definition, error);
        for (guint i = 0; images && i < images->len; i++) {
                const SnapshotImage *image = images->pdata[i];
                const DeviceDefinition *disk = snapshot_images_disk(domain->live, image->path);
                g_autofree char *name = disk ? node_name_of_top(disk, "format") : NULL;
                if (name && find_snapshot(nodes, name, self->name) && is_its_file(self, image, disk))
                        g_ptr_array_add(self->nodes, g_steal_pointer(&name));
        }
        return images != NULL;
}

static void on_looked_for(void *data, JsonObject *answer, const GError *failure) {
        Guest *guest = data;
        Snapshotting *self = guest->snapshotting;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!self)
                return;
        if (error || !choose_nodes(self, json_array(answer, "return"), &error))
                finish(self, error);
        else
                remove_next(self);
}

void snapshot_live_remove(Operation *operation, const SnapshotDefinition *definition, const char *traces) {
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                tree_delete_removed(operation, error);
                return;
        }
        Snapshotting *self = begin(operation->domain->run, operation, definition->name, on_all_removed);
        self->definition = definition;
        self->traces = traces;
        look(self, on_looked_for);
}

/* The guest's part */

static void on_status_change(Guest *guest, JsonObject *unused) {
        (void) unused;
        if (guest->snapshotting && guest->snapshotting->job)
                monitor_job_told(guest->snapshotting->job);
}

static void forget(Guest *guest) {
        Domain *domain = guest->domain;
        if (guest->snapshotting && domain->save_removed_data == guest->snapshotting)
                domain->save_removed = NULL;
        if (guest->snapshotting)
                end(guest->snapshotting);
        g_clear_error(&guest->snapshot_failure);
}

static const MonitorEvent events[] = {
        { "JOB_STATUS_CHANGE", PHASE_BEGINNING | PHASE_RUNNING, on_status_change },
        { NULL, 0, NULL },
};

const GuestModule snapshot_live_module = {
        .events = events,
        .forget = forget,
};
