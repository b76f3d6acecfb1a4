/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot-merge.h"

#include "qemu/guest/block-job-begin.h"
#include "qemu/guest/snapshot-merge-off.h"
#include "qemu/guest/snapshot-merging.h"

static void merge_next(Merging *self);

static void on_merged(Guest *guest, const GError *failure) {
        Merging *self = guest->merging;
        if (!self)
                return;
        if (failure) {
                merging_fail(self, failure);
                return;
        }
        merging_merged(self->disks->pdata[self->next - 1]);
        merge_next(self);
}

static void on_begun(Guest *guest, const DiskJob *job, const GError *error) {
        (void) job;
        if (guest->merging && error)
                merging_fail(guest->merging, error);
}

static void merge_next(Merging *self) {
        const MergedDisk *disk = merging_next(self);
        if (disk)
                block_job_ask(self->guest, &disk->request, on_begun, on_merged);
        else
                merging_finish(self);
}

static GHashTable *chains_of(const Definition *definition) {
        GHashTable *chains = g_hash_table_new(g_str_hash, g_str_equal);
        for (guint i = 0; i < definition->devices->len; i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                if (device->device_class == DEVICE_DISK && device->images)
                        g_hash_table_insert(chains, device->target, device->images);
        }
        return chains;
}

static void merge_live(Merging *self) {
        g_autoptr(GHashTable) chains = chains_of(self->domain->live);
        g_autoptr(GError) error = NULL;
        self->merge = merge_next;
        if (guest_check_monitor(self->domain, &error) && merging_plan(self, chains, &error))
                merging_go(self);
        else
                merging_fail(self, error);
}

void snapshot_merge(Operation *operation, const SnapshotDefinition *definition) {
        Merging *self = merging_new(operation, definition);
        if (self->guest)
                merge_live(self);
        else
                snapshot_merge_off(self);
}

static void forget(Guest *guest) {
        Merging *self = g_steal_pointer(&guest->merging);
        if (self)
                self->guest = NULL;
}

const GuestModule snapshot_merge_module = {
        .forget = forget,
};
