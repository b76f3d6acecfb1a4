/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/backup-definition.h"

#include <string.h>

#include "domain/tree-item.h"
#include "errors.h"

/* What an export, and a bitmap, may be called, in bytes: NBD's bound is 4,096. */
#define EXPORT_NAME_BYTES_MAX 1023

static void disk_free(void *data) {
        BackupDisk *disk = data;
        char *strings[] = {
                disk->name, disk->path, disk->format, disk->mode, disk->incremental, disk->export_name, disk->bitmap
        };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        g_clear_pointer(&disk->parameter, xmlFreeNode);
        g_free(disk);
}

BackupDefinition *backup_definition_ref(BackupDefinition *definition) {
        definition->n_references++;
        return definition;
}

void backup_definition_unref(BackupDefinition *definition) {
        if (--definition->n_references > 0)
                return;
        g_free(definition->incremental);
        g_free(definition->socket);
        g_free(definition->host);
        g_ptr_array_unref(definition->disks);
        g_free(definition);
}

/* Reading */

static bool check_attributes(const xmlNode *element, const char *const *known, GError **error) {
        for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (!g_strv_contains(known, (const char *) attribute->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it has no attribute '%.64s'",
                                        (const char *) attribute->name);
        return true;
}

static bool check_name(const xmlNode *element, const char *what, const char *name, GError **error) {
        bool fine = !name || (*name && strlen(name) <= EXPORT_NAME_BYTES_MAX);
        for (const char *c = name ? name : ""; *c; c++)
                fine &= (unsigned char) *c >= 0x20 && *c != 0x7f;
        return fine || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "%s is '%.32s'; it must have 1 to %d bytes, without control characters", what, name,
                                EXPORT_NAME_BYTES_MAX);
}

static bool check_encryption(const xmlNode *element, GError **error) {
        static const char *const formats[] = { "luks", "qcow", NULL }, *const attributes[] = { "format", "engine", NULL },
                                 *const of_secret[] = { "type", "uuid", "usage", NULL };
        const xmlNode *secret = xml_child(element, "secret");
        if (!check_attributes(element, attributes, error) || !xml_one_of(element, "format", formats, error))
                return false;
        if (!secret || !xmlHasProp(element, (const xmlChar *) "format"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it must have a format and a <secret>");
        if (!check_attributes(secret, of_secret, error))
                return false;
        if (!xmlHasProp(secret, (const xmlChar *) "uuid") == !xmlHasProp(secret, (const xmlChar *) "usage"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, secret, "it must name a secret by its uuid or its usage");
        return xml_attribute_is(secret, "type", "passphrase") ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, secret, "type must be passphrase");
}

/* <target>, or <scratch>. */
static bool read_store(BackupDisk *disk, const xmlNode *element, GError **error) {
        static const char *const of_file[] = { "file", NULL }, *const of_device[] = { "dev", NULL };
        const char *name = disk->is_device ? "dev" : "file";
        if (!check_attributes(element, disk->is_device ? of_device : of_file, error))
                return false;
        disk->path = xml_attribute(element, name);
        if (!disk->path || disk->path[0] != '/')
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s must be an absolute path", name);
        for (const xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                if (!xml_is(child, "encryption") && !xml_is(child, "seclabel"))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "<%s> has no such element",
                                        (const char *) element->name);
                if (xml_is(child, "encryption") && !check_encryption(child, error))
                        return false;
        }
        if (xml_child(element, NULL))
                disk->parameter = xmlCopyNode((xmlNode *) element, 1);
        return true;
}

static bool read_driver(BackupDisk *disk, const xmlNode *element, GError **error) {
        static const char *const known[] = { "type", NULL }, *const formats[] = { "qcow2", "raw", NULL };
        disk->format = xml_attribute(element, "type");
        if (!check_attributes(element, known, error))
                return false;
        return disk->format && g_strv_contains(formats, disk->format)
                               ? true
                               : xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "type is '%.32s'; it must be qcow2 or raw",
                                          disk->format ? disk->format : "");
}

static bool read_elements(BackupDisk *disk, const xmlNode *element, bool pulls, GError **error) {
        const char *store = pulls ? "scratch" : "target", *other = pulls ? "target" : "scratch";
        for (const xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                bool is_store = xml_is(child, store);
                if (xml_is(child, other))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "a disk has that in a backup of mode %s",
                                        pulls ? "push" : "pull");
                if (!is_store && !xml_is(child, "driver"))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "a backup's disk has no such element");
                if (is_store ? disk->path != NULL : disk->format != NULL)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "there is one already");
                if (!(is_store ? read_store(disk, child, error) : read_driver(disk, child, error)))
                        return false;
        }
        return true;
}

