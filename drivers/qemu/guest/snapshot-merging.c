/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot-merging.h"

#include <string.h>

#include "base/named-file.h"
#include "base/user-rights.h"
#include "bus.h"
#include "domain/connection.h"
#include "domain/operations/tree-delete.h"
#include "domain/owners-rights.h"
#include "domain/snapshot.h"
#include "domain/user-work.h"
#include "qemu/command/image-make.h"
#include "qemu/command/image-snapshots.h"
#include "qemu/guest/block-job-begin.h"

static void disk_free(void *data) {
        MergedDisk *disk = data;
        char *strings[] = { disk->alias, disk->target, disk->kept,    disk->kept_type, disk->kept_format, disk->above,
                            disk->below, disk->over,   disk->kept_by, disk->over_by,   disk->named };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        autofd_close(&disk->kept_fd);
        autofd_close(&disk->over_fd);
        g_ptr_array_unref(disk->chain);
        g_free(disk);
}

static void merging_free(Merging *self) {
        if (self->work)
                self->work_free(self->work);
        g_ptr_array_unref(self->disks);
        image_needs_free(self->needs);
        snapshot_definition_unref(self->definition);
        domain_unref(self->domain);
        g_free(self);
}

static void leave_guest(Merging *self) {
        if (self->guest && self->guest->merging == self) {
                self->guest->merging = NULL;
                block_job_unask(self->guest);
        }
        self->guest = NULL;
}

/* Removing what is merged */

static void remove_in_worker(void *data, GError **error) {
        const Merging *self = data;
        g_autoptr(UserRights) rights = NULL;
        if (user_rights_find(self->rights, &rights, error) && user_rights_enter(rights, error))
                for (guint i = 0; i < self->disks->len; i++) {
                        const MergedDisk *disk = self->disks->pdata[i];
                        struct stat info;
                        g_autofd int found = disk->removes ? named_file_find("image", disk->above, &info, NULL) : -1;
                        const NeededImage *need = disk->need_of_above;
                        if (found >= 0 && S_ISREG(info.st_mode) && need->is_found && need->device == info.st_dev &&
                            need->inode == info.st_ino)
                                named_file_remove(disk->above);
                }
        user_rights_leave(rights);
}

static void on_files_removed(void *data, const GError *error) {
        (void) error;
        merging_free(data);
}

/* Its operation has ended, or goes on with another. */
static void let_go(void *data) {
        Merging *self = data;
        self->operation = NULL;
        leave_guest(self);
        if (self->is_busy)
                return;
        if (self->is_done && !snapshot_find(self->domain, self->definition->name))
                user_work_undo(self->connection, self->owner, remove_in_worker, on_files_removed, self);
        else
                merging_free(self);
}

void merging_fail(Merging *self, const GError *failure) {
        g_autoptr(GError) error = NULL;
        domain_fail(self->domain, &error, virtbus_error_code(failure), "snapshot '%s': %s", self->definition->name,
                    failure->message);
        tree_delete_removed(self->operation, error);
}

/* What the others say then */

static bool rename_level(xmlNode *element, const MergedDisk *disk) {
        bool is_disk = xml_is(element, "disk");
        g_autofree char *file = xml_attribute_at(element, "source", "file"), *dev = xml_attribute_at(element, "source", "dev");
        if (g_strcmp0(file ? file : dev, disk->above) != 0)
                return false;
        xmlNode *store = xml_child(element, "backingStore"),
                *under = store && xml_child(store, "source") ? xml_child(store, "backingStore") : NULL;
        xmlNode *source = xml_child(element, "source");
        bool is_block = strcmp(disk->kept_type, "block") == 0;
        xmlUnsetProp(source, (const xmlChar *) "file");
        xmlUnsetProp(source, (const xmlChar *) "dev");
        xml_set_attribute(source, is_block ? "dev" : "file", disk->kept);
        xml_set_attribute(element, "type", disk->kept_type);
        xml_set_attribute(xml_ensure_child(element, is_disk ? "driver" : "format"), "type", disk->kept_format);
        if (under) { /* of what was the image below, it has what is below that */
                xmlUnlinkNode(under);
                xmlReplaceNode(store, under);
                xmlFreeNode(store);
        } else if (store && xml_child(store, "source"))
                xml_remove(store);
        return true;
}

