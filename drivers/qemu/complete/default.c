/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/default.h"

#include "base/xml.h"

void default_set(xmlNode *element, const char *name, const char *value) {
        if (!xmlHasProp(element, (const xmlChar *) name))
                xml_set_attribute(element, name, value);
}

void default_add(xmlNode *element, const char *name, const char *text) {
        if (!xml_child(element, name))
                xml_add(element, name, text);
}

void default_remove(xmlNode *element, const char *name) {
        if (element)
                xmlUnsetProp(element, (const xmlChar *) name);
}

bool default_drop_zero(xmlNode *element, const char *attribute) {
        bool is_zero = xml_attribute_is(element, attribute, "0");
        if (is_zero)
                default_remove(element, attribute);
        return is_zero;
}
