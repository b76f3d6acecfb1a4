/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/overlay-revert.h"

#include <string.h>

#include "bus.h"
#include "domain/operations/snapshot-revert.h"
#include "domain/user-work.h"
#include "qemu/guest/overlaying.h"

/* The disk of a definition that writes an image, or NULL. */
static const DeviceDefinition *find_writer(const Definition *definition, const char *path) {
        for (guint i = 0; definition && i < definition->devices->len; i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                if (device->device_class == DEVICE_DISK && !device->read_only && strcmp(device->source, path) == 0)
                        return device;
        }
        return NULL;
}

/* Whether an image is what it was: the domain itself does not write it, as it does when its overlays were merged into it. */
static bool check_kept(const Overlaying *self, const Overlay *overlay, GError **error) {
        const Domain *domain = self->domain;
        const DiskImage *below = overlay->under->pdata[0];
        const DeviceDefinition *writer = find_writer(domain->live, overlay->below);
        if (!writer)
                writer = find_writer(domain->persistent, overlay->below);
        if (writer)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "snapshot '%s': %s is what disk '%s' writes, as after a commit, and so is not what it was: "
                                   "delete the snapshot (metadata_only)",
                                   self->name, overlay->below, writer->target);
        return strcmp(below->type, "block") != 0 ||
               domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                           "snapshot '%s': disk '%s' was a block device, over which no overlay is put by itself: define the "
                           "domain with one",
                           self->name, overlay->target);
}

/* With overlays of other names than those that the domain has gone on with. */
static Overlaying *reverting_new(Operation *operation, GError **error) {
        const SnapshotDefinition *snapshot = snapshot_revert_definition(operation);
        g_autoptr(xmlDoc) document = xml_parse_own(snapshot->domain, "domain", error);
        g_autoptr(Definition) was = document ? definition_from_document(document, error) : NULL;
        Overlaying *self = was ? overlaying_new(operation, snapshot, was, error) : NULL;
        g_autofree char *name = g_strdup_printf("%s-%" G_GINT64_FORMAT, snapshot->name, g_get_real_time() / 1000);
        for (guint i = 0; self && i < self->files->all->len; i++) {
                Overlay *overlay = self->files->all->pdata[i];
                g_free(overlay->path);
                g_free(overlay->type);
                overlay->path = snapshot_definition_overlay(overlay->below, name);
                overlay->type = g_strdup("file");
                if (!check_kept(self, overlay, error)) {
                        overlaying_let_go(self);
                        return NULL;
                }
        }
        if (self)
                snapshot_revert_keep(operation, self, overlaying_let_go);
        return self;
}

static void look_in_worker(void *data, GError **error) {
        overlay_files_look(((Overlaying *) data)->files, error);
}

static void on_looked(void *data, const GError *failure) {
        Overlaying *self = data;
        if (!overlaying_came(self))
                return;
        g_autoptr(GError) error = failure ? overlaying_explain(self, failure) : NULL;
        snapshot_looked(self->operation, error);
}

void overlay_revert_look(Operation *operation) {
        g_autoptr(GError) error = NULL;
        Overlaying *self = reverting_new(operation, &error);
        if (!self) {
                snapshot_looked(operation, error);
                return;
        }
        self->is_busy = true;
        user_work_run(self->domain->connection, self->files->owner, look_in_worker, on_looked, self);
}

/* What is to be defined, with the overlays over the images that the snapshot has. */
static Definition *define_over(const Overlaying *self, const Definition *definition, GError **error) {
        g_autoptr(xmlDoc) document = definition_document(definition, error);
        for (guint i = 0; document && i < definition->devices->len; i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                for (guint k = 0; device->device_class == DEVICE_DISK && k < self->files->all->len; k++) {
                        const Overlay *overlay = self->files->all->pdata[k];
                        if (strcmp(device->target, overlay->target) != 0 || strcmp(device->source, overlay->below) != 0)
                                continue;
                        g_autoptr(GPtrArray) over = overlaying_chain(overlay);
                        disk_chain_define(definition_find_element(document, definition, device->alias), over);
                }
        }
        return document ? definition_from_document(document, error) : NULL;
}

static void make_and_name(void *data, GError **error) {
        OverlayFiles *files = ((Overlaying *) data)->files;
        g_autoptr(GError) failure = NULL;
        overlay_files_make(files, &failure);
        if (!failure)
                overlay_files_name(files, &failure);
        if (failure)
                g_propagate_error(error, g_steal_pointer(&failure));
}

static void on_overlaid(void *data, const GError *failure) {
        Overlaying *self = data;
        if (!overlaying_came(self))
                return;
        Operation *operation = self->operation;
        g_autoptr(GError) error = failure ? overlaying_explain(self, failure) : NULL;
        g_autoptr(Definition) over = error ? NULL : define_over(self, snapshot_revert_defines(operation), &error);
        if (over) {
                self->is_written_down = true;
                snapshot_revert_define(operation, over);
        }
        snapshot_loaded(operation, error);
}

void overlay_revert_load(Operation *operation) {
        g_autoptr(GError) error = NULL;
        Overlaying *self = reverting_new(operation, &error);
        if (!self) {
                snapshot_loaded(operation, error);
                return;
        }
        self->is_busy = true;
        user_work_run(self->domain->connection, self->files->owner, make_and_name, on_overlaid, self);
}
