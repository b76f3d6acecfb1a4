/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/controllers.h"

#include <string.h>

#include "domain/device-alias.h"

unsigned controllers_index(const xmlNode *controller) {
        g_autofree char *text = xml_attribute(controller, "index");
        return text ? (unsigned) MIN(strtoul(text, NULL, 0), 1 << 16) : 0;
}

xmlNode *controllers_find(xmlNode *devices, const char *type, unsigned index) {
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller"))
                if (xml_attribute_is(element, "type", type) && !xml_child(element, "master") &&
                    controllers_index(element) == index)
                        return element;
        return NULL;
}

xmlNode *controllers_add(xmlNode *devices, const char *type, unsigned index, const char *model) {
        xmlNode *element = xml_add(devices, "controller", NULL);
        xml_set_attribute(element, "type", type);
        xml_set_number(element, "index", index);
        if (model)
                xml_set_attribute(element, "model", model);
        element->_private = element; /* see controllers_sorted */
        return element;
}

/* Sorting, as libvirt inserts an element into the list of its kind: before the first of its bus that comes after it, else
 * after the last of its bus, else at the end. What was added here stays at the end. */

static int sort_key(const xmlNode *element, const char **group) {
        static const char *const none = "";
        *group = none;
        if (xml_is(element, "controller")) {
                xmlAttr *type = xmlHasProp((xmlNode *) element, (const xmlChar *) "type");
                *group = type && type->children ? (const char *) type->children->content : none;
                return (int) controllers_index(element);
        }
        xmlNode *target = xml_child(element, "target");
        xmlAttr *bus = target ? xmlHasProp(target, (const xmlChar *) "bus") : NULL;
        g_autofree char *name = xml_attribute(target, "dev");
        /* One whose bus its name has said was inserted before that was read. */
        *group = bus && bus->children && !element->_private ? (const char *) bus->children->content : none;
        return name ? disk_index(name) : -1;
}

GPtrArray *controllers_sorted(xmlNode *devices, const char *name) {
        GPtrArray *sorted = g_ptr_array_new();
        for (xmlNode *element = xml_child(devices, name); element; element = xml_next(element, name)) {
                const char *group, *other_group;
                int key = sort_key(element, &group), at = -1;
                for (int i = (int) sorted->len - 1; i >= 0 && !(element->_private && xml_is(element, "controller")); i--) {
                        int other = sort_key(sorted->pdata[i], &other_group);
                        if (strcmp(group, other_group) != 0)
                                continue;
                        if (other > key)
                                at = i;
                        else if (at < 0)
                                at = i + 1;
                }
                g_ptr_array_insert(sorted, at, element);
        }
        return sorted;
}

void controllers_ensure(xmlNode *devices, const char *type, unsigned index, const char *model) {
        if (index <= CONTROLLER_INDEX_MAX && !controllers_find(devices, type, index))
                controllers_add(devices, type, index, model);
}

unsigned controllers_number(const xmlNode *element, const char *name) {
        g_autofree char *text = xml_attribute(xml_child(element, "address"), name);
        return text ? (unsigned) MIN(strtoul(text, NULL, 0), 1 << 16) : 0;
}
