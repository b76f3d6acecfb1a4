/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot-merge-off.h"

#include <fcntl.h>
#include <string.h>

#include "base/executable.h"
#include "base/user-rights.h"
#include "bus.h"
#include "domain/images-change.h"
#include "domain/user-work.h"
#include "qemu/command/command-line.h"
#include "qemu/command/image-make.h"
#include "qemu/guest/images-qemu.h"

/* The images of a disk, opened by a worker. */
typedef struct OffDisk {
        char *target, *path, *format;
        GPtrArray *named;  /* what its document names: disk_chain_read_named */
        GPtrArray *layers; /* ImageLayer */
        GPtrArray *chain;  /* DiskImage, of these */
        uint64_t size;
        int scratch; /* an empty image over all, so that none of them is one that is written besides; or -1 */
} OffDisk;

typedef struct OffMerge {
        GPtrArray *disks; /* OffDisk */
        char *emulator;
        ImagesQemu *qemu;
} OffMerge;

static void off_disk_free(void *data) {
        OffDisk *disk = data;
        g_free(disk->target);
        g_free(disk->path);
        g_free(disk->format);
        g_clear_pointer(&disk->named, g_ptr_array_unref);
        g_clear_pointer(&disk->layers, g_ptr_array_unref);
        g_ptr_array_unref(disk->chain);
        autofd_close(&disk->scratch);
        g_free(disk);
}

static void off_merge_free(void *data) {
        OffMerge *off = data;
        g_clear_pointer(&off->qemu, images_qemu_free);
        g_ptr_array_unref(off->disks);
        g_free(off->emulator);
        g_free(off);
}

static OffDisk *off_disk_of(const Merging *self, const MergedDisk *disk) {
        const OffMerge *off = self->work;
        for (guint i = 0; i < off->disks->len; i++)
                if (strcmp(((const OffDisk *) off->disks->pdata[i])->target, disk->target) == 0)
                        return off->disks->pdata[i];
        return NULL;
}

/* The end: what is defined names what there is */

static void on_defined(void *data, const ImagesChange *change, const GError *error) {
        Merging *self = data;
        (void) change;
        if (!merging_came(self))
                return;
        if (error)
                merging_fail(self, error);
        else
                merging_finish(self);
}

/* What its document names then. */
static GPtrArray *named_after(const MergedDisk *disk, const GPtrArray *named) {
        GPtrArray *after = disk_chain_new();
        const char *gone = disk->kind == DISK_PULL ? disk->kept : disk->above;
        bool is_kept_named = false;
        for (guint i = 0; i < named->len; i++)
                is_kept_named |= strcmp(((const DiskImage *) named->pdata[i])->path, disk->kept) == 0;
        for (guint i = 0; i < named->len; i++) {
                const DiskImage *image = named->pdata[i];
                bool is_gone = strcmp(image->path, gone) == 0;
                if (is_gone && i == 0 && !is_kept_named) /* which its header alone has named */
                        disk_chain_add(after, &(DiskImage){ 0, disk->kept_type, disk->kept, disk->kept_format, false });
                else if (!is_gone)
                        disk_chain_add(after, image);
        }
        return after;
}

static void define(Merging *self) {
        ImagesChange *change = images_change_new(self->domain);
        for (guint i = 0; i < self->disks->len; i++) {
                MergedDisk *disk = self->disks->pdata[i];
                const OffDisk *off = off_disk_of(self, disk);
                if (!disk->need_of_kept || !off->named)
                        continue;
                g_autoptr(GPtrArray) after = named_after(disk, off->named);
                images_change_add(change, disk->alias, disk->target, off->named, after);
                merging_merged(disk);
        }
        self->is_busy = true;
        images_change_define(change, on_defined, self);
}

/* QEMU merges, disk after disk */

static void merge_next(Merging *self);

static void on_merged(void *data, const GError *error) {
        Merging *self = data;
        if (error)
                images_qemu_quit(((OffMerge *) self->work)->qemu, error);
        else
                merge_next(self);
}

