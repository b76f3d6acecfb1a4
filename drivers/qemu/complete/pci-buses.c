/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/pci-buses.h"

#include <string.h>

#include "qemu/complete/controllers.h"

bool pci_buses_read(PciTopology *topology, xmlNode *devices, unsigned *max, GError **error) {
        *max = 0;
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                g_autofree char *model = xml_attribute(element, "model");
                unsigned index = controllers_index(element);
                bool root = model && (strcmp(model, "pci-root") == 0 || strcmp(model, "pcie-root") == 0);
                if (!pci_is_controller(element))
                        continue;
                if (index >= PCI_BUSES_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its index is %u; it must be below %d", index,
                                        PCI_BUSES_MAX);
                if (root && index > 0 && !topology->kind->has_bridges)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s has index 0", model);
                if (index == 0 && model && strcmp(model, topology->kind->root) != 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "the PCI controller with index 0 of this machine has model %s, not %.32s",
                                        topology->kind->root, model);
                if (topology->buses[index].model)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "there is a PCI controller with index %u already", index);
                if (!pci_bus_set_model(topology->buses + index, model ? model : index == 0 ? topology->kind->root : NULL))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "model '%.32s' of a PCI controller is unknown",
                                        model ? model : "");
                if (strcmp(topology->buses[index].model, "pcie-expander-bus") == 0 && !machine_kind_is_express(topology->kind))
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "pcie-expander-bus needs machine q35");
                *max = MAX(*max, index);
        }
        topology->n_buses = *max + 1;
        for (unsigned i = 1; i < topology->n_buses; i++)
                if (!topology->buses[i].model) { /* a gap: filled as its neighbours would be */
                        pci_bus_set_model(topology->buses + i,
                                          machine_kind_is_express(topology->kind) ? "pcie-root-port" : "pci-bridge");
                        topology->buses[i].is_new = true;
                }
        return true;
}

bool pci_buses_check_reached(xmlNode *devices, GError **error) {
        unsigned parents[PCI_BUSES_MAX] = { 0 };
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                PciPlace place;
                if (pci_is_controller(element) && pci_is_given(element) && pci_read_place(element, &place, NULL))
                        parents[controllers_index(element) % PCI_BUSES_MAX] = place.bus;
        }
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                unsigned bus = controllers_index(element) % PCI_BUSES_MAX;
                for (unsigned n = 0; pci_is_controller(element) && bus > 0; n++, bus = parents[bus])
                        if (n == PCI_BUSES_MAX)
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                                "the PCI controller with index %u is plugged into what is behind itself",
                                                controllers_index(element));
        }
        return true;
}

static void set_target(xmlNode *element, const char *name, const char *format, unsigned number) {
        xmlNode *target = xml_ensure_child(element, "target");
        char text[12];
        if (xmlHasProp(target, (const xmlChar *) name))
                return;
        g_snprintf(text, sizeof text, format, number);
        xml_set_attribute(target, name, text);
}

static bool is_bridge_taken(xmlNode *devices, unsigned number) {
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                g_autofree char *text = pci_is_controller(element) ? xml_attribute(xml_child(element, "target"), "index") : NULL;
                if (text && strtoul(text, NULL, 0) == number)
                        return true;
        }
        return false;
}

/* The machine's own bridge to PCI is number 0; the others have the lowest numbers that are left. */
static void number_bridges(xmlNode *devices) {
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                unsigned number = controllers_index(element) == 0 ? 0 : 1;
                if (!pci_is_controller(element) || !xml_attribute_is(element, "model", "pci-root"))
                        continue;
                xmlNode *name = xml_ensure_child(element, "model");
                if (!xmlHasProp(name, (const xmlChar *) "name"))
                        xml_set_attribute(name, "name", HOST_BRIDGE);
                while (number > 0 && number < HOST_BRIDGES_MAX && is_bridge_taken(devices, number))
                        number++;
                set_target(element, "index", "%u", number);
        }
}

bool pci_buses_number(xmlNode *root, xmlNode *devices, GError **error) {
        unsigned n_cells = 0, lowest = 256;
        for (xmlNode *cell = xml_child(xml_find(root, "cpu/numa"), "cell"); cell; cell = xml_next(cell, "cell"))
                n_cells++;
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                g_autofree char *bus = xml_attribute(xml_child(element, "target"), "busNr");
                if (bus)
                        lowest = MIN(lowest, (unsigned) strtoul(bus, NULL, 0));
        }
        if (machine_kind_of(root)->has_bridges)
                number_bridges(devices);
        g_autoptr(GPtrArray) sorted = controllers_sorted(devices, "controller");
        for (guint i = 0; i < sorted->len; i++) {
                xmlNode *element = sorted->pdata[i];
                unsigned index = controllers_index(element);
                PciPlace place = { 0 };
                if (!pci_is_controller(element))
                        continue;
                if (xml_attribute_is(element, "model", "pcie-root-port") ||
                    xml_attribute_is(element, "model", "pcie-switch-downstream-port")) {
                        pci_read_place(element, &place, NULL);
                        xmlNode *model = xml_ensure_child(element, "model");
                        if (!xmlHasProp(model, (const xmlChar *) "name"))
                                xml_set_attribute(model, "name",
                                                  xml_attribute_is(element, "model", "pcie-root-port") ? "pcie-root-port"
                                                                                                       : "xio3130-downstream");
                        set_target(element, "chassis", "%u", index);
                        set_target(element, "port", "0x%x",
                                   xml_attribute_is(element, "model", "pcie-root-port") ? (place.slot << 3) + place.function
                                                                                        : place.slot);
                } else if (xml_attribute_is(element, "model", "pci-bridge"))
                        set_target(element, "chassisNr", "%u", index);
                else if (xml_attribute_is(element, "model", "pci-expander-bus") ||
                         xml_attribute_is(element, "model", "pcie-expander-bus")) {
                        xmlNode *node = xml_find(element, "target/node");
                        g_autofree char *text = xml_text(node);
                        if (text && strtoul(text, NULL, 10) >= n_cells)
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, node, "there is no guest NUMA cell %.8s", text);
                        if (!xmlHasProp(xml_ensure_child(element, "target"), (const xmlChar *) "busNr")) {
                                if (lowest <= 2)
                                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                                        "no bus number is free for it");
                                lowest -= 2;
                        }
                        set_target(element, "busNr", "%u", lowest);
                }
        }
        return true;
}
