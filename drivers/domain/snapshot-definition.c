/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/snapshot-definition.h"

#include <string.h>

#include "options.h"

/* As libvirt calls it. */
#define BEING_DELETED "snapshotDeleteInProgress"

static const char *const place_names[SNAPSHOT_N_PLACES] = {
        [SNAPSHOT_UNSAID] = "",           [SNAPSHOT_NO] = "no",         [SNAPSHOT_INTERNAL] = "internal",
        [SNAPSHOT_EXTERNAL] = "external", [SNAPSHOT_MANUAL] = "manual",
};

const char *snapshot_place_name(SnapshotPlace place) {
        return place_names[place];
}

static void disk_free(void *data) {
        SnapshotDisk *disk = data;
        g_free(disk->name);
        g_free(disk->type);
        g_free(disk->path);
        g_free(disk->format);
        g_free(disk->element);
        g_free(disk);
}

SnapshotDefinition *snapshot_definition_new(void) {
        SnapshotDefinition *definition = g_new0(SnapshotDefinition, 1);
        tree_item_init(&definition->item);
        definition->disks = g_ptr_array_new_with_free_func(disk_free);
        return definition;
}

SnapshotDefinition *snapshot_definition_ref(SnapshotDefinition *definition) {
        definition->n_references++;
        return definition;
}

void snapshot_definition_unref(SnapshotDefinition *definition) {
        if (--definition->n_references > 0)
                return;
        tree_item_clear(&definition->item);
        g_free(definition->state);
        g_free(definition->memory_file);
        g_free(definition->inactive);
        g_ptr_array_unref(definition->disks);
        g_free(definition);
}

SnapshotDisk *snapshot_definition_find(const SnapshotDefinition *definition, const char *target) {
        return tree_disk_find(definition->disks, target);
}

/* Reading */

static bool read_place(const xmlNode *element, SnapshotPlace last, SnapshotPlace *place, GError **error) {
        g_autofree char *word = xml_attribute(element, "snapshot");
        *place = SNAPSHOT_UNSAID;
        if (!word)
                return true;
        for (SnapshotPlace each = SNAPSHOT_NO; each <= last; each++)
                if (strcmp(word, place_names[each]) == 0) {
                        *place = each;
                        return true;
                }
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "snapshot is '%.32s'; it must be no, internal%s external%s",
                        word, last == SNAPSHOT_MANUAL ? "," : " or", last == SNAPSHOT_MANUAL ? " or manual" : "");
}

static bool read_memory(SnapshotDefinition *definition, const xmlNode *element, GError **error) {
        if (!read_place(element, SNAPSHOT_EXTERNAL, &definition->memory, error))
                return false;
        definition->memory_file = xml_attribute(element, "file");
        if (definition->memory_file && definition->memory == SNAPSHOT_UNSAID)
                definition->memory = SNAPSHOT_EXTERNAL;
        if (definition->memory_file && definition->memory != SNAPSHOT_EXTERNAL)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "a file is for memory that is external");
        if (!definition->memory_file && definition->memory == SNAPSHOT_EXTERNAL)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "external memory needs a file");
        return !definition->memory_file || path_check(definition->memory_file, error);
}

/* What a disk's element may have: its source as in a domain's document, which is kept as it is. */
static bool check_parts(const xmlNode *element, GError **error) {
        static const char *const known[] = { "source", "driver", NULL };
        for (const xmlNode *part = xml_child(element, NULL); part; part = xml_next(part, NULL))
                if (!g_strv_contains(known, (const char *) part->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, part, "a snapshot's disk has no such element");
        return true;
}

static bool read_source(SnapshotDisk *disk, const xmlNode *element, GError **error) {
        static const char *const types[] = { "file", "block", "network", NULL };
        static const char *const formats[] = { "raw", "qcow2", "qcow", "qed", "vmdk", "vdi",   "vpc",   "vhd",   "luks",
                                               "fat", "dir",   "iso",  "cow", "dmg",  "bochs", "cloop", "ploop", NULL };
        const xmlNode *source = xml_child(element, "source"), *driver = xml_child(element, "driver");
        disk->type = xml_attribute(element, "type");
        disk->format = xml_attribute(driver, "type");
        if (!xml_one_of(element, "type", types, error) || !check_parts(element, error))
                return false;
        bool is_block = disk->type && strcmp(disk->type, "block") == 0;
        disk->path = xml_attribute(source, is_block ? "dev" : "file");
        bool says = source || disk->format || disk->type;
        if (says && disk->place == SNAPSHOT_UNSAID)
                disk->place = SNAPSHOT_EXTERNAL;
        if (source && disk->place != SNAPSHOT_EXTERNAL)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, source, "a file is for a disk whose snapshot is external");
        if (disk->path && !disk->path[0])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, source, "the path is empty");
        if (disk->path && !path_check(disk->path, error))
                return false;
        return !disk->format || g_strv_contains(formats, disk->format) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, driver, "type is '%.32s', which is not a format of images",
                        disk->format);
}

