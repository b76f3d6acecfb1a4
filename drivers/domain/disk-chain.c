/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/disk-chain.h"

#include <stdlib.h>
#include <string.h>

static void image_free(DiskImage *image) {
        g_free(image->type);
        g_free(image->path);
        g_free(image->format);
        g_free(image);
}

GPtrArray *disk_chain_new(void) {
        return g_ptr_array_new_with_free_func((GDestroyNotify) image_free);
}

void disk_chain_add(GPtrArray *chain, const DiskImage *image) {
        DiskImage *copy = g_new0(DiskImage, 1);
        *copy = *image;
        copy->type = g_strdup(image->type);
        copy->path = g_strdup(image->path);
        copy->format = g_strdup(image->format);
        g_ptr_array_add(chain, copy);
}

/* ELEMENT: the disk, or a <backingStore>. */
static char *path_of(const xmlNode *element) {
        const xmlNode *source = xml_child(element, "source");
        if (xml_attribute_is(element, "type", "block"))
                return xml_attribute(source, "dev");
        return xml_attribute_is(element, "type", "file") || !xmlHasProp((xmlNode *) element, (const xmlChar *) "type")
                               ? xml_attribute(source, "file")
                               : NULL;
}

static bool read_index(const xmlNode *element, uint64_t *index) {
        return element && xmlHasProp((xmlNode *) element, (const xmlChar *) "index") &&
               xml_number_attribute(element, "index", 1, UINT32_MAX, index, NULL);
}

static bool add_image(GPtrArray *chain, const xmlNode *element) {
        bool is_disk = xml_is(element, "disk");
        const xmlNode *source = xml_child(element, "source"), *format = xml_child(element, is_disk ? "driver" : "format");
        g_autofree char *path = path_of(element), *type = xml_attribute(element, "type"), *name = xml_attribute(format, "type");
        uint64_t index = 0;
        bool is_found = !is_disk && read_index(element, &index);
        if (!path || (!is_found && !read_index(source, &index)))
                return false;
        disk_chain_add(chain, &(DiskImage){ (uint32_t) index, type ? type : (char *) "file", path, name ? name : (char *) "raw",
                                            is_found });
        return true;
}

GPtrArray *disk_chain_read(const xmlNode *disk) {
        g_autoptr(GPtrArray) chain = disk_chain_new();
        for (const xmlNode *element = disk; element; element = xml_child(element, "backingStore")) {
                if (element != disk && !xml_child(element, "source"))
                        break; /* <backingStore/>: there is no other */
                if (!add_image(chain, element))
                        return NULL;
        }
        return g_steal_pointer(&chain);
}

GPtrArray *disk_chain_read_named(const xmlNode *disk) {
        g_autoptr(GPtrArray) chain = disk_chain_new();
        const xmlNode *element = disk;
        for (; element && xml_child(element, "source"); element = xml_child(element, "backingStore")) {
                const xmlNode *format = xml_child(element, element == disk ? "driver" : "format");
                g_autofree char *path = path_of(element), *type = xml_attribute(element, "type"),
                                *name = xml_attribute(format, "type");
                if (!path)
                        return NULL;
                disk_chain_add(chain, &(DiskImage){ .type = type ? type : (char *) "file",
                                                    .path = path,
                                                    .format = name ? name : (char *) "raw" });
        }
        if (!element)
                disk_chain_add(chain, &(DiskImage){ .type = (char *) "file",
                                                    .path = (char *) "",
                                                    .format = (char *) "raw",
                                                    .is_found = true });
        return chain->len > 0 ? g_steal_pointer(&chain) : NULL;
}

int disk_chain_place(const GPtrArray *chain, uint32_t index) {
        for (guint i = 0; i < chain->len; i++)
                if (((const DiskImage *) chain->pdata[i])->index == index)
                        return (int) i;
        return -1;
}