/* A document that names the image above names the one that has all instead; NULL: it does not. */
static char *rename_in(const char *text, const GPtrArray *disks) {
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "domain", NULL) : NULL;
        xmlNode *devices = document ? xml_child(xmlDocGetRootElement(document), "devices") : NULL;
        bool changed = false;
        for (xmlNode *element = devices ? xml_child(devices, "disk") : NULL; element; element = xml_next(element, "disk")) {
                g_autofree char *target = xml_attribute_at(element, "target", "dev");
                for (guint i = 0; i < disks->len; i++) {
                        const MergedDisk *disk = disks->pdata[i];
                        if (!disk->is_merged || !disk->above || g_strcmp0(target, disk->target) != 0)
                                continue;
                        for (xmlNode *level = element; level; level = xml_child(level, "backingStore"))
                                changed |= rename_level(level, disk);
                }
        }
        return changed ? xml_document_text(document) : NULL;
}

static SnapshotDefinition *renamed(const SnapshotDefinition *snapshot, const GPtrArray *disks) {
        g_autofree char *domain = rename_in(snapshot->domain, disks), *inactive = rename_in(snapshot->inactive, disks);
        if (!domain && !inactive)
                return NULL;
        g_autofree char *text = snapshot_definition_text(snapshot, true);
        SnapshotDefinition *copy = snapshot_definition_parse_own(text, NULL);
        if (copy && domain) {
                g_free(copy->domain);
                copy->domain = g_steal_pointer(&domain);
        }
        if (copy && inactive) {
                g_free(copy->inactive);
                copy->inactive = g_steal_pointer(&inactive);
        }
        return copy;
}

MergedDisk *merging_next(Merging *self) {
        while (self->next < self->disks->len) {
                MergedDisk *disk = self->disks->pdata[self->next++];
                if (disk->need_of_kept)
                        return disk;
        }
        return NULL;
}

void merging_merged(MergedDisk *disk) {
        disk->is_merged = disk->kind != DISK_PULL;
        disk->removes = disk->is_merged && !disk->need_of_above->by;
}

void merging_finish(Merging *self) {
        g_autoptr(GPtrArray) changed = g_ptr_array_new_with_free_func((GDestroyNotify) snapshot_definition_unref);
        for (guint i = 0; i < snapshots_count(self->domain); i++) {
                const SnapshotDefinition *other = snapshots_at(self->domain, i)->definition;
                SnapshotDefinition *copy = strcmp(other->name, self->definition->name) != 0 ? renamed(other, self->disks) : NULL;
                if (copy)
                        g_ptr_array_add(changed, copy);
        }
        self->is_done = true;
        tree_delete_removed_with(self->operation, changed);
}

/* What is done of each, when it is known who else needs what */

static bool choose(MergedDisk *disk, uid_t user, GError **error) {
        bool is_needed = disk->need_of_kept->by != NULL;
        if (is_needed && !disk->is_top)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_OPERATION_INVALID,
                                "disk '%s': %s cannot be merged with %s, as %s needs it: delete that first, or delete this "
                                "with metadata_only",
                                disk->target, disk->kept, disk->above, disk->need_of_kept->by);
        disk->kind = is_needed ? DISK_PULL : DISK_COMMIT;
        disk->request = (DiskJobRequest){
                .kind = disk->kind,
                .alias = disk->alias,
                .target = disk->target,
                .base = is_needed ? (disk->below ? disk->below : (char *) "") : disk->kept,
                .top = disk->above,
                .pivots = disk->is_top && !is_needed,
                .started_by = user,
        };
        return true;
}

bool merging_came(Merging *self) {
        self->is_busy = false;
        if (self->operation)
                return true;
        let_go(self);
        return false;
}

static void go_on(Merging *self, const GError *failure) {
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!error && self->guest != self->domain->run)
                virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "its guest has ended");
        if (error)
                merging_fail(self, error);
        else
                self->merge(self);
}

static void on_noted(void *data, const GError *failure) {
        if (merging_came(data))
                go_on(data, failure);
}

/* That it is not what it was from now on, whatever becomes of this. */
static void note(Merging *self) {
        g_autofree char *text = snapshot_definition_text(self->definition, true);
        SnapshotDefinition *copy = snapshot_definition_parse_own(text, NULL);
        TreeChange *change = tree_change_new(self->domain, &snapshot_tree);
        if (copy) {
                copy->is_going = true;
                tree_change_put(change, &copy->item);
                snapshot_definition_unref(copy);
        }
        self->is_busy = true;
        tree_change_write(change, on_noted, self);
}