static bool read_disk(void *data, xmlNode *element, char *name, GError **error) {
        const SnapshotDefinition *definition = data;
        SnapshotDisk *disk = g_new0(SnapshotDisk, 1);
        disk->name = name;
        g_ptr_array_add(definition->disks, disk);
        if (!read_place(element, SNAPSHOT_MANUAL, &disk->place, error) || !read_source(disk, element, error))
                return false;
        if (xml_child(element, NULL))
                disk->element = xml_element_text(element);
        return true;
}

static bool read_state(SnapshotDefinition *definition, const xmlNode *root, GError **error) {
        static const char *const states[] = { "nostate", "running", "blocked",     "paused",        "shutdown",
                                              "shutoff", "crashed", "pmsuspended", "disk-snapshot", NULL };
        const xmlNode *state = xml_child(root, "state");
        definition->state = xml_text(state);
        if (!definition->state)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<state> is missing: what the domain did then");
        if (!g_strv_contains(states, definition->state))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, state, "'%.32s' is not a state of a domain", definition->state);
        bool has_memory = definition->memory == SNAPSHOT_INTERNAL || definition->memory == SNAPSHOT_EXTERNAL;
        bool was_off = strcmp(definition->state, "shutoff") == 0 || strcmp(definition->state, "disk-snapshot") == 0;
        return !has_memory || !was_off ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, state, "what is '%s' has no memory in its snapshot", definition->state);
}

static SnapshotDefinition *read_root(const xmlNode *root, bool known, GError **error) {
        static const char *const elements[] = { "name",           "description", "state",  "creationTime",
                                                "parent",         "memory",      "disks",  "domain",
                                                "inactiveDomain", "cookie",      "active", "revertDisks",
                                                BEING_DELETED,    NULL };
        g_autoptr(SnapshotDefinition) definition = snapshot_definition_new();
        const xmlNode *memory = xml_child(root, "memory");
        if (!tree_item_check_elements(root, elements, "snapshot", error) ||
            !tree_item_read(&definition->item, root, "snapshot", known, error) ||
            (memory && !read_memory(definition, memory, error)) ||
            !tree_disks_read(definition->disks, xml_child(root, "disks"), read_disk, definition, error))
                return NULL;
        definition->domain = tree_item_read_domain(root, "domain", &definition->uuid);
        if (!known)
                return g_steal_pointer(&definition);
        definition->inactive = tree_item_read_domain(root, "inactiveDomain", NULL);
        definition->is_going = xml_child(root, BEING_DELETED) != NULL;
        return read_state(definition, root, error) ? g_steal_pointer(&definition) : NULL;
}

SnapshotDefinition *snapshot_definition_parse(const char *xml, bool known, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "domainsnapshot", error);
        return document ? read_root(xmlDocGetRootElement(document), known, error) : NULL;
}

SnapshotDefinition *snapshot_definition_parse_own(const char *xml, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse_own(xml, "domainsnapshot", error);
        return document ? read_root(xmlDocGetRootElement(document), true, error) : NULL;
}

bool snapshot_definition_names_files(const SnapshotDefinition *definition) {
        for (guint i = 0; i < definition->disks->len; i++) {
                const SnapshotDisk *disk = definition->disks->pdata[i];
                if (disk->path || (disk->type && strcmp(disk->type, "network") == 0))
                        return true;
        }
        return definition->memory_file != NULL;
}

bool snapshot_definition_has(const SnapshotDefinition *definition, SnapshotPlace place) {
        for (guint i = 0; i < definition->disks->len; i++)
                if (((const SnapshotDisk *) definition->disks->pdata[i])->place == place)
                        return true;
        return definition->memory == place;
}

/* Writing */

