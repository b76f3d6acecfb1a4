/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/tree-item.h"

#include <inttypes.h>
#include <string.h>

#include "domain/definition.h"
#include "errors.h"

#define DESCRIPTION_BYTES_MAX 65536

void tree_item_init(TreeItem *item) {
        *item = (TreeItem){ .n_references = 1, .created = -1 };
}

void tree_item_clear(TreeItem *item) {
        char *strings[] = { item->name, item->parent, item->description, item->uuid, item->domain };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
}

/* Reading */

bool tree_item_check_elements(const xmlNode *root, const char *const *known, const char *whose, GError **error) {
        for (const xmlNode *element = xml_child(root, NULL); element; element = xml_next(element, NULL)) {
                if (!g_strv_contains(known, (const char *) element->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "a %s has no such element", whose);
                if (xml_next(element, (const char *) element->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it is there twice");
        }
        return true;
}

static bool check_name(const char *name, const char *whose, GError **error) {
        bool fine = *name && strlen(name) <= NAME_BYTES_MAX && name[0] != '.';
        for (const char *c = name; *c; c++)
                fine &= (unsigned char) *c >= 0x20 && *c != 0x7f && *c != '/';
        return fine || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "'%.64s' cannot be a %s's name: use 1 to %d bytes without '/' and control "
                                         "characters, and no '.' at the beginning",
                                         name, whose, NAME_BYTES_MAX);
}

/* Text as it is, white space and all. */
static char *content(const xmlNode *element) {
        xmlChar *text = element ? xmlNodeGetContent(element) : NULL;
        char *copy = g_strdup((const char *) text);
        xmlFree(text);
        return copy;
}

static bool read_origin(TreeItem *item, const xmlNode *root, const char *whose, GError **error) {
        const xmlNode *created = xml_child(root, "creationTime");
        g_autofree char *seconds = xml_text(created);
        uint64_t number = 0;
        if (!seconds)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<creationTime> is missing: in seconds since 1970");
        if (!xml_number(created, "it", seconds, 0, INT64_MAX / G_USEC_PER_SEC, &number, error))
                return false;
        item->created = (int64_t) number;
        item->parent = content(xml_find(root, "parent/name"));
        return !item->parent || check_name(item->parent, whose, error);
}

bool tree_item_read(TreeItem *item, const xmlNode *root, const char *whose, bool known, GError **error) {
        const xmlNode *description = xml_child(root, "description");
        item->name = content(xml_child(root, "name"));
        if (item->name && !check_name(item->name, whose, error))
                return false;
        if (known && !item->name)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<name> is missing");
        item->description = content(description);
        if (item->description && strlen(item->description) > DESCRIPTION_BYTES_MAX)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, description, "it has more than %d bytes",
                                DESCRIPTION_BYTES_MAX);
        return !known || read_origin(item, root, whose, error);
}

char *tree_item_read_domain(const xmlNode *root, const char *name, char **uuid) {
        xmlNode *element = xml_child(root, name);
        g_autofree char *text = xml_text(xml_child(element, "uuid"));
        if (text && uuid && !*uuid)
                *uuid = uuid_normalize(text);
        if (!element || !xmlHasProp(element, (const xmlChar *) "type"))
                return NULL;
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *copy = xmlDocCopyNode(element, document, 1);
        xmlNodeSetName(copy, (const xmlChar *) "domain");
        xmlDocSetRootElement(document, copy);
        return xml_document_text(document);
}

/* Writing */

void tree_item_write_text(xmlNode *root, const char *name, const char *text) {
        if (text)
                xmlNodeAddContent(xml_add(root, name, NULL), (const xmlChar *) text);
}

void tree_item_write_origin(const TreeItem *item, xmlNode *root) {
        if (item->parent)
                tree_item_write_text(xml_add(root, "parent", NULL), "name", item->parent);
        if (item->created >= 0) {
                g_autofree char *created = g_strdup_printf("%" PRId64, item->created);
                xml_add(root, "creationTime", created);
        }
}

void tree_item_write_domain(xmlNode *root, const char *name, const char *text, bool secrets) {
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "domain", NULL) : NULL;
        if (!document)
                return;
        if (!secrets)
                definition_remove_secrets(xmlDocGetRootElement(document));
        xmlNode *copy = xmlDocCopyNode(xmlDocGetRootElement(document), root->doc, 1);
        xmlNodeSetName(copy, (const xmlChar *) name);
        xmlAddChild(root, copy);
}

void tree_item_write_whose(const TreeItem *item, xmlNode *root) {
        if (!item->domain && item->uuid)
                xml_add(xml_add(root, "domain", NULL), "uuid", item->uuid);
}
