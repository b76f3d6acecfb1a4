/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/definition-edit.h"

#include <inttypes.h>
#include <string.h>

#include "base/xml-layout.h"

static void set_kibibytes(xmlNode *root, const char *name, uint64_t bytes) {
        xmlNode *element = xml_ensure_child(root, name);
        g_autofree char *text = g_strdup_printf("%" PRIu64, bytes / 1024);
        xml_set_attribute(element, "unit", "KiB");
        xmlNodeSetContent(element, (const xmlChar *) text);
}

void definition_edit_memory(xmlNode *root, uint64_t bytes) {
        set_kibibytes(root, "currentMemory", bytes);
}

void definition_edit_max_memory(xmlNode *root, uint64_t bytes) {
        set_kibibytes(root, "memory", bytes);
}

xmlNode *definition_edit_find_metadata(const xmlNode *root, const char *uri) {
        xmlNode *metadata = xml_child(root, "metadata");
        for (xmlNode *node = metadata ? metadata->children : NULL; node; node = node->next)
                if (node->type == XML_ELEMENT_NODE && node->ns && g_strcmp0((const char *) node->ns->href, uri) == 0)
                        return node;
        return NULL;
}

void definition_edit_attribute(xmlNode *element, const char *place, const char *value) {
        const char *at = strchr(place, '@');
        g_autofree char *child = at > place ? g_strndup(place, (size_t) (at - place - 1)) : NULL;
        if (child)
                element = value ? xml_ensure_child(element, child) : xml_child(element, child);
        xmlAttr *attribute = element ? xmlHasProp(element, (const xmlChar *) at + 1) : NULL;
        if (value)
                xml_set_attribute(element, at + 1, value);
        else if (attribute)
                xmlRemoveProp(attribute);
}

static void add_part(xmlNode *parent, xmlNode *element) {
        static const char *const head[] = { "name", "uuid", "genid", "title", "description" };
        xmlNode *place = NULL;
        bool is_of_head = false;
        for (size_t i = 0; i < G_N_ELEMENTS(head) && !is_of_head; i++) {
                xmlNode *before = xml_child(parent, head[i]);
                is_of_head = xml_is(element, head[i]);
                if (before)
                        place = before;
        }
        if (is_of_head && place && xml_is(parent, "domain"))
                xmlAddNextSibling(place, element);
        else
                xmlAddChild(parent, element);
}

void definition_edit_part(xmlNode *element, const char *place, xmlNode *part) {
        const char *slash = strchr(place, '/'), *name = slash ? slash + 1 : place;
        if (slash) {
                g_autofree char *parent = g_strndup(place, (size_t) (slash - place));
                element = part ? xml_ensure_child(element, parent) : xml_child(element, parent);
        }
        xmlNode *old = xml_child(element, name), *copy = part ? xmlDocCopyNode(part, element->doc, 1) : NULL;
        if (copy && old)
                xmlAddPrevSibling(old, copy);
        else if (copy)
                add_part(element, copy);
        if (old)
                xml_remove(old);
}

void definition_edit_metadata(xmlNode *root, const char *uri, xmlDoc *metadata) {
        xmlNode *old = definition_edit_find_metadata(root, uri);
        if (metadata) {
                xmlNode *element = xmlDocCopyNode(xmlDocGetRootElement(metadata), root->doc, 1);
                xml_layout_keep(element);
                xmlAddChild(xml_ensure_child(root, "metadata"), element);
        }
        if (old)
                xml_remove(old);
}