static void add_disk(xmlNode *disks, const SnapshotDisk *disk) {
        xmlNode *element = xml_add(disks, "disk", NULL);
        xml_set_attribute(element, "name", disk->name);
        if (disk->place != SNAPSHOT_UNSAID)
                xml_set_attribute(element, "snapshot", place_names[disk->place]);
        if (disk->place == SNAPSHOT_EXTERNAL)
                xml_set_attribute(element, "type", disk->type ? disk->type : "file");
        static const char *const parts[] = { "driver", "source" };
        g_autoptr(xmlDoc) said = disk->element ? xml_parse_own(disk->element, "disk", NULL) : NULL;
        for (size_t i = 0; said && i < G_N_ELEMENTS(parts); i++) {
                xmlNode *part = xml_child(xmlDocGetRootElement(said), parts[i]);
                if (part && (part->properties || part->children))
                        xmlAddChild(element, xmlDocCopyNode(part, element->doc, 1));
        }
        if (disk->format && disk->place == SNAPSHOT_EXTERNAL)
                xml_set_attribute(xml_ensure_child(element, "driver"), "type", disk->format);
        if (disk->path) {
                bool is_block = disk->type && strcmp(disk->type, "block") == 0;
                xml_set_attribute(xml_ensure_child(element, "source"), is_block ? "dev" : "file", disk->path);
        }
}

char *snapshot_definition_text(const SnapshotDefinition *definition, bool secrets) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "domainsnapshot", NULL);
        xmlDocSetRootElement(document, root);
        tree_item_write_text(root, "name", definition->name);
        tree_item_write_text(root, "description", definition->description);
        if (definition->is_going)
                xml_add(root, BEING_DELETED, NULL);
        tree_item_write_text(root, "state", definition->state);
        tree_item_write_origin(&definition->item, root);
        if (definition->memory != SNAPSHOT_UNSAID) {
                xmlNode *memory = xml_add(root, "memory", NULL);
                xml_set_attribute(memory, "snapshot", place_names[definition->memory]);
                if (definition->memory_file)
                        xml_set_attribute(memory, "file", definition->memory_file);
        }
        if (definition->disks->len > 0) {
                xmlNode *disks = xml_add(root, "disks", NULL);
                for (guint i = 0; i < definition->disks->len; i++)
                        add_disk(disks, definition->disks->pdata[i]);
        }
        tree_item_write_domain(root, "domain", definition->domain, secrets);
        tree_item_write_whose(&definition->item, root);
        tree_item_write_domain(root, "inactiveDomain", definition->inactive, secrets);
        return xml_document_text(document);
}

/* Completing */

/* What the domain's own document says of a disk: <disk snapshot='...'>. */
static SnapshotPlace place_in_domain(const Definition *domain, xmlDoc *document, const DeviceDefinition *device) {
        const xmlNode *element = document ? definition_find_element(document, domain, device->alias) : NULL;
        SnapshotPlace place = SNAPSHOT_UNSAID;
        if (element && read_place(element, SNAPSHOT_MANUAL, &place, NULL))
                return place;
        return SNAPSHOT_UNSAID;
}

char *snapshot_definition_overlay(const char *image, const char *name) {
        const char *slash = strrchr(image, '/'), *dot = strrchr(image, '.');
        g_autofree char *stem = dot && slash && dot > slash + 1 ? g_strndup(image, (gsize) (dot - image)) : g_strdup(image);
        return g_strdup_printf("%s.%s", stem, name);
}

/* What of a disk cannot have an overlay, and why. */
static bool check_overlaid(const SnapshotDisk *disk, const DeviceDefinition *device, const xmlNode *element, GError **error) {
        static const struct {
                const char *element, *why;
        } parts[] = {
                { "shareable", "is shared with other machines, which would go on with the image under the overlay" },
                { "transient", "is transient: what it becomes is dropped when the guest ends" },
                { "encryption", "is encrypted, and its overlay would not be" },
        };
        const char *why = device->read_only                   ? "is only read: it has no need of an overlay; say snapshot='no'"
                          : strcmp(device->type, "disk") != 0 ? "is not a plain disk, which alone can have an overlay"
                                                              : NULL;
        for (size_t i = 0; !why && i < G_N_ELEMENTS(parts); i++)
                if (xml_child(element, parts[i].element) || xml_child(xml_child(element, "source"), parts[i].element))
                        why = parts[i].why;
        return !why || tree_disk_fail(disk, VIRTBUS_ERROR_UNSUPPORTED, why, error);
}

typedef struct Completing {
        const SnapshotDefinition *definition;
        const Definition *domain;
        xmlDoc *document;        /* the domain's */
        SnapshotPlace otherwise; /* where nothing is said */
} Completing;

