/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/checkpoint-definition.h"

#include <inttypes.h>
#include <string.h>

#include "domain/device-elements.h"
#include "errors.h"

#define DESCRIPTION_BYTES_MAX 65536

/* What a bitmap in an image may be called, in bytes: qcow2's own bound. */
#define BITMAP_NAME_BYTES_MAX 1023

static void disk_free(CheckpointDisk *disk) {
        g_free(disk->name);
        g_free(disk->bitmap);
        g_free(disk);
}

static CheckpointDefinition *definition_new(void) {
        CheckpointDefinition *definition = g_new0(CheckpointDefinition, 1);
        definition->n_references = 1;
        definition->created = -1;
        definition->disks = g_ptr_array_new_with_free_func((GDestroyNotify) disk_free);
        return definition;
}

CheckpointDefinition *checkpoint_definition_ref(CheckpointDefinition *definition) {
        definition->n_references++;
        return definition;
}

void checkpoint_definition_unref(CheckpointDefinition *definition) {
        if (--definition->n_references > 0)
                return;
        g_free(definition->name);
        g_free(definition->parent);
        g_free(definition->description);
        g_free(definition->uuid);
        g_free(definition->domain);
        g_ptr_array_unref(definition->disks);
        g_free(definition);
}

CheckpointDisk *checkpoint_definition_find(const CheckpointDefinition *definition, const char *target) {
        for (guint i = 0; i < definition->disks->len; i++) {
                CheckpointDisk *disk = definition->disks->pdata[i];
                if (strcmp(disk->name, target) == 0)
                        return disk;
        }
        return NULL;
}

/* Reading */

/* Text as it is, white space and all. */
static char *content(const xmlNode *element) {
        xmlChar *text = element ? xmlNodeGetContent(element) : NULL;
        char *copy = g_strdup((const char *) text);
        xmlFree(text);
        return copy;
}

static bool check_bitmap(const xmlNode *element, const char *bitmap, GError **error) {
        bool fine = *bitmap && strlen(bitmap) <= BITMAP_NAME_BYTES_MAX;
        for (const char *c = bitmap; *c; c++)
                fine &= (unsigned char) *c >= 0x20 && *c != 0x7f;
        return fine || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "bitmap is '%.32s'; it must have 1 to %d bytes, without control characters", bitmap,
                                BITMAP_NAME_BYTES_MAX);
}

static bool read_disk(CheckpointDefinition *definition, const xmlNode *element, bool known, GError **error) {
        static const char *const words[] = { "no", "bitmap", NULL };
        g_autofree char *name = xml_attribute(element, "name"), *word = xml_attribute(element, "checkpoint");
        if (!name || !*name)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "name is missing: the disk's target, or its image");
        if (checkpoint_definition_find(definition, name))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "disk '%.64s' is named twice", name);
        if (definition->disks->len >= CHECKPOINT_DISKS_MAX)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "there are more than %d disks",
                                CHECKPOINT_DISKS_MAX);
        if (!xml_one_of(element, "checkpoint", words, error))
                return false;
        CheckpointDisk *disk = g_new0(CheckpointDisk, 1);
        *disk = (CheckpointDisk){ .name = g_steal_pointer(&name), .is_said = true };
        disk->is_in = !word || strcmp(word, "bitmap") == 0;
        disk->bitmap = xml_attribute(element, "bitmap");
        g_ptr_array_add(definition->disks, disk);
        if (xml_child(element, NULL))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(element, NULL),
                                "a checkpoint's disk has no elements");
        if (disk->bitmap && !disk->is_in)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "bitmap is for a disk that is in the checkpoint");
        if (disk->is_in && known && !disk->bitmap)
                disk->bitmap = g_strdup(definition->name);
        return !disk->bitmap || check_bitmap(element, disk->bitmap, error);
}

