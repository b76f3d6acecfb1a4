/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/definition-edit.h"

#include <inttypes.h>

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