static bool complete_disk(void *data, void *which, const DeviceDefinition *device, GError **error) {
        const Completing *completing = data;
        SnapshotDisk *disk = which;
        SnapshotPlace said = place_in_domain(completing->domain, completing->document, device);
        bool is_empty = !device->source[0],
             is_plain = strcmp(device->source_type, "file") == 0 || strcmp(device->source_type, "block") == 0;
        if (disk->place == SNAPSHOT_UNSAID)
                disk->place = is_empty || device->read_only ? SNAPSHOT_NO
                              : said != SNAPSHOT_UNSAID     ? said
                                                            : completing->otherwise;
        if (disk->place == SNAPSHOT_NO || disk->place == SNAPSHOT_MANUAL)
                return true;
        if (is_empty)
                return tree_disk_fail(disk, VIRTBUS_ERROR_INVALID_ARGUMENT, "has no image: it cannot be in a snapshot", error);
        if (!is_plain)
                return tree_disk_fail(disk, VIRTBUS_ERROR_UNSUPPORTED,
                                      "is neither a file nor a block device: it cannot be in a snapshot; say snapshot='no'",
                                      error);
        if (disk->place == SNAPSHOT_INTERNAL)
                return strcmp(device->format, "qcow2") == 0 ||
                       tree_disk_fail(disk, VIRTBUS_ERROR_UNSUPPORTED,
                                      "is not qcow2, which alone can have snapshots in it: convert it, use an overlay "
                                      "(disk_only), or say "
                                      "snapshot='no'",
                                      error);
        const xmlNode *element =
                        completing->document ? definition_find_element(completing->document, completing->domain, device->alias)
                                             : NULL;
        if (!check_overlaid(disk, device, element, error))
                return false;
        if (disk->type && strcmp(disk->type, "network") == 0)
                return tree_disk_fail(disk, VIRTBUS_ERROR_UNSUPPORTED, "cannot have an overlay that is reached over the network",
                                      error);
        if (!disk->path && strcmp(device->source_type, "block") == 0)
                return tree_disk_fail(disk, VIRTBUS_ERROR_INVALID_ARGUMENT, "is a block device: name the file of its overlay",
                                      error);
        if (!disk->path)
                disk->path = snapshot_definition_overlay(device->source, completing->definition->name);
        if (!disk->type)
                disk->type = g_strdup("file");
        if (disk->format && strcmp(disk->format, "qcow2") != 0)
                return tree_disk_fail(disk, VIRTBUS_ERROR_UNSUPPORTED, "gets an overlay, which must be qcow2", error);
        if (!disk->format)
                disk->format = g_strdup("qcow2");
        return true;
}

static bool check_whole(const SnapshotDefinition *definition, bool active, bool disk_only, GError **error) {
        bool internal = false, external = false;
        for (guint i = 0; i < definition->disks->len; i++) {
                const SnapshotDisk *disk = definition->disks->pdata[i];
                internal |= disk->place == SNAPSHOT_INTERNAL;
                external |= disk->place == SNAPSHOT_EXTERNAL;
        }
        if (internal && external)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "some disks would be internal and others external: they are all one or the other");
        if (definition->memory == SNAPSHOT_EXTERNAL)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "memory in a file cannot be in a snapshot yet; leave <memory> out, or use disk_only");
        if (definition->memory == SNAPSHOT_INTERNAL && !internal)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "internal memory needs a disk whose image is qcow2, and internal in the snapshot");
        if (active && internal && definition->memory != SNAPSHOT_INTERNAL)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_UNSUPPORTED,
                                "of a guest that runs, disks are internal with its memory; or use disk_only with overlays");
        if (!active && definition->memory == SNAPSHOT_INTERNAL)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "a domain that is off has no memory to be kept");
        return internal || external || !disk_only ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "no disk would be in the snapshot");
}

bool snapshot_definition_complete(SnapshotDefinition *definition, const Definition *domain, bool active, bool disk_only,
                                  GError **error) {
        g_autoptr(xmlDoc) document = definition_document(domain, NULL);
        if (disk_only && (definition->memory == SNAPSHOT_INTERNAL || definition->memory == SNAPSHOT_EXTERNAL))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "disk_only leaves the memory out, and the document does not");
        if (definition->memory == SNAPSHOT_UNSAID)
                definition->memory = active && !disk_only ? SNAPSHOT_INTERNAL : SNAPSHOT_NO;
        bool is_external = disk_only || (active && definition->memory != SNAPSHOT_INTERNAL);
        Completing completing = { definition, domain, document, is_external ? SNAPSHOT_EXTERNAL : SNAPSHOT_INTERNAL };
        return tree_disks_complete(&definition->disks, sizeof(SnapshotDisk), disk_free, domain, complete_disk, &completing,
                                   error) &&
               check_whole(definition, active, disk_only, error);
}
