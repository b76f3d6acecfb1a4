/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-backup.h"

#include "qemu/guest/guest-backup-tls.h"

static void disk_free(void *data) {
        GuestBackupDisk *disk = data;
        char *strings[] = { disk->target, disk->alias, disk->id, disk->path, disk->bitmap };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        g_free(disk);
}

GuestBackup *guest_backup_keep(Guest *guest, BackupDefinition *definition) {
        GuestBackup *self = g_new0(GuestBackup, 1);
        *self = (GuestBackup){ .guest = guest, .definition = backup_definition_ref(definition) };
        self->disks = g_ptr_array_new_with_free_func(disk_free);
        guest->backup = self;
        return self;
}

void guest_backup_drop(Guest *guest) {
        GuestBackup *self = g_steal_pointer(&guest->backup);
        sd_event_source_disable_unref(self->timer);
        guest_backup_tls_forget(self);
        backup_definition_unref(self->definition);
        g_ptr_array_unref(self->disks);
        g_clear_error(&self->error);
        g_free(self->socket);
        g_free(self);
}

GuestBackupDisk *guest_backup_add(GuestBackup *self, const char *target) {
        GuestBackupDisk *disk = g_new0(GuestBackupDisk, 1);
        disk->target = g_strdup(target);
        g_ptr_array_add(self->disks, disk);
        return disk;
}

const BackupDisk *guest_backup_disk(const GuestBackup *self, guint index) {
        return tree_disk_find(self->definition->disks, ((const GuestBackupDisk *) self->disks->pdata[index])->target);
}

char *guest_backup_node(guint index, const char *what) {
        return g_strdup_printf("backup-%u-%s", index, what);
}

/* In the status */

static void save(const Guest *guest, xmlNode *saved) {
        const GuestBackup *self = guest->backup;
        if (!self)
                return;
        xmlNode *element = xml_add(saved, "backup", NULL);
        g_autofree char *text = backup_definition_text(self->definition);
        xml_set_number(element, "by", self->started_by);
        xml_set_number(element, "stage", self->stage);
        xml_set_number(element, "asked", self->is_asked);
        if (self->socket)
                xml_set_attribute(element, "socket", self->socket);
        if (self->error) {
                xml_set_number(element, "error-code", self->error->code);
                xml_set_attribute(element, "error", self->error->message);
        }
        xmlNodeAddContent(xml_add(element, "document", NULL), (const xmlChar *) text);
        for (guint i = 0; i < self->disks->len; i++) {
                const GuestBackupDisk *disk = self->disks->pdata[i];
                xmlNode *child = xml_add(element, "disk", NULL);
                xml_set_attribute(child, "target", disk->target);
                xml_set_attribute(child, "alias", disk->alias);
                xml_set_attribute(child, "id", disk->id);
                xml_set_attribute(child, "path", disk->path);
                xml_set_number(child, "made", disk->is_made);
        }
}

static uint64_t number(const xmlNode *element, const char *name, uint64_t max) {
        uint64_t value = 0;
        xml_number_attribute(element, name, 0, max, &value, NULL);
        return value;
}

static void load(Guest *guest, xmlNode *saved) {
        const xmlNode *element = xml_child(saved, "backup");
        g_autofree char *text = element ? xml_text(xml_child(element, "document")) : NULL;
        g_autoptr(BackupDefinition) definition = text ? backup_definition_parse_own(text, NULL) : NULL;
        if (!definition)
                return;
        GuestBackup *self = guest_backup_keep(guest, definition);
        g_autofree char *error = xml_attribute(element, "error");
        self->started_by = (uid_t) number(element, "by", UINT32_MAX);
        self->stage = (GuestBackupStage) number(element, "stage", GUEST_BACKUP_ENDS);
        self->is_asked = number(element, "asked", 1) > 0;
        self->socket = xml_attribute(element, "socket");
        if (error)
                self->error = g_error_new_literal(VIRTBUS_ERROR, (int) number(element, "error-code", INT32_MAX), error);
        for (const xmlNode *child = xml_child(element, "disk"); child; child = xml_next(child, "disk")) {
                g_autofree char *target = xml_attribute(child, "target"), *alias = xml_attribute(child, "alias"),
                                *id = xml_attribute(child, "id"), *path = xml_attribute(child, "path");
                if (!target || !alias || !id || !path)
                        continue; /* damaged */
                GuestBackupDisk *disk = guest_backup_add(self, target);
                disk->alias = g_steal_pointer(&alias);
                disk->id = g_steal_pointer(&id);
                disk->path = g_steal_pointer(&path);
                disk->is_made = number(child, "made", 1) > 0;
        }
}

const GuestModule guest_backup_module = {
        .save = save,
        .load = load,
};