static bool read_disk(void *data, xmlNode *element, char *name, GError **error) {
        static const char *const known[] = { "name",       "backup",      "type",  "exportname", "exportbitmap",
                                             "backupmode", "incremental", "index", NULL },
                                 *const words[] = { "yes", "no", NULL }, *const modes[] = { "full", "incremental", NULL },
                                 *const types[] = { "file", "block", NULL };
        const BackupDefinition *definition = data;
        BackupDisk *disk = g_new0(BackupDisk, 1);
        g_autofree char *type = xml_attribute(element, "type");
        *disk = (BackupDisk){ .name = name, .is_said = true, .is_in = !xml_attribute_is(element, "backup", "no") };
        g_ptr_array_add(definition->disks, disk);
        disk->is_device = g_strcmp0(type, "block") == 0;
        disk->mode = xml_attribute(element, "backupmode");
        disk->incremental = xml_attribute(element, "incremental");
        disk->export_name = xml_attribute(element, "exportname");
        disk->bitmap = xml_attribute(element, "exportbitmap");
        if (!check_attributes(element, known, error) || !xml_one_of(element, "backup", words, error) ||
            !xml_one_of(element, "backupmode", modes, error))
                return false;
        if (type && !g_strv_contains(types, type))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element,
                                "type is '%.32s'; a backup is written to a file, or a block device: type='block'", type);
        if (!disk->is_in && (disk->mode || disk->incremental || disk->export_name || disk->bitmap || xml_child(element, NULL)))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "a disk with backup='no' is not in the backup");
        if (!definition->pulls && (disk->export_name || disk->bitmap))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "exports are for backups of mode pull");
        if (disk->incremental && g_strcmp0(disk->mode, "full") == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "one that is taken whole is not incremental");
        return check_name(element, "exportname", disk->export_name, error) &&
               check_name(element, "exportbitmap", disk->bitmap, error) && read_elements(disk, element, definition->pulls, error);
}

static bool read_server(BackupDefinition *definition, const xmlNode *element, GError **error) {
        static const char *const known[] = { "transport", "socket", "name", "port", "tls", NULL },
                                 *const transports[] = { "tcp", "unix", NULL }, *const words[] = { "yes", "no", NULL };
        uint64_t port = 0;
        if (!element)
                return true;
        if (!definition->pulls)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "a backup of mode push has no server");
        bool is_unix = xml_attribute_is(element, "transport", "unix");
        definition->has_server = true;
        definition->socket = xml_attribute(element, "socket");
        definition->host = xml_attribute(element, "name");
        definition->has_tls = xml_attribute_is(element, "tls", "yes");
        if (!check_attributes(element, known, error) || !xml_one_of(element, "transport", transports, error) ||
            !xml_one_of(element, "tls", words, error) || !xml_number_attribute(element, "port", 1, UINT16_MAX, &port, error))
                return false;
        definition->port = (uint16_t) port;
        if (is_unix && (!definition->socket || definition->socket[0] != '/' || definition->host || port > 0))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "one of transport unix has a socket, which is an absolute path, and neither name nor port");
        return is_unix || !definition->socket ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "a socket is for transport='unix'");
}

static BackupDefinition *read_root(const xmlNode *root, GError **error) {
        static const char *const elements[] = { "incremental", "server", "disks", NULL }, *const known[] = { "mode", "id", NULL },
                                 *const modes[] = { "push", "pull", NULL };
        g_autoptr(BackupDefinition) definition = g_new0(BackupDefinition, 1);
        *definition = (BackupDefinition){ .n_references = 1, .pulls = xml_attribute_is(root, "mode", "pull") };
        definition->disks = g_ptr_array_new_with_free_func(disk_free);
        if (!tree_item_check_elements(root, elements, "backup", error) || !check_attributes(root, known, error) ||
            !xml_one_of(root, "mode", modes, error) || !read_server(definition, xml_child(root, "server"), error))
                return NULL;
        definition->incremental = xml_text(xml_child(root, "incremental"));
        return tree_disks_read(definition->disks, xml_child(root, "disks"), read_disk, definition, error)
                               ? g_steal_pointer(&definition)
                               : NULL;
}

BackupDefinition *backup_definition_parse(const char *xml, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "domainbackup", error);
        return document ? read_root(xmlDocGetRootElement(document), error) : NULL;
}

BackupDefinition *backup_definition_parse_own(const char *xml, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse_own(xml, "domainbackup", error);
        return document ? read_root(xmlDocGetRootElement(document), error) : NULL;
}

/* Writing */

static void set(xmlNode *element, const char *name, const char *value) {
        if (value)
                xml_set_attribute(element, name, value);
}

