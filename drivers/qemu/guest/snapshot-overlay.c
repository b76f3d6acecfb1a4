/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot-overlay.h"

#include <string.h>

#include "bus.h"
#include "domain/domain-status.h"
#include "domain/operations/snapshot-create.h"
#include "domain/operations/tree-create.h"
#include "domain/operations/tree-delete.h"
#include "domain/user-work.h"
#include "log.h"
#include "qemu/guest/block-job-end.h"
#include "qemu/guest/collect.h"
#include "qemu/guest/node-bitmap.h"
#include "qemu/guest/nodes.h"
#include "qemu/guest/overlaying.h"
#include "qemu/guest/plugging.h"
#include "qemu/guest/quiesce.h"
#include "qemu/monitor/script.h"

/* A word among the traces of one that is to be forgotten once it is made. */
#define NO_METADATA "no-metadata"

/* Kept in the status from before QEMU hears of the overlays until what is known says them */

static void keep(Guest *guest, const OverlayFiles *files) {
        guest->overlays = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (guint i = 0; i < files->all->len; i++) {
                const Overlay *overlay = files->all->pdata[i];
                g_hash_table_insert(guest->overlays, g_strdup(overlay->alias), GUINT_TO_POINTER(overlay->index));
        }
}

static void save(const Guest *guest, xmlNode *saved) {
        GHashTableIter iterator;
        void *alias, *index;
        if (!guest->overlays)
                return;
        g_hash_table_iter_init(&iterator, guest->overlays);
        while (g_hash_table_iter_next(&iterator, &alias, &index)) {
                xmlNode *element = xml_add(saved, "overlay", NULL);
                xml_set_attribute(element, "alias", alias);
                xml_set_number(element, "index", GPOINTER_TO_UINT(index));
        }
}

static void load(Guest *guest, xmlNode *saved) {
        for (const xmlNode *element = xml_child(saved, "overlay"); element; element = xml_next(element, "overlay")) {
                g_autofree char *alias = xml_attribute(element, "alias");
                uint64_t index = 0;
                if (!alias || !xml_number_attribute(element, "index", 1, UINT32_MAX, &index, NULL))
                        continue; /* damaged */
                if (!guest->overlays)
                        guest->overlays = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
                g_hash_table_insert(guest->overlays, g_steal_pointer(&alias), GUINT_TO_POINTER((guint) index));
        }
}

static void forget(Guest *guest) {
        if (guest->overlaying)
                overlaying_leave_guest(guest->overlaying);
        g_clear_pointer(&guest->overlays, g_hash_table_unref);
}

/* Checking */

bool snapshot_overlay_check(const Domain *domain, const SnapshotDefinition *definition, GError **error) {
        const GPtrArray *devices = domain_definition(domain)->devices;
        g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);
        for (guint i = 0; i < devices->len; i++) {
                const DeviceDefinition *device = devices->pdata[i];
                for (guint k = 0; device->images && k < device->images->len; k++)
                        g_hash_table_add(paths, ((const DiskImage *) device->images->pdata[k])->path);
                if (device->device_class == DEVICE_DISK && device->source[0])
                        g_hash_table_add(paths, device->source);
        }
        for (guint i = 0; i < devices->len; i++) {
                const DeviceDefinition *device = devices->pdata[i];
                const SnapshotDisk *disk =
                                device->device_class == DEVICE_DISK ? snapshot_definition_find(definition, device->target) : NULL;
                if (!disk || disk->place != SNAPSHOT_EXTERNAL)
                        continue;
                if (domain_is_active(domain) && !device->images)
                        return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                           "the images of disk '%s' are not known: no overlay can be put over them while it runs",
                                           device->target);
                if (!g_hash_table_add(paths, disk->path))
                        return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                           "disk '%s': %s is another disk's, or its own already: name another overlay",
                                           device->target, disk->path);
        }
        return true;
}

/* Preparing: the overlays are made */

static void on_made(void *data, const GError *failure) {
        Overlaying *self = data;
        if (!overlaying_came(self))
                return;
        g_autoptr(GError) error = failure ? overlaying_explain(self, failure) : NULL;
        const SnapshotOptions *options = snapshot_create_options(self->operation);
        if (options->no_metadata)
                g_string_append_printf(self->files->traces, "%s" NO_METADATA, self->files->traces->len > 0 ? " " : "");
        tree_create_prepared(self->operation, self->files->traces->str, error);
}

static void make_in_worker(void *data, GError **error) {
        overlay_files_make(((Overlaying *) data)->files, error);
}

static void make(Overlaying *self) {
        self->is_busy = true;
        user_work_run(self->domain->connection, self->files->owner, make_in_worker, on_made, self);
}

