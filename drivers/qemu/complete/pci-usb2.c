/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/pci-usb2.h"

#include "qemu/complete/controllers.h"

static const struct {
        const char *model;
        unsigned function;
} usb2_functions[] = { { "ich9-ehci1", 7 }, { "ich9-uhci1", 0 }, { "ich9-uhci2", 1 }, { "ich9-uhci3", 2 } };

static unsigned usb2_function(const xmlNode *element) {
        for (size_t i = 0; i < G_N_ELEMENTS(usb2_functions); i++)
                if (xml_attribute_is(element, "type", "usb") && xml_attribute_is(element, "model", usb2_functions[i].model))
                        return usb2_functions[i].function;
        return PCI_FUNCTIONS;
}

void pci_usb2_place_at(PciTopology *topology, xmlNode *devices, unsigned index, PciPlace place) {
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                place.function = usb2_function(element);
                if (place.function < PCI_FUNCTIONS && controllers_index(element) == index)
                        pci_place_at(topology, element, place, place.function == 0);
        }
}

bool pci_usb2_place(PciTopology *topology, xmlNode *devices, xmlNode *element, GError **error) {
        unsigned function = usb2_function(element);
        PciPlace place;
        if (function == PCI_FUNCTIONS)
                return pci_place_if_wanted(topology, element, error);
        for (xmlNode *other = xml_child(devices, "controller"); other; other = xml_next(other, "controller")) {
                g_autofree char *model = xml_attribute(other, "model");
                g_autofree char *bus = xml_attribute(xml_child(other, "address"), "slot");
                if (other == element || !model || !g_str_has_prefix(model, "ich9-") ||
                    controllers_index(other) != controllers_index(element) || !bus || !pci_read_place(other, &place, NULL))
                        continue;
                place.function = function;
                if (pci_place_at(topology, element, place, function == 0))
                        return true;
        }
        if (!pci_next_place(topology, PCI_CONVENTIONAL | PCI_HOTPLUG, function, &place) &&
            !pci_next_place(topology, PCI_CONVENTIONAL, function, &place))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "no PCI slot is free for it; add a controller");
        place.function = function;
        pci_take(topology, place, 0);
        if (topology->dry) { /* its companions will share the slot */
                for (xmlNode *other = xml_child(devices, "controller"); other; other = xml_next(other, "controller")) {
                        g_autofree char *model = xml_attribute(other, "model");
                        if (model && g_str_has_prefix(model, "ich9-") && controllers_index(other) == controllers_index(element))
                                g_hash_table_add(topology->placed, other);
                }
                topology->buses[place.bus].functions[place.slot] = 0xff;
        }
        pci_write_place(topology, element, &place, function == 0);
        return true;
}