static void on_looked(void *data, const GError *failure) {
        Merging *self = data;
        if (!merging_came(self))
                return;
        bool writes = false;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        for (guint i = 0; !error && i < self->disks->len; i++) {
                MergedDisk *disk = self->disks->pdata[i];
                if (disk->need_of_kept)
                        writes |= choose(disk, self->owner, &error) && disk->kind != DISK_PULL;
        }
        if (!error && writes && !self->definition->is_going)
                note(self);
        else
                go_on(self, error);
}

/* Of a domain that is off: what a QEMU is to write besides the image that its guest would. */
static bool open_written(const Merging *self, MergedDisk *disk, GError **error) {
        bool is_needed = disk->need_of_kept->by != NULL;
        const char *header = is_needed ? disk->above : disk->over, *below = is_needed ? disk->below : disk->kept;
        g_autofd int fd = header && below ? image_open_to_look(header, error) : -1;
        if (self->guest)
                return true;
        if (header && below && fd < 0)
                return false;
        g_autofree char *old = fd >= 0 ? image_backing_name(fd) : NULL;
        disk->named = fd >= 0 ? image_choose_name(header, old, below) : NULL;
        if (is_needed)
                return true;
        disk->kept_fd = image_open_to_write(disk->kept, disk->kept_by, error);
        if (disk->kept_fd >= 0 && disk->over)
                disk->over_fd = image_open_to_write(disk->over, disk->over_by, error);
        return disk->kept_fd >= 0 && (!disk->over || disk->over_fd >= 0);
}

/* Snapshots within an image go with it, and are of what is below it now. */
static bool check_whole(const MergedDisk *disk, GError **error) {
        g_autofd int fd = image_open_to_look(disk->above, error);
        bool have = false;
        return fd >= 0 && image_snapshots_have(fd, disk->above, NULL, &have, error) &&
               (!have ||
                virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                  "disk '%s': image %s, which would be merged, has snapshots within it: delete these first",
                                  disk->target, disk->above));
}

static void look_in_worker(void *data, GError **error) {
        const Merging *self = data;
        g_autoptr(UserRights) rights = NULL;
        image_needs_look(self->needs, error);
        bool fine = !*error && user_rights_find(self->rights, &rights, error) && user_rights_enter(rights, error);
        for (guint i = 0; fine && i < self->disks->len; i++) {
                MergedDisk *disk = self->disks->pdata[i];
                fine = !disk->need_of_kept || (check_whole(disk, error) && open_written(self, disk, error));
        }
        user_rights_leave(rights);
}

/* Planning */

static int place_of(const GPtrArray *chain, const char *path) {
        for (guint i = 0; i < chain->len; i++)
                if (strcmp(((const DiskImage *) chain->pdata[i])->path, path) == 0)
                        return (int) i;
        return -1;
}

/* Whether an image is the overlay of another snapshot of the domain: what this one had over its own is merged already. */
static bool is_overlay_of_another(const Merging *self, const char *target, const char *path) {
        for (guint i = 0; i < snapshots_count(self->domain); i++) {
                const SnapshotDefinition *other = snapshots_at(self->domain, i)->definition;
                const SnapshotDisk *disk = snapshot_definition_find(other, target);
                if (strcmp(other->name, self->definition->name) != 0 && disk && disk->place == SNAPSHOT_EXTERNAL &&
                    g_strcmp0(disk->path, path) == 0)
                        return true;
        }
        return false;
}

