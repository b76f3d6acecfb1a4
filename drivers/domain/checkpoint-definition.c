/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/checkpoint-definition.h"

#include <string.h>

#include "errors.h"

/* What a bitmap in an image may be called, in bytes: qcow2's own bound. */
#define BITMAP_NAME_BYTES_MAX 1023

static void disk_free(void *data) {
        CheckpointDisk *disk = data;
        g_free(disk->name);
        g_free(disk->bitmap);
        g_free(disk);
}

static CheckpointDefinition *definition_new(void) {
        CheckpointDefinition *definition = g_new0(CheckpointDefinition, 1);
        tree_item_init(&definition->item);
        definition->disks = g_ptr_array_new_with_free_func(disk_free);
        return definition;
}

CheckpointDefinition *checkpoint_definition_ref(CheckpointDefinition *definition) {
        definition->n_references++;
        return definition;
}

void checkpoint_definition_unref(CheckpointDefinition *definition) {
        if (--definition->n_references > 0)
                return;
        tree_item_clear(&definition->item);
        g_ptr_array_unref(definition->disks);
        g_free(definition);
}

CheckpointDisk *checkpoint_definition_find(const CheckpointDefinition *definition, const char *target) {
        return tree_disk_find(definition->disks, target);
}

/* Reading */

typedef struct Reading {
        CheckpointDefinition *definition;
        bool known;
} Reading;

static bool check_bitmap(const xmlNode *element, const char *bitmap, GError **error) {
        bool fine = *bitmap && strlen(bitmap) <= BITMAP_NAME_BYTES_MAX;
        for (const char *c = bitmap; *c; c++)
                fine &= (unsigned char) *c >= 0x20 && *c != 0x7f;
        return fine || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "bitmap is '%.32s'; it must have 1 to %d bytes, without control characters", bitmap,
                                BITMAP_NAME_BYTES_MAX);
}

static bool read_disk(void *data, xmlNode *element, char *name, GError **error) {
        static const char *const words[] = { "no", "bitmap", NULL };
        const Reading *reading = data;
        CheckpointDefinition *definition = reading->definition;
        CheckpointDisk *disk = g_new0(CheckpointDisk, 1);
        g_autofree char *word = xml_attribute(element, "checkpoint");
        *disk = (CheckpointDisk){ .name = name, .is_said = true };
        g_ptr_array_add(definition->disks, disk);
        if (!xml_one_of(element, "checkpoint", words, error))
                return false;
        disk->is_in = !word || strcmp(word, "bitmap") == 0;
        disk->bitmap = xml_attribute(element, "bitmap");
        if (xml_child(element, NULL))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(element, NULL),
                                "a checkpoint's disk has no elements");
        if (disk->bitmap && !disk->is_in)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "bitmap is for a disk that is in the checkpoint");
        if (disk->is_in && reading->known && !disk->bitmap)
                disk->bitmap = g_strdup(definition->name);
        return !disk->bitmap || check_bitmap(element, disk->bitmap, error);
}

static CheckpointDefinition *read_root(const xmlNode *root, bool known, GError **error) {
        static const char *const elements[] = { "name", "description", "creationTime", "parent", "disks", "domain", NULL };
        g_autoptr(CheckpointDefinition) definition = definition_new();
        Reading reading = { definition, known };
        if (!tree_item_check_elements(root, elements, "checkpoint", error) ||
            !tree_item_read(&definition->item, root, "checkpoint", known, error) ||
            !tree_disks_read(definition->disks, xml_child(root, "disks"), read_disk, &reading, error))
                return NULL;
        if (known)
                definition->domain = tree_item_read_domain(root, "domain", &definition->uuid);
        return g_steal_pointer(&definition);
}

CheckpointDefinition *checkpoint_definition_parse(const char *xml, bool known, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "domaincheckpoint", error);
        return document ? read_root(xmlDocGetRootElement(document), known, error) : NULL;
}

CheckpointDefinition *checkpoint_definition_parse_own(const char *xml, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse_own(xml, "domaincheckpoint", error);
        return document ? read_root(xmlDocGetRootElement(document), true, error) : NULL;
}

/* Writing */

char *checkpoint_definition_text(const CheckpointDefinition *definition, bool secrets, bool domain) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "domaincheckpoint", NULL);
        xmlDocSetRootElement(document, root);
        tree_item_write_text(root, "name", definition->name);
        tree_item_write_text(root, "description", definition->description);
        tree_item_write_origin(&definition->item, root);
        xmlNode *disks = definition->disks->len > 0 ? xml_add(root, "disks", NULL) : NULL;
        for (guint i = 0; i < definition->disks->len; i++) {
                const CheckpointDisk *disk = definition->disks->pdata[i];
                xmlNode *element = xml_add(disks, "disk", NULL);
                xml_set_attribute(element, "name", disk->name);
                xml_set_attribute(element, "checkpoint", disk->is_in ? "bitmap" : "no");
                if (disk->bitmap)
                        xml_set_attribute(element, "bitmap", disk->bitmap);
        }
        if (domain) {
                tree_item_write_domain(root, "domain", definition->domain, secrets);
                tree_item_write_whose(&definition->item, root);
        }
        return xml_document_text(document);
}

/* Completing */

static bool complete_disk(void *data, void *which, const DeviceDefinition *device, GError **error) {
        const CheckpointDefinition *definition = data;
        CheckpointDisk *disk = which;
        if (device->read_only)
                return tree_disk_fail(disk, VIRTBUS_ERROR_INVALID_ARGUMENT, "is only read: nothing of it changes", error);
        if (strcmp(device->format, "qcow2") != 0)
                return tree_disk_fail(disk, VIRTBUS_ERROR_UNSUPPORTED,
                                      "is not qcow2, which alone keeps what has changed: convert it, or say checkpoint='no'",
                                      error);
        if (!disk->bitmap)
                disk->bitmap = g_strdup(definition->name);
        return true;
}

bool checkpoint_definition_complete(CheckpointDefinition *definition, const Definition *domain, GError **error) {
        return tree_disks_choose(&definition->disks, sizeof(CheckpointDisk), disk_free, domain, "checkpoint", complete_disk,
                                 definition, error);
}