/* QEMU knows how large the disks are. */
static void on_sizes(void *data, JsonObject *answer, const GError *failure) {
        Guest *guest = data;
        Overlaying *self = guest->overlaying;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        for (guint i = 0; self && !error && i < self->files->all->len; i++) {
                Overlay *overlay = self->files->all->pdata[i];
                g_autofree char *name = node_bitmap_disk_node(guest->domain, overlay->target);
                JsonObject *node = name ? node_bitmap_find_node(answer, name) : NULL;
                gint64 size = json_int(json_member(node, "image"), "virtual-size", -1);
                overlay->size = (uint64_t) MAX(size, 0);
                overlay->index = nodes_new_index(guest, overlay->alias);
                if (size <= 0 || overlay->index == 0)
                        virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU has no image of disk '%s'%s",
                                          overlay->target, size > 0 ? " to put another over" : "");
        }
        if (self && error) {
                g_autoptr(GError) told = overlaying_explain(self, error);
                tree_create_prepared(self->operation, NULL, told);
        } else if (self)
                make(self);
}

void snapshot_overlay_prepare(Operation *operation) {
        g_autoptr(GError) error = NULL;
        Overlaying *self = overlaying_new(operation, snapshot_create_definition(operation), domain_definition(operation->domain),
                                          &error);
        if (!self) {
                tree_create_prepared(operation, NULL, error);
                return;
        }
        snapshot_create_keep(operation, self, overlaying_let_go);
        self->files->reuse = snapshot_create_options(operation)->reuse;
        if (!self->guest)
                make(self);
        else if (guest_check_monitor(self->domain, &error))
                monitor_command(self->guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), -1, on_sizes,
                                self->guest);
        else
                tree_create_prepared(operation, NULL, error);
}

/* Going back */

static void on_removed(void *data, const GError *error) {
        Overlaying *self = data;
        (void) error;
        if (overlaying_came(self))
                self->removed(self);
}

static void remove_in_worker(void *data, GError **error) {
        overlay_files_remove(((Overlaying *) data)->files, error);
}

static void remove_files(Overlaying *self, void (*removed)(Overlaying *self)) {
        self->removed = removed;
        self->is_busy = true;
        if (!self->files->given)
                self->files->given = g_strdup(self->files->traces->str);
        user_work_undo(self->domain->connection, self->files->owner, remove_in_worker, on_removed, self);
}

static void tell_made_not(Overlaying *self) {
        g_autoptr(GError) error = g_steal_pointer(&self->failure);
        tree_create_made(self->operation, error);
}

static void tell_removed(Overlaying *self) {
        tree_delete_removed(self->operation, NULL);
}

/* Overlays that a definition names are left: they are empty, and it can be started with them. */
static void on_defined_back(void *data, const ImagesChange *change, const GError *error) {
        Overlaying *self = data;
        (void) change;
        if (!overlaying_came(self))
                return;
        void (*told)(Overlaying *) = self->is_settled ? tell_removed : tell_made_not;
        if (error) {
                log_error("domain '%s': its definition goes on naming the overlays of snapshot '%s', which was not made: %s",
                          domain_name(self->domain), self->name, error->message);
                told(self);
        } else
                remove_files(self, told);
}

static void define_back(Overlaying *self) {
        self->is_busy = true;
        images_change_define(overlaying_change(self, true), on_defined_back, self);
}

static void on_dropped(void *data, const GError *unused) {
        (void) data;
        (void) unused;
}

/* The nodes of overlays that QEMU has not put in. */
static void drop_nodes(Guest *guest, const OverlayFiles *files, bool removes) {
        Script *script = guest_script_new(guest);
        script_ignore_errors(script);
        for (guint i = 0; i < files->all->len; i++) {
                static const char *const whats[] = { "format", "storage" };
                const Overlay *overlay = files->all->pdata[i];
                for (size_t k = 0; removes && overlay->index > 0 && k < G_N_ELEMENTS(whats); k++) {
                        g_autofree char *name = nodes_name(overlay->alias, overlay->index, whats[k]);
                        script_add_command(script, "blockdev-del", json_make("node-name", 's', name, NULL));
                }
                if (overlay->index > 0)
                        nodes_forget_image(guest, overlay->alias, overlay->index);
        }
        script_run(script, on_dropped, NULL);
        for (guint i = 0; guest->monitor && monitor_is_there(guest->monitor) && i < files->all->len; i++)
                nodes_sweep(guest, ((const Overlay *) files->all->pdata[i])->alias, NULL, NULL);
        g_clear_pointer(&guest->overlays, g_hash_table_unref);
        domain_save_status(guest->domain);
}