static void write_disk(const BackupDefinition *definition, const BackupDisk *disk, xmlNode *element) {
        set(element, "name", disk->name);
        set(element, "backup", disk->is_in ? "yes" : "no");
        if (!disk->is_in)
                return;
        set(element, "type", disk->is_device ? "block" : "file");
        set(element, "backupmode", disk->incremental ? "incremental" : "full");
        set(element, "incremental", disk->incremental);
        set(element, "exportname", disk->export_name);
        set(element, "exportbitmap", disk->bitmap);
        xml_set_attribute(xml_add(element, "driver", NULL), "type", disk->format);
        if (disk->parameter)
                xmlAddChild(element, xmlDocCopyNode(disk->parameter, element->doc, 1));
        else
                xml_set_attribute(xml_add(element, definition->pulls ? "scratch" : "target", NULL),
                                  disk->is_device ? "dev" : "file", disk->path);
}

char *backup_definition_text(const BackupDefinition *definition) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "domainbackup", NULL);
        xmlDocSetRootElement(document, root);
        set(root, "mode", definition->pulls ? "pull" : "push");
        tree_item_write_text(root, "incremental", definition->incremental);
        if (definition->has_server) {
                xmlNode *server = xml_add(root, "server", NULL);
                set(server, "transport", definition->socket ? "unix" : "tcp");
                set(server, "tls", definition->has_tls ? "yes" : NULL);
                set(server, "socket", definition->socket);
                set(server, "name", definition->host);
                if (definition->port > 0)
                        xml_set_number(server, "port", definition->port);
        }
        xmlNode *disks = xml_add(root, "disks", NULL);
        for (guint i = 0; i < definition->disks->len; i++)
                write_disk(definition, definition->disks->pdata[i], xml_add(disks, "disk", NULL));
        return xml_document_text(document);
}

/* Completing */

typedef struct Completing {
        const BackupDefinition *definition;
        const char *suffix;
        GHashTable *exports; /* their names */
} Completing;

static bool choose_since(const Completing *completing, BackupDisk *disk, GError **error) {
        const char *root = completing->definition->incremental;
        bool is_whole = g_strcmp0(disk->mode, "full") == 0;
        if (!disk->incremental && root && !is_whole)
                disk->incremental = g_strdup(root);
        return disk->incremental || !disk->mode || is_whole ||
               tree_disk_fail(disk, VIRTBUS_ERROR_INVALID_ARGUMENT,
                              "is to be incremental, and no checkpoint is named since which: <incremental>", error);
}

static bool choose_store(Completing *completing, BackupDisk *disk, const DeviceDefinition *device, GError **error) {
        if (!disk->path && (disk->is_device || strcmp(device->source_type, "file") != 0))
                return tree_disk_fail(disk, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                      completing->definition->pulls
                                                      ? "needs a <scratch>: it is not a file that another could lie beside"
                                                      : "needs a <target>: it is not a file that another could lie beside",
                                      error);
        if (!disk->path)
                disk->path = g_strdup_printf("%s.%s", device->source, completing->suffix);
        if (!disk->format)
                disk->format = g_strdup("qcow2");
        if (completing->definition->pulls && strcmp(disk->format, "qcow2") != 0)
                return tree_disk_fail(disk, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                      "needs a scratch image of type qcow2: it has what the guest overwrites alone", error);
        return true;
}

static bool choose_export(Completing *completing, BackupDisk *disk, GError **error) {
        if (!completing->definition->pulls)
                return true;
        if (disk->bitmap && !disk->incremental)
                return tree_disk_fail(disk, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                      "has an exportbitmap, and is not incremental: there is nothing that it would say", error);
        if (!disk->export_name)
                disk->export_name = g_strdup(disk->name);
        if (disk->incremental && !disk->bitmap)
                disk->bitmap = g_strdup_printf("backup-%s", disk->name);
        return g_hash_table_add(completing->exports, disk->export_name) ||
               tree_disk_fail(disk, VIRTBUS_ERROR_INVALID_ARGUMENT, "has the exportname of another disk", error);
}

static bool complete_disk(void *data, void *which, const DeviceDefinition *device, GError **error) {
        return choose_since(data, which, error) && choose_store(data, which, device, error) && choose_export(data, which, error);
}

bool backup_definition_complete(BackupDefinition *definition, const Definition *domain, const char *suffix, GError **error) {
        g_autoptr(GHashTable) exports = g_hash_table_new(g_str_hash, g_str_equal);
        Completing completing = { definition, suffix, exports };
        return tree_disks_choose(&definition->disks, sizeof(BackupDisk), disk_free, domain, "backup", complete_disk, &completing,
                                 error);
}