static bool plan_disk(Merging *self, const SnapshotDisk *of, const Definition *was, GPtrArray *chain, GHashTable *known,
                      GError **error) {
        const DeviceDefinition *then = definition_find_disk(was, of->name),
                               *now = definition_find_disk(domain_definition(self->domain), of->name);
        int place = then && now && chain ? place_of(chain, then->source) : -1;
        if (place < 0)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_OPERATION_INVALID,
                                "disk '%s': %s is not among the images that it has now: go back to a snapshot of that branch "
                                "first, or delete it with metadata_only, which leaves all files",
                                of->name, then ? then->source : "what it had");
        const DiskImage *kept = chain->pdata[place], *above = place > 0 ? chain->pdata[place - 1] : NULL,
                        *below = place + 1 < (int) chain->len ? chain->pdata[place + 1] : NULL;
        MergedDisk *disk = g_new0(MergedDisk, 1);
        *disk = (MergedDisk){
                .alias = g_strdup(now->alias),
                .target = g_strdup(now->target),
                .kept = g_strdup(kept->path),
                .kept_type = g_strdup(kept->type),
                .kept_format = g_strdup(kept->format),
                .above = g_strdup(above ? above->path : of->path),
                .below = below ? g_strdup(below->path) : NULL,
                .is_top = place == 1,
                .chain = g_ptr_array_ref(chain),
                .place = place,
                .kept_fd = -1,
                .over_fd = -1,
                .kept_by = kept->is_found && above && self->connection->privileged ? g_strdup(above->path) : NULL,
        };
        if (place > 1) {
                const DiskImage *over = chain->pdata[place - 2];
                bool is_lured = over->is_found && place > 2 && self->connection->privileged;
                disk->over = g_strdup(over->path);
                disk->over_by = is_lured ? g_strdup(((const DiskImage *) chain->pdata[place - 3])->path) : NULL;
        }
        g_ptr_array_add(self->disks, disk);
        for (guint i = 0; i < chain->len; i++)
                g_hash_table_add(known, g_strdup(((const DiskImage *) chain->pdata[i])->path));
        bool is_its_own = above && g_strcmp0(above->path, of->path) == 0;
        if (!above || (!is_its_own && is_overlay_of_another(self, of->name, above->path))) { /* it is merged, or another has it */
                g_free(disk->above);
                disk->above = g_strdup(of->path);
                disk->is_merged = true;
                return true;
        }
        disk->need_of_kept = image_needs_ask(self->needs, disk->kept);
        disk->need_of_above = image_needs_ask(self->needs, disk->above);
        if (!is_its_own && of->path) {
                g_autofree char *who = g_strdup_printf("%s, which it had gone on with,", of->path);
                image_needs_add(self->needs, who, of->path);
        }
        return true;
}

/* What it is defined with, where that is not what it runs with. */
static void add_defined(const Merging *self) {
        const Definition *persistent = self->domain->persistent;
        for (guint i = 0; persistent && i < persistent->devices->len; i++) {
                const DeviceDefinition *device = persistent->devices->pdata[i];
                const DeviceDefinition *now =
                                device->device_class == DEVICE_DISK
                                                ? definition_find_disk(domain_definition(self->domain), device->target)
                                                : NULL;
                if (device->device_class == DEVICE_DISK && device->source[0] &&
                    (!now || strcmp(now->source, device->source) != 0))
                        image_needs_add(self->needs, "its definition", device->source);
        }
}

bool merging_plan(Merging *self, GHashTable *chains, GError **error) {
        const SnapshotDefinition *definition = self->definition;
        g_autoptr(xmlDoc) document = definition->domain ? xml_parse_own(definition->domain, "domain", error) : NULL;
        g_autoptr(Definition) was = document ? definition_from_document(document, error) : NULL;
        g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (!definition->domain)
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "it does not say which images the domain had: delete it with metadata_only");
        if (!was)
                return false;
        for (guint i = 0; i < definition->disks->len; i++) {
                const SnapshotDisk *disk = definition->disks->pdata[i];
                if (disk->place == SNAPSHOT_EXTERNAL &&
                    !plan_disk(self, disk, was, g_hash_table_lookup(chains, disk->name), known, error))
                        return false;
        }
        image_needs_add_all(self->needs, self->domain, definition->name, known);
        add_defined(self);
        return true;
}

void merging_go(Merging *self) {
        self->is_busy = true;
        user_work_run(self->connection, self->owner, look_in_worker, on_looked, self);
}

Merging *merging_new(Operation *operation, const SnapshotDefinition *definition) {
        Domain *domain = operation->domain;
        Merging *self = g_new0(Merging, 1);
        *self = (Merging){
                .domain = domain_ref(domain),
                .connection = domain->connection,
                .rights = owners_rights_of(domain),
                .owner = domain->owner,
                .operation = operation,
                .guest = domain->run,
                .definition = snapshot_definition_ref((SnapshotDefinition *) definition),
                .disks = g_ptr_array_new_with_free_func(disk_free),
                .needs = image_needs_new(domain),
        };
        tree_delete_keep(operation, self, let_go);
        if (self->guest)
                self->guest->merging = self;
        return self;
}
