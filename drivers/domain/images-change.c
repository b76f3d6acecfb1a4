/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/images-change.h"

#include <string.h>

#include "domain/connection-define.h"
#include "domain/connection.h"
#include "domain/owners-rights.h"

typedef struct ChangedDisk {
        char *alias, *target;
        GPtrArray *from, *to;
} ChangedDisk;

struct ImagesChange {
        Domain *domain;
        GPtrArray *disks; /* ChangedDisk */
        Definition *persistent;
        Turn *turn;
        ImagesDefined done;
        void *data;
};

static void disk_free(void *data) {
        ChangedDisk *disk = data;
        g_free(disk->alias);
        g_free(disk->target);
        g_ptr_array_unref(disk->from);
        g_ptr_array_unref(disk->to);
        g_free(disk);
}

ImagesChange *images_change_new(Domain *domain) {
        ImagesChange *change = g_new0(ImagesChange, 1);
        *change = (ImagesChange){ .domain = domain_ref(domain), .disks = g_ptr_array_new_with_free_func(disk_free) };
        return change;
}

void images_change_free(ImagesChange *change) {
        Turn *turn = change->turn;
        g_ptr_array_unref(change->disks);
        g_clear_pointer(&change->persistent, definition_unref);
        domain_unref(change->domain);
        g_free(change);
        if (turn)
                turn_end(turn);
}

void images_change_add(ImagesChange *change, const char *alias, const char *target, GPtrArray *from, GPtrArray *to) {
        ChangedDisk *disk = g_new0(ChangedDisk, 1);
        *disk = (ChangedDisk){ g_strdup(alias), g_strdup(target), g_ptr_array_ref(from), g_ptr_array_ref(to) };
        g_ptr_array_add(change->disks, disk);
}

bool images_change_run(const ImagesChange *change, bool back, GError **error) {
        Domain *domain = change->domain;
        g_autoptr(xmlDoc) document = domain->live ? definition_document(domain->live, error) : NULL;
        if (!document)
                return error && *error ? false : domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it has ended");
        for (guint i = 0; i < change->disks->len; i++) {
                const ChangedDisk *disk = change->disks->pdata[i];
                xmlNode *element = definition_find_element(document, domain->live, disk->alias);
                if (!element)
                        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "disk '%s' is gone", disk->target);
                disk_chain_write(element, back ? disk->from : disk->to);
        }
        g_autoptr(Definition) live = definition_from_document(document, error);
        if (!live || !owners_rights_check_change(domain, live, true, error))
                return false;
        definition_keep(live, g_steal_pointer(&document));
        domain_set_live(domain, live);
        return true;
}

static void finish(ImagesChange *change, const GError *error) {
        change->done(change->data, change, error);
        images_change_free(change);
}

static void on_stored(void *data, const GError *error) {
        ImagesChange *change = data;
        if (!error)
                domain_redefine(change->domain, change->persistent);
        finish(change, error);
}

static void edit_disk(xmlDoc *document, const Definition *persistent, const ChangedDisk *disk) {
        const DiskImage *top = disk->from->pdata[0];
        for (guint i = 0; i < persistent->devices->len; i++) {
                const DeviceDefinition *device = persistent->devices->pdata[i];
                if (device->device_class == DEVICE_DISK && strcmp(device->target, disk->target) == 0 &&
                    strcmp(device->source, top->path) == 0)
                        disk_chain_define(definition_find_element(document, persistent, device->alias), disk->to);
        }
}

/* What the definition becomes: NULL, and no error, where it does not name these disks with these images. */
static Definition *edit(const ImagesChange *change, GError **error) {
        const Definition *persistent = change->domain->persistent;
        g_autoptr(xmlDoc) document = definition_document(persistent, error);
        if (!document)
                return NULL;
        for (guint i = 0; i < change->disks->len; i++)
                edit_disk(document, persistent, change->disks->pdata[i]);
        g_autofree char *text = xml_document_text(document);
        if (strcmp(text, persistent->xml) == 0)
                return NULL;
        g_autoptr(Definition) definition = definition_from_document(document, error);
        return definition && owners_rights_check_change(change->domain, definition, false, error) ? g_steal_pointer(&definition)
                                                                                                  : NULL;
}

static void on_turn(void *data, Turn *turn, const GError *cancelled) {
        ImagesChange *change = data;
        g_autoptr(GError) error = cancelled ? g_error_copy(cancelled) : NULL;
        change->turn = turn;
        if (turn && change->domain->persistent)
                change->persistent = edit(change, &error);
        if (change->persistent)
                connection_store(change->domain, change->persistent, on_stored, change);
        else
                finish(change, error);
}

void images_change_define(ImagesChange *change, ImagesDefined done, void *data) {
        Domain *domain = change->domain;
        change->done = done;
        change->data = data;
        turns_take(domain->connection->turns, domain->uuid, domain_name(domain), on_turn, change);
}