static char *node_of(guint disk, guint place) {
        return g_strdup_printf("disk%u-%u", disk, place);
}

static void merge_next(Merging *self) {
        const OffMerge *off = self->work;
        const MergedDisk *disk = merging_next(self);
        if (!disk) {
                images_qemu_quit(off->qemu, NULL);
                return;
        }
        guint number = self->next - 1, place = (guint) disk->place;
        g_autofree char *scratch = g_strdup_printf("scratch%u", number), *top = node_of(number, 0),
                        *above = node_of(number, place - 1), *kept = node_of(number, place), *below = node_of(number, place + 1);
        JsonObject *arguments =
                        json_make("auto-dismiss", 'b', FALSE, "device", 's', disk->kind == DISK_PULL ? top : scratch, NULL);
        if (disk->kind == DISK_PULL && disk->below)
                json_add(arguments, "base-node", 's', below, "backing-file", 's', disk->named, NULL);
        else if (disk->kind != DISK_PULL)
                json_add(arguments, "top-node", 's', above, "base-node", 's', kept, "backing-file", 's',
                         disk->named ? disk->named : disk->kept, NULL);
        images_qemu_job(off->qemu, disk->kind == DISK_PULL ? "block-stream" : "block-commit", arguments, on_merged);
}

static void on_opened_by_qemu(void *data, const GError *error) {
        Merging *self = data;
        if (error)
                images_qemu_quit(((OffMerge *) self->work)->qemu, error);
        else
                merge_next(self);
}

static unsigned add_chain(Script *script, unsigned set, const MergedDisk *disk, const OffDisk *off, guint number) {
        bool pulls = disk->kind == DISK_PULL;
        g_autofree char *top = node_of(number, 0), *scratch = g_strdup_printf("scratch%u", number);
        for (guint i = off->layers->len; i-- > 0;) {
                const ImageLayer *layer = off->layers->pdata[i];
                g_autofree char *name = node_of(number, i), *below = i + 1 < off->layers->len ? node_of(number, i + 1) : NULL;
                int fd = i == (guint) disk->place && !pulls       ? disk->kept_fd
                         : i + 2 == (guint) disk->place && !pulls ? disk->over_fd
                                                                  : layer->fd;
                images_qemu_add(script, set++,
                                &(ImagesQemuNode){ .name = name,
                                                   .format = layer->format,
                                                   .below = below,
                                                   .fd = fd,
                                                   .is_device = layer->is_device,
                                                   .writes = fd != layer->fd || i == 0,
                                                   .is_root = i == 0 && pulls });
        }
        if (!pulls)
                images_qemu_add(script, set++,
                                &(ImagesQemuNode){ .name = scratch,
                                                   .format = "qcow2",
                                                   .below = top,
                                                   .fd = off->scratch,
                                                   .writes = true,
                                                   .is_root = true });
        return set;
}

static void on_ready(void *data) {
        Merging *self = data;
        Script *script = images_qemu_script(((OffMerge *) self->work)->qemu);
        unsigned set = 1;
        for (guint i = 0; i < self->disks->len; i++) {
                const MergedDisk *disk = self->disks->pdata[i];
                if (disk->need_of_kept)
                        set = add_chain(script, set, disk, off_disk_of(self, disk), i);
        }
        script_run(script, on_opened_by_qemu, self);
}

static void on_ended(void *data, const GError *error) {
        Merging *self = data;
        if (error)
                merging_fail(self, error);
        else
                define(self);
}

static void merge(Merging *self) {
        OffMerge *off = self->work;
        g_autoptr(GError) error = NULL;
        bool is_any = false;
        for (guint i = 0; i < self->disks->len; i++)
                is_any |= ((const MergedDisk *) self->disks->pdata[i])->need_of_kept != NULL;
        if (!is_any) {
                merging_finish(self);
                return;
        }
        const ImagesQemuSetup setup = { .connection = self->domain->connection,
                                        .emulator = off->emulator,
                                        .seconds = IMAGES_QEMU_SECONDS,
                                        .ready = on_ready,
                                        .ended = on_ended,
                                        .data = self };
        off->qemu = images_qemu_new(&setup, &error);
        if (!off->qemu)
                merging_fail(self, error);
}

