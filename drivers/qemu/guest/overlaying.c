/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/overlaying.h"

#include "bus.h"
#include "domain/operation.h"

static void overlaying_free(Overlaying *self) {
        if (self->files)
                overlay_files_free(self->files);
        g_clear_error(&self->failure);
        g_free(self->name);
        domain_unref(self->domain);
        g_free(self);
}

void overlaying_leave_guest(Overlaying *self) {
        if (self->guest && self->guest->overlaying == self)
                self->guest->overlaying = NULL;
        self->guest = NULL;
}

void overlaying_let_go(void *data) {
        Overlaying *self = data;
        self->operation = NULL;
        overlaying_leave_guest(self);
        if (self->is_busy)
                return;
        if (!self->is_written_down && !self->is_settled)
                overlay_files_give_up(g_steal_pointer(&self->files));
        overlaying_free(self);
}

bool overlaying_came(Overlaying *self) {
        self->is_busy = false;
        if (self->operation)
                return true;
        overlaying_let_go(self);
        return false;
}

Overlaying *overlaying_new(Operation *operation, const SnapshotDefinition *definition, const Definition *of, GError **error) {
        Domain *domain = operation->domain;
        g_autoptr(GError) failure = NULL;
        OverlayFiles *files = overlay_files_new(domain, definition, of, &failure);
        if (!files) {
                domain_fail(domain, error, virtbus_error_code(failure), "snapshot '%s': %s", definition->name, failure->message);
                return NULL;
        }
        Overlaying *self = g_new0(Overlaying, 1);
        *self = (Overlaying){
                .domain = domain_ref(domain),
                .operation = operation,
                .guest = domain_is_active(domain) ? domain->run : NULL,
                .files = files,
                .name = g_strdup(definition->name),
        };
        if (self->guest)
                self->guest->overlaying = self;
        return self;
}

GError *overlaying_explain(const Overlaying *self, const GError *failure) {
        GError *error = NULL;
        domain_fail(self->domain, &error, virtbus_error_code(failure), "snapshot '%s': %s", self->name, failure->message);
        return error;
}

GPtrArray *overlaying_chain(const Overlay *overlay) {
        GPtrArray *over = disk_chain_new();
        disk_chain_add(over, &(DiskImage){ overlay->index, (char *) (overlay->is_device ? "block" : "file"), overlay->path,
                                           (char *) "qcow2", false });
        for (guint i = 0; i < overlay->under->len; i++)
                disk_chain_add(over, overlay->under->pdata[i]);
        return over;
}

ImagesChange *overlaying_change(const Overlaying *self, bool back) {
        ImagesChange *change = images_change_new(self->domain);
        for (guint i = 0; i < self->files->all->len; i++) {
                const Overlay *overlay = self->files->all->pdata[i];
                g_autoptr(GPtrArray) over = overlaying_chain(overlay);
                images_change_add(change, overlay->alias, overlay->target, back ? over : overlay->under,
                                  back ? overlay->under : over);
        }
        return change;
}
