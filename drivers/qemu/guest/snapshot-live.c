/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot-live.h"

#include <string.h>

#include "domain/domain-run.h"
#include "domain/operations/snapshot-create.h"
#include "domain/operations/snapshot-revert.h"
#include "domain/operations/tree-create.h"
#include "domain/operations/tree-delete.h"
#include "log.h"
#include "qemu/command/node-name.h"
#include "qemu/monitor/monitor-job.h"
#include "qemu/monitor/script.h"

/* What the guest's QEMU does of them; one at a time. */
typedef struct Snapshotting {
        Guest *guest;
        Operation *operation; /* of the domain; NULL at a start */
        char *name;
        GPtrArray *nodes; /* char *: of the images; the first one has the memory */
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
                domain_fail(self->guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "snapshot '%s': %s", self->name,
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
        end(self);
        tree_create_made(operation, error);
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
                bool has_it = false, has_memory = false, has_bitmaps = false;
                for (guint k = 0; nodes && k < json_array_get_length(nodes); k++) {
                        JsonObject *node = json_object_at(nodes, k);
                        bool is_its = node && g_strcmp0(json_string(node, "node-name"), self->nodes->pdata[i]) == 0;
                        JsonArray *snapshots = is_its ? json_array(json_member(node, "image"), "snapshots") : NULL;
                        has_bitmaps |= is_its && json_array(node, "dirty-bitmaps");
                        for (guint n = 0; snapshots && n < json_array_get_length(snapshots); n++) {
                                JsonObject *snapshot = json_object_at(snapshots, n);
                                if (g_strcmp0(json_string(snapshot, "name"), self->name) != 0)
                                        continue;
                                has_it = true;
                                has_memory = json_int(snapshot, "vm-state-size", 0) > 0;
                        }
                }
                if (has_bitmaps)
                        return virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                                 "the image of node '%s' has bitmaps of checkpoints, with which QEMU loads none; "
                                                 "delete these first",
                                                 (const char *) self->nodes->pdata[i]);
                if (!has_it || (i == 0 && !has_memory))
                        return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                                 "the image of node '%s' has no such snapshot%s",
                                                 (const char *) self->nodes->pdata[i], has_it ? " with memory" : "");
        }
        return check_nodes(self, error);
}

static void load(Snapshotting *self) {
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
        else
                load(self);
}

static void look(Snapshotting *self) {
        monitor_command(self->guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), -1, on_nodes_known,
                        self->guest);
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
        look(self);
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
        look(self);
}

/* Removing: one image after the other; one that has it no more is no fault. */

static void remove_next(Snapshotting *self);

static void on_removed(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Snapshotting *self = guest->snapshotting;
        (void) answer;
        if (!self)
                return;
        if (error && !strstr(error->message, "does not exist")) {
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
        end(self);
        tree_delete_removed(operation, error);
}

void snapshot_live_remove(Operation *operation, const SnapshotDefinition *definition) {
        Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                tree_delete_removed(operation, error);
                return;
        }
        Snapshotting *self = begin(guest, operation, definition->name, on_all_removed);
        add_nodes(self, operation->domain->live, definition);
        remove_next(self);
}

/* The guest's part */

static void on_status_change(Guest *guest, JsonObject *unused) {
        (void) unused;
        if (guest->snapshotting && guest->snapshotting->job)
                monitor_job_told(guest->snapshotting->job);
}

static void forget(Guest *guest) {
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
