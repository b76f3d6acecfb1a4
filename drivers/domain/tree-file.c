/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/tree-file.h"

#include <string.h>

#include "base/store.h"

TreeFile *tree_file_new(const TreeKind *kind) {
        TreeFile *file = g_new0(TreeFile, 1);
        *file = (TreeFile){ .kind = kind, .items = g_ptr_array_new_with_free_func((GDestroyNotify) kind->unref) };
        return file;
}

void tree_file_free(TreeFile *file) {
        tree_file_set_pending(file, NULL, NULL);
        g_ptr_array_unref(file->items);
        g_free(file->current);
        g_free(file);
}

void tree_file_set_pending(TreeFile *file, TreeItem *item, const char *traces) {
        TreeItem *old = file->pending;
        g_autofree char *old_traces = file->traces;
        if (item)
                item->n_references++;
        file->pending = item;
        file->traces = g_strdup(traces);
        if (old)
                file->kind->unref(old);
}

/* Reading */

typedef struct Reading {
        TreeFile *file;
        GHashTable *by_name; /* of the items, to which its keys belong */
} Reading;

static bool read_pending(TreeFile *file, const xmlNode *element, TreeItem *item, GError **error) {
        g_autofree char *traces = xml_attribute(element, "traces");
        if (file->pending)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it is there twice");
        tree_file_set_pending(file, item, traces);
        return true;
}

static bool read_one(const Reading *reading, const xmlNode *element, TreeItem *item, GError **error) {
        TreeFile *file = reading->file;
        const TreeKind *kind = file->kind;
        if (file->items->len >= kind->max)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "there are more than %u", kind->max);
        if (g_hash_table_contains(reading->by_name, item->name))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "'%s' is there twice", item->name);
        item->n_references++;
        g_ptr_array_add(file->items, item);
        g_hash_table_insert(reading->by_name, item->name, item);
        return true;
}

static bool read_element(const Reading *reading, const xmlNode *element, GError **error) {
        const TreeKind *kind = reading->file->kind;
        g_autofree char *text = xml_text(element);
        if (!xml_is(element, "pending") && !xml_is(element, kind->one))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "such a file has no such element");
        if (!text)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it is empty");
        TreeItem *item = kind->parse_own(text, error);
        bool fine = item && (xml_is(element, "pending") ? read_pending(reading->file, element, item, error)
                                                        : read_one(reading, element, item, error));
        if (item)
                kind->unref(item);
        return fine;
}

/* Whoever goes up from one comes to one that has no parent, which takes fewer steps than there are. */
static bool check_way_up(const Reading *reading, const TreeItem *item, GError **error) {
        const TreeItem *above = item;
        for (guint i = 0; above->parent; i++) {
                const TreeItem *parent = g_hash_table_lookup(reading->by_name, above->parent);
                if (!parent)
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML,
                                                 "'%s' names the parent '%s', which does not exist", above->name, above->parent);
                if (i >= reading->file->items->len)
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "'%s' is below itself", item->name);
                above = parent;
        }
        return true;
}

static bool check_tree(const Reading *reading, GError **error) {
        const TreeFile *file = reading->file;
        for (guint i = 0; i < file->items->len; i++)
                if (!check_way_up(reading, file->items->pdata[i], error))
                        return false;
        if (file->current && !g_hash_table_contains(reading->by_name, file->current))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "the current one is '%s', which is not there",
                                         file->current);
        return !file->pending || !g_hash_table_contains(reading->by_name, file->pending->name) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "'%s' is half made, and is there", file->pending->name);
}

TreeFile *tree_file_parse(const TreeKind *kind, const char *text, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse_own(text, kind->root, error);
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        if (!root || !store_check_format(root, error))
                return NULL;
        g_autoptr(TreeFile) file = tree_file_new(kind);
        g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
        const Reading reading = { file, by_name };
        for (const xmlNode *element = xml_child(root, NULL); element; element = xml_next(element, NULL))
                if (!read_element(&reading, element, error))
                        return NULL;
        file->current = xml_attribute(root, "current");
        return check_tree(&reading, error) ? g_steal_pointer(&file) : NULL;
}

/* Writing */

static xmlNode *add_one(xmlNode *root, const char *name, const TreeKind *kind, const TreeItem *item) {
        g_autofree char *text = kind->text(item, true);
        xmlNode *element = xml_add(root, name, NULL);
        xmlNodeAddContent(element, (const xmlChar *) text);
        return element;
}

/* The documents are text in it: however many there are, its elements are few. */
char *tree_file_text(const TreeFile *file) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) file->kind->root, NULL);
        xmlDocSetRootElement(document, root);
        xml_set_number(root, "format", STORE_FORMAT_COMMON);
        if (file->current)
                xml_set_attribute(root, "current", file->current);
        if (file->pending) {
                xmlNode *pending = add_one(root, "pending", file->kind, file->pending);
                if (file->traces)
                        xml_set_attribute(pending, "traces", file->traces);
        }
        for (guint i = 0; i < file->items->len; i++)
                add_one(root, file->kind->one, file->kind, file->items->pdata[i]);
        return xml_document_text(document);
}