/* Putting them in */

/* QEMU has: the document of the run says so too. */
static void take_over(Overlaying *self) {
        Guest *guest = self->guest;
        g_autoptr(GError) error = NULL;
        for (guint i = 0; i < self->files->all->len; i++) {
                const Overlay *overlay = self->files->all->pdata[i];
                const DiskImage *top = overlay->under->pdata[0];
                g_autofree char *name = nodes_name(overlay->alias, overlay->index, "format"),
                                *below = nodes_name(overlay->alias, top->index, "format");
                g_autoptr(JsonObject) options = nodes_options(guest, overlay->alias, overlay->index, "format");
                if (!options)
                        continue;
                json_object_remove_member(options, "backing");
                json_add(options, "backing", 's', below, NULL);
                nodes_add(guest, name, options, -1);
        }
        ImagesChange *change = overlaying_change(self, false);
        if (!images_change_run(change, false, &error))
                log_error("domain '%s': its document says other images than it has since snapshot '%s': %s",
                          domain_name(self->domain), self->name, error->message);
        images_change_free(change);
        g_clear_pointer(&guest->overlays, g_hash_table_unref);
        guest->sizes_asked = 0;
        collect_forget(guest);
        domain_save_status(self->domain);
        if (self->domain->state == DOMAIN_RUNNING)
                block_job_end_narrow(guest);
}

static void go_back(Overlaying *self, const GError *failure) {
        self->failure = overlaying_explain(self, failure);
        if (self->guest) {
                quiesce_end(self->guest, NULL);
                drop_nodes(self->guest, self->files, false);
        }
        define_back(self);
}

static void on_thawed(Guest *guest) {
        if (guest->overlaying)
                tree_create_made(guest->overlaying->operation, NULL);
}

static void on_put_in(void *data, const GError *failure) {
        Guest *guest = data;
        Overlaying *self = guest->overlaying;
        if (!self)
                return;
        if (!failure) {
                take_over(self);
                quiesce_end(guest, on_thawed);
        } else if (monitor_is_there(guest->monitor))
                go_back(self, failure);
        else {
                g_autoptr(GError) error = overlaying_explain(self, failure);
                tree_create_unknown(self->operation, error);
        }
}

static void add_transaction(Script *script, const OverlayFiles *files) {
        JsonObject *arguments = json_object_new();
        JsonArray *actions = json_array_new();
        for (guint i = 0; i < files->all->len; i++) {
                const Overlay *overlay = files->all->pdata[i];
                g_autofree char *name = nodes_name(overlay->alias, overlay->index, "format"),
                                *below = nodes_name(overlay->alias, ((const DiskImage *) overlay->under->pdata[0])->index,
                                                    "format");
                node_bitmap_add_action(actions, "blockdev-snapshot", json_make("node", 's', below, "overlay", 's', name, NULL));
        }
        json_object_set_array_member(arguments, "actions", actions);
        script_add_command(script, "transaction", arguments);
}

static void on_sets(void *data, JsonObject *answer, const GError *failure) {
        Guest *guest = data;
        Overlaying *self = guest->overlaying;
        g_autoptr(GError) error = NULL;
        if (!self)
                return;
        if (failure) {
                go_back(self, failure);
                return;
        }
        Script *script = guest_script_new(guest);
        unsigned set = plugging_last_fdset(answer);
        for (guint i = 0; i < self->files->all->len; i++) {
                Overlay *overlay = self->files->all->pdata[i];
                const NewNode new = {
                        .alias = overlay->alias,
                        .format = "qcow2",
                        .index = overlay->index,
                        .like = ((const DiskImage *) overlay->under->pdata[0])->index,
                        .is_device = overlay->is_device,
                        .set = ++set,
                        .fd = steal_fd(&overlay->fd),
                };
                nodes_open(guest, script, &new);
        }
        add_transaction(script, self->files);
        keep(guest, self->files);
        /* Whoever follows this driver knows of it before QEMU does. */
        if (domain_save_status(self->domain)) {
                script_run(script, on_put_in, guest);
                return;
        }
        g_hash_table_remove(guest->scripts, script);
        virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "it cannot be written down in %s: make space there",
                          self->domain->connection->runtime_directory);
        go_back(self, error);
}

static void put_in(Guest *guest, const GError *error) {
        if (guest->overlaying && error)
                go_back(guest->overlaying, error);
        else if (guest->overlaying)
                monitor_command(guest->monitor, "query-fdsets", NULL, -1, on_sets, guest);
}