static bool read_disks(CheckpointDefinition *definition, const xmlNode *disks, bool known, GError **error) {
        for (xmlNode *element = xml_child(disks, NULL); element; element = xml_next(element, NULL)) {
                if (!xml_is(element, "disk"))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "<disks> has no such element: it has <disk>");
                if (!read_disk(definition, element, known, error))
                        return false;
        }
        return true;
}

static bool check_elements(const xmlNode *root, GError **error) {
        static const char *const known[] = { "name", "description", "creationTime", "parent", "disks", "domain", NULL };
        for (const xmlNode *element = xml_child(root, NULL); element; element = xml_next(element, NULL)) {
                if (!g_strv_contains(known, (const char *) element->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "a checkpoint has no such element");
                if (xml_next(element, (const char *) element->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it is there twice");
        }
        return true;
}

/* The domain's document in it, as text; one that has only a UUID says whose it is, and not what that was. */
static void read_domain(CheckpointDefinition *definition, const xmlNode *root) {
        xmlNode *element = xml_child(root, "domain");
        g_autofree char *text = xml_text(xml_child(element, "uuid"));
        definition->uuid = text ? uuid_normalize(text) : NULL;
        definition->domain = element && xmlHasProp(element, (const xmlChar *) "type") ? xml_element_text(element) : NULL;
}

static bool read_known(CheckpointDefinition *definition, const xmlNode *root, GError **error) {
        const xmlNode *created = xml_child(root, "creationTime");
        g_autofree char *seconds = xml_text(created);
        uint64_t number = 0;
        if (!definition->name)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<name> is missing");
        if (!seconds)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<creationTime> is missing: in seconds since 1970");
        if (!xml_number(created, "it", seconds, 0, INT64_MAX / G_USEC_PER_SEC, &number, error))
                return false;
        definition->created = (int64_t) number;
        definition->parent = content(xml_find(root, "parent/name"));
        return !definition->parent || tree_name_check(definition->parent, "checkpoint", error);
}

static CheckpointDefinition *read_root(const xmlNode *root, bool known, GError **error) {
        g_autoptr(CheckpointDefinition) definition = definition_new();
        const xmlNode *description = xml_child(root, "description"), *disks = xml_child(root, "disks");
        if (!check_elements(root, error))
                return NULL;
        definition->name = content(xml_child(root, "name"));
        if (definition->name && !tree_name_check(definition->name, "checkpoint", error))
                return NULL;
        definition->description = content(description);
        if (definition->description && strlen(definition->description) > DESCRIPTION_BYTES_MAX) {
                xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, description, "it has more than %d bytes", DESCRIPTION_BYTES_MAX);
                return NULL;
        }
        if ((known && !read_known(definition, root, error)) || (disks && !read_disks(definition, disks, known, error)))
                return NULL;
        if (known)
                read_domain(definition, root);
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

static void add_text(xmlNode *root, const char *name, const char *text) {
        if (text)
                xmlNodeAddContent(xml_add(root, name, NULL), (const xmlChar *) text);
}

static void add_domain(xmlNode *root, const char *text, bool secrets) {
        g_autoptr(xmlDoc) document = xml_parse_own(text, "domain", NULL);
        if (!document)
                return;
        if (!secrets)
                definition_remove_secrets(xmlDocGetRootElement(document));
        xmlAddChild(root, xmlDocCopyNode(xmlDocGetRootElement(document), root->doc, 1));
}

char *checkpoint_definition_text(const CheckpointDefinition *definition, bool secrets, bool domain) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "domaincheckpoint", NULL);
        xmlDocSetRootElement(document, root);
        add_text(root, "name", definition->name);
        add_text(root, "description", definition->description);
        if (definition->parent)
                add_text(xml_add(root, "parent", NULL), "name", definition->parent);
        if (definition->created >= 0) {
                g_autofree char *created = g_strdup_printf("%" PRId64, definition->created);
                xml_add(root, "creationTime", created);
        }
        xmlNode *disks = definition->disks->len > 0 ? xml_add(root, "disks", NULL) : NULL;
        for (guint i = 0; i < definition->disks->len; i++) {
                const CheckpointDisk *disk = definition->disks->pdata[i];
                xmlNode *element = xml_add(disks, "disk", NULL);
                xml_set_attribute(element, "name", disk->name);
                xml_set_attribute(element, "checkpoint", disk->is_in ? "bitmap" : "no");
                if (disk->bitmap)
                        xml_set_attribute(element, "bitmap", disk->bitmap);
        }
        if (domain && definition->domain)
                add_domain(root, definition->domain, secrets);
        else if (domain && definition->uuid)
                xml_add(xml_add(root, "domain", NULL), "uuid", definition->uuid);
        return xml_document_text(document);
}

/* Completing */

static bool fail(GError **error, const CheckpointDisk *disk, VirtbusError code, const char *why) {
        return virtbus_error_set(error, code, "disk '%s' %s", disk->name, why);
}

static bool is_disk(const CheckpointDisk *disk, const DeviceDefinition *device) {
        return device->device_class == DEVICE_DISK &&
               (strcmp(disk->name, device->target) == 0 || (device->source[0] && strcmp(disk->name, device->source) == 0));
}

static CheckpointDisk *take_disk(GPtrArray *given, const DeviceDefinition *device) {
        for (guint i = 0; i < given->len; i++) {
                if (is_disk(given->pdata[i], device))
                        return g_ptr_array_steal_index(given, i);
        }
        return g_new0(CheckpointDisk, 1);
}

static bool is_of_domain(const CheckpointDisk *disk, const Definition *domain) {
        for (guint i = 0; i < domain->devices->len; i++)
                if (is_disk(disk, domain->devices->pdata[i]))
                        return true;
        return false;
}

/* ALL: the document names no disk, and means all that can be written. */
static bool complete_disk(const CheckpointDefinition *definition, CheckpointDisk *disk, const DeviceDefinition *device, bool all,
                          GError **error) {
        if (!disk->is_said)
                disk->is_in = all && device->source[0] && !device->read_only;
        if (!disk->is_in)
                return true;
        if (!device->source[0])
                return fail(error, disk, VIRTBUS_ERROR_INVALID_ARGUMENT, "has no image: it cannot be in a checkpoint");
        if (device->read_only)
                return fail(error, disk, VIRTBUS_ERROR_INVALID_ARGUMENT, "is only read: nothing of it changes");
        if (strcmp(device->format, "qcow2") != 0)
                return fail(error, disk, VIRTBUS_ERROR_UNSUPPORTED,
                            "is not qcow2, which alone keeps what has changed: convert it, or say checkpoint='no'");
        if (!disk->bitmap)
                disk->bitmap = g_strdup(definition->name);
        return true;
}

bool checkpoint_definition_complete(CheckpointDefinition *definition, const Definition *domain, GError **error) {
        g_autoptr(GPtrArray) given = g_steal_pointer(&definition->disks);
        bool fine = true, all = given->len == 0, any = false;
        definition->disks = g_ptr_array_new_with_free_func((GDestroyNotify) disk_free);
        for (guint i = 0; i < given->len; i++)
                if (!is_of_domain(given->pdata[i], domain))
                        return fail(error, given->pdata[i], VIRTBUS_ERROR_INVALID_ARGUMENT, "is not one of the domain's");
        for (guint i = 0; i < domain->devices->len; i++) {
                const DeviceDefinition *device = domain->devices->pdata[i];
                if (device->device_class != DEVICE_DISK)
                        continue;
                CheckpointDisk *disk = take_disk(given, device);
                g_ptr_array_add(definition->disks, disk);
                g_free(disk->name);
                disk->name = g_strdup(device->target);
                fine = fine && complete_disk(definition, disk, device, all, error);
                any |= disk->is_in;
        }
        if (fine && given->len > 0)
                return fail(error, given->pdata[0], VIRTBUS_ERROR_INVALID_ARGUMENT,
                            "is named twice, by its target and its image");
        return fine && (any || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "no disk would be in the checkpoint"));
}