const DiskImage *disk_chain_find(const GPtrArray *chain, const char *target, const char *name) {
        const char *number = name;
        size_t length = strlen(target);
        if (strncmp(name, target, length) == 0 && name[length] == '[' && g_str_has_suffix(name, "]"))
                number = name + length + 1;
        else if (strcmp(name, target) == 0)
                return chain->pdata[0];
        char *end;
        guint64 index = g_ascii_isdigit(*number) ? g_ascii_strtoull(number, &end, 10) : 0;
        bool is_number = index > 0 && index <= UINT32_MAX && strcmp(end, number == name ? "" : "]") == 0;
        int place = is_number ? disk_chain_place(chain, (uint32_t) index) : -1;
        for (guint i = 0; place < 0 && i < chain->len; i++)
                if (strcmp(((const DiskImage *) chain->pdata[i])->path, name) == 0)
                        place = (int) i;
        return place < 0 ? NULL : chain->pdata[place];
}

/* Parts of an element that belong to one image. */
typedef struct Part {
        char *path;
        xmlNode *source, *format;
} Part;

static void part_free(Part *part) {
        g_free(part->path);
        g_clear_pointer(&part->source, xmlFreeNode);
        g_clear_pointer(&part->format, xmlFreeNode);
        g_free(part);
}

static GPtrArray *copy_parts(xmlNode *disk) {
        GPtrArray *parts = g_ptr_array_new_with_free_func((GDestroyNotify) part_free);
        for (xmlNode *element = disk; element; element = xml_child(element, "backingStore")) {
                xmlNode *source = xml_child(element, "source"), *format = element == disk ? NULL : xml_child(element, "format");
                Part *part = g_new0(Part, 1);
                part->path = path_of(element);
                part->source = source ? xmlDocCopyNode(source, disk->doc, 1) : NULL;
                part->format = format ? xmlDocCopyNode(format, disk->doc, 1) : NULL;
                g_ptr_array_add(parts, part);
        }
        return parts;
}

static Part *find_part(const GPtrArray *parts, const DiskImage *image) {
        for (guint i = 0; i < parts->len; i++)
                if (g_strcmp0(((Part *) parts->pdata[i])->path, image->path) == 0)
                        return parts->pdata[i];
        return NULL;
}

/* Its own element, without its number; or a new one. */
static xmlNode *take_source(const GPtrArray *parts, const DiskImage *image, xmlNode *element) {
        Part *part = find_part(parts, image);
        xmlNode *source = part ? g_steal_pointer(&part->source) : NULL;
        if (source)
                xmlAddChild(element, source);
        else
                source = xml_add(element, "source", NULL);
        xmlUnsetProp(source, (const xmlChar *) "index");
        xml_set_attribute(source, strcmp(image->type, "block") == 0 ? "dev" : "file", image->path);
        return source;
}

static void put_top(xmlNode *disk, const GPtrArray *parts, const DiskImage *image, bool numbered) {
        xmlNode *old = xml_child(disk, "source"), *source = old;
        g_autofree char *format = xml_attribute_at(disk, "driver", "type"), *path = path_of(disk);
        if (g_strcmp0(path, image->path) != 0) {
                source = take_source(parts, image, disk);
                if (old) {
                        xmlReplaceNode(old, source);
                        xmlFreeNode(old);
                }
        }
        xml_set_attribute(disk, "type", image->type);
        if (strcmp(*format ? format : "raw", image->format) != 0)
                xml_set_attribute(xml_ensure_child(disk, "driver"), "type", image->format);
        if (numbered)
                xml_set_number(source, "index", image->index);
}