/* The images that it has are found out */

static bool open_disk(OffDisk *disk, GError **error) {
        ImageBacking *backing = disk->named ? image_backing_new() : NULL;
        for (guint i = 1; backing && i < disk->named->len; i++) {
                const DiskImage *image = disk->named->pdata[i];
                if (image->path[0])
                        image_backing_add(backing, image->path, image->format, NULL);
        }
        if (backing)
                backing->ends = ((const DiskImage *) disk->named->pdata[disk->named->len - 1])->path[0] != '\0';
        disk->layers = image_open(&(ImageSource){ .path = disk->path,
                                                  .format = disk->format,
                                                  .backing = backing,
                                                  .foreign_user = geteuid() == 0 },
                                  error);
        guint n_named = backing ? backing->layers->len + 1 : 1;
        if (backing)
                image_backing_free(backing);
        for (guint i = 0; disk->layers && i < disk->layers->len; i++) {
                const ImageLayer *layer = disk->layers->pdata[i];
                disk_chain_add(disk->chain, &(DiskImage){ i + 1, (char *) (layer->is_device ? "block" : "file"), layer->path,
                                                          layer->format, i >= n_named });
        }
        if (!disk->layers ||
            !image_size(((const ImageLayer *) disk->layers->pdata[0])->fd, disk->path, disk->format, &disk->size, error))
                return false;
        disk->scratch = image_make_in_memory(disk->size, error);
        return disk->scratch >= 0;
}

static void open_in_worker(void *data, GError **error) {
        const Merging *self = data;
        const OffMerge *off = self->work;
        ExecutableIdentity identity;
        g_autoptr(UserRights) rights = NULL;
        bool fine = executable_check(off->emulator, &identity, error) && user_rights_find(self->rights, &rights, error) &&
                    user_rights_enter(rights, error);
        for (guint i = 0; fine && i < off->disks->len; i++)
                fine = open_disk(off->disks->pdata[i], error);
        user_rights_leave(rights);
}

static void on_opened(void *data, const GError *failure) {
        Merging *self = data;
        if (!merging_came(self))
                return;
        const OffMerge *off = self->work;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        g_autoptr(GHashTable) chains = g_hash_table_new(g_str_hash, g_str_equal);
        for (guint i = 0; i < off->disks->len; i++) {
                const OffDisk *disk = off->disks->pdata[i];
                g_hash_table_insert(chains, disk->target, disk->chain);
        }
        if (!error && merging_plan(self, chains, &error))
                merging_go(self);
        else
                merging_fail(self, error);
}

void snapshot_merge_off(Merging *self) {
        const Definition *definition = domain_definition(self->domain);
        g_autoptr(xmlDoc) document = definition_document(definition, NULL);
        OffMerge *off = g_new0(OffMerge, 1);
        off->disks = g_ptr_array_new_with_free_func(off_disk_free);
        off->emulator = command_line_emulator(definition);
        self->work = off;
        self->work_free = off_merge_free;
        self->merge = merge;
        for (guint i = 0; document && i < definition->devices->len; i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                const SnapshotDisk *of = device->device_class == DEVICE_DISK && device->source[0]
                                                         ? snapshot_definition_find(self->definition, device->target)
                                                         : NULL;
                if (!of || of->place != SNAPSHOT_EXTERNAL || device->is_handed)
                        continue;
                OffDisk *disk = g_new0(OffDisk, 1);
                *disk = (OffDisk){ .target = g_strdup(device->target),
                                   .path = g_strdup(device->source),
                                   .format = g_strdup(device->format),
                                   .named = disk_chain_read_named(definition_find_element(document, definition, device->alias)),
                                   .chain = disk_chain_new(),
                                   .scratch = -1 };
                g_ptr_array_add(off->disks, disk);
        }
        self->is_busy = true;
        user_work_run(self->connection, self->owner, open_in_worker, on_opened, self);
}