static void on_defined(void *data, const ImagesChange *change, const GError *failure) {
        Overlaying *self = data;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        (void) change;
        if (!overlaying_came(self))
                return;
        if (!error && self->guest)
                guest_check_monitor(self->domain, &error);
        if (error)
                go_back(self, error);
        else if (self->guest && snapshot_create_options(self->operation)->quiesce)
                quiesce_begin(self->guest, put_in);
        else if (self->guest)
                put_in(self->guest, NULL);
        else
                tree_create_made(self->operation, NULL);
}

static void on_named(void *data, const GError *failure) {
        Overlaying *self = data;
        if (!overlaying_came(self))
                return;
        if (failure) {
                self->failure = overlaying_explain(self, failure);
                remove_files(self, tell_made_not);
                return;
        }
        self->is_busy = true;
        images_change_define(overlaying_change(self, false), on_defined, self);
}

static void name_in_worker(void *data, GError **error) {
        overlay_files_name(((Overlaying *) data)->files, error);
}

void snapshot_overlay_create(Operation *operation) {
        Overlaying *self = snapshot_create_kept(operation);
        self->is_written_down = true;
        self->is_busy = true;
        user_work_run(self->domain->connection, self->files->owner, name_in_worker, on_named, self);
}

/* Settling */

static void finish_forwards(Overlaying *self) {
        tree_delete_made(self->operation, self->is_forgotten);
}

static void on_nodes(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Overlaying *self = guest->overlaying;
        bool is_in = false;
        if (!self)
                return;
        if (error) {
                g_autoptr(GError) told = overlaying_explain(self, error);
                tree_delete_removed(self->operation, told);
                return;
        }
        for (guint i = 0; i < self->files->all->len; i++) {
                Overlay *overlay = self->files->all->pdata[i];
                g_autofree char *name = overlay->index > 0 ? nodes_name(overlay->alias, overlay->index, "format") : NULL;
                JsonObject *node = name ? node_bitmap_find_node(answer, name) : NULL;
                is_in |= json_string(node, "backing_file") != NULL; /* it was opened over nothing */
        }
        if (is_in) {
                take_over(self);
                finish_forwards(self);
        } else {
                drop_nodes(guest, self->files, true);
                define_back(self);
        }
}

/* Whether its definition names the overlays. */
static bool names_overlays(const Overlaying *self, const Definition *definition) {
        for (guint i = 0; i < definition->devices->len; i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                for (guint k = 0; device->device_class == DEVICE_DISK && k < self->files->all->len; k++) {
                        const Overlay *overlay = self->files->all->pdata[k];
                        if (strcmp(device->target, overlay->target) == 0 && strcmp(device->source, overlay->path) == 0)
                                return true;
                }
        }
        return false;
}

static void on_turn(void *data, Turn *turn, const GError *cancelled) {
        Overlaying *self = data;
        if (!overlaying_came(self)) {
                if (turn)
                        turn_end(turn);
                return;
        }
        bool is_made = turn && names_overlays(self, domain_definition(self->domain));
        if (turn)
                turn_end(turn);
        if (!turn)
                tree_delete_removed(self->operation, cancelled);
        else if (is_made)
                finish_forwards(self);
        else
                remove_files(self, tell_removed);
}

void snapshot_overlay_settle(Operation *operation, const SnapshotDefinition *definition, const char *traces) {
        g_auto(GStrv) words = g_strsplit(traces ? traces : "", " ", -1);
        g_autoptr(GError) error = NULL;
        Overlaying *self = overlaying_new(operation, definition, domain_definition(operation->domain), &error);
        if (!self) {
                tree_delete_removed(operation, error);
                return;
        }
        tree_delete_keep(operation, self, overlaying_let_go);
        self->is_settled = true;
        self->is_forgotten = g_strv_contains((const char *const *) words, NO_METADATA);
        self->files->given = g_strdup(traces);
        if (!self->guest || names_overlays(self, domain_definition(self->domain))) {
                self->is_busy = true; /* what may be being defined comes first */
                turns_take(self->domain->connection->turns, self->domain->uuid, domain_name(self->domain), on_turn, self);
                return;
        }
        for (guint i = 0; self->guest->overlays && i < self->files->all->len; i++) {
                Overlay *overlay = self->files->all->pdata[i];
                overlay->index = GPOINTER_TO_UINT(g_hash_table_lookup(self->guest->overlays, overlay->alias));
        }
        if (guest_check_monitor(self->domain, &error))
                monitor_command(self->guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), -1, on_nodes,
                                self->guest);
        else
                tree_delete_removed(operation, error);
}

const GuestModule snapshot_overlay_module = {
        .save = save,
        .load = load,
        .forget = forget,
};