static xmlNode *put_below(xmlNode *above, const GPtrArray *parts, const DiskImage *image, bool numbered) {
        Part *part = find_part(parts, image);
        xmlNode *store = xmlNewDocNode(above->doc, NULL, (const xmlChar *) "backingStore", NULL);
        if (xml_is(above, "disk"))
                xmlAddNextSibling(xml_child(above, "source"), store);
        else
                xmlAddChild(above, store);
        xml_set_attribute(store, "type", image->type);
        xmlNode *format = part ? g_steal_pointer(&part->format) : NULL;
        if (format)
                xmlAddChild(store, format);
        else
                format = xml_add(store, "format", NULL);
        xml_set_attribute(format, "type", image->format);
        xmlNode *source = take_source(parts, image, store);
        if (numbered)
                xml_set_number(image->is_found ? store : source, "index", image->index);
        return store;
}

static void put(xmlNode *disk, const GPtrArray *chain, bool numbered) {
        g_autoptr(GPtrArray) parts = copy_parts(disk);
        xmlNode *store = xml_child(disk, "backingStore"), *below = disk;
        bool names_some = store != NULL, left_out = false;
        if (store)
                xml_remove(store);
        put_top(disk, parts, chain->pdata[0], numbered);
        for (guint i = 1; i < chain->len && !left_out; i++) {
                const DiskImage *image = chain->pdata[i];
                left_out = image->is_found && !numbered;
                if (!left_out)
                        below = put_below(below, parts, image, numbered);
        }
        /* That there is no other is said where something was said before. */
        if (!left_out && (below != disk || names_some))
                xml_add(below, "backingStore", NULL);
}

/* Where the element names the first of them, it is only numbered, and the others are added: who holds a part of it, such as
 * that of an encryption, goes on holding it. False where it is to be made anew. */
static bool put_numbers(xmlNode *disk, const GPtrArray *chain) {
        g_autoptr(GPtrArray) elements = g_ptr_array_new();
        for (xmlNode *element = disk; element && xml_child(element, "source"); element = xml_child(element, "backingStore")) {
                g_autofree char *path = path_of(element);
                if (elements->len == chain->len || g_strcmp0(path, ((DiskImage *) chain->pdata[elements->len])->path) != 0)
                        return false;
                g_ptr_array_add(elements, element);
        }
        if (elements->len == 0)
                return false;
        put_top(disk, NULL, chain->pdata[0], true);
        for (guint i = 1; i < elements->len; i++) {
                const DiskImage *image = chain->pdata[i];
                xmlNode *store = elements->pdata[i];
                xml_set_number(image->is_found ? store : xml_child(store, "source"), "index", image->index);
        }
        xmlNode *below = elements->pdata[elements->len - 1], *end = xml_child(below, "backingStore");
        bool names_some = end || elements->len > 1;
        g_autoptr(GPtrArray) none = g_ptr_array_new();
        if (end && elements->len < chain->len)
                xml_remove(g_steal_pointer(&end));
        for (guint i = elements->len; i < chain->len; i++)
                below = put_below(below, none, chain->pdata[i], true);
        if (!end && (below != disk || names_some))
                xml_add(below, "backingStore", NULL);
        return true;
}

void disk_chain_write(xmlNode *disk, const GPtrArray *chain) {
        if (!put_numbers(disk, chain))
                put(disk, chain, true);
}

void disk_chain_define(xmlNode *disk, const GPtrArray *chain) {
        put(disk, chain, false);
}

static void forget(xmlNode *disk) {
        for (xmlNode *element = disk, *store; element; element = store) {
                uint64_t index;
                store = xml_child(element, "backingStore");
                if (store && read_index(store, &index)) { /* and all below it */
                        xml_remove(store);
                        store = NULL;
                }
                if (xml_child(element, "source"))
                        xmlUnsetProp(xml_child(element, "source"), (const xmlChar *) "index");
        }
}

void disk_chain_forget(xmlDoc *document) {
        xmlNode *devices = xml_child(xmlDocGetRootElement(document), "devices");
        for (xmlNode *disk = devices ? xml_child(devices, "disk") : NULL; disk; disk = xml_next(disk, "disk"))
                forget(disk);
}
