/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xml-compare.h"

#include <string.h>

void xml_strip(xmlNode *element, const char *part) {
        xmlAttr *attribute = part[0] == '@' ? xmlHasProp(element, (const xmlChar *) part + 1) : NULL;
        xmlNode *child = part[0] == '@' ? NULL : xml_child(element, part);
        if (attribute)
                xmlRemoveProp(attribute);
        if (child) {
                xml_remove(child);
        }
}

static int compare_elements(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

char *xml_canonical(const xmlNode *element) {
        g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *text = xml_child(element, NULL) ? NULL : xml_text(element);
        for (xmlAttr *attribute = element->properties; attribute; attribute = attribute->next) {
                g_autofree char *value = xml_attribute(element, (const char *) attribute->name);
                g_ptr_array_add(parts, g_strdup_printf("@%s='%s'", (const char *) attribute->name, value));
        }
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL))
                g_ptr_array_add(parts, xml_canonical(child));
        g_ptr_array_sort(parts, compare_elements);
        g_ptr_array_add(parts, NULL);
        g_autofree char *inside = g_strjoinv(" ", (char **) parts->pdata);
        return g_strdup_printf("<%s %s %s>", (const char *) element->name, inside, text ? text : "");
}

/* One part of an element, "" where it has none. */
static char *part_text(const xmlNode *element, const char *part) {
        if (part[0] == '@') {
                char *value = xml_attribute(element, part + 1);
                return value ? value : g_strdup("");
        }
        const xmlNode *child = xml_child(element, part);
        return child ? xml_canonical(child) : g_strdup("");
}

bool xml_differs(const xmlNode *old, const xmlNode *new, const char *part) {
        g_autofree char *one = part_text(old, part), *two = part_text(new, part);
        return strcmp(one, two) != 0;
}
