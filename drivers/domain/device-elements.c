/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/device-elements.h"

/* Domain-wide elements among the devices. */
static bool is_device(const xmlNode *element) {
        return !xml_is(element, "emulator") && !xml_is(element, "redirfilter") && !element->ns;
}

xmlNode *device_elements_first(xmlDoc *document) {
        xmlNode *element = xml_child(xml_child(xmlDocGetRootElement(document), "devices"), NULL);
        return !element || is_device(element) ? element : device_elements_next(element);
}

xmlNode *device_elements_next(xmlNode *device) {
        do
                device = xml_next(device, NULL);
        while (device && !is_device(device));
        return device;
}

xmlNode *device_elements_at(xmlDoc *document, guint index) {
        xmlNode *element = device_elements_first(document);
        while (element && index-- > 0)
                element = device_elements_next(element);
        return element;
}

xmlNode *device_elements_primary_video(xmlNode *devices) {
        xmlNode *primary = xml_child(devices, "video");
        for (xmlNode *other = primary; other; other = xml_next(other, "video"))
                if (xml_attribute_is(xml_child(other, "model"), "primary", "yes"))
                        primary = other;
        return primary;
}
