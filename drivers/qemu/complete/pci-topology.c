/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/pci-topology.h"

#include <string.h>

/* Addresses in the document */

static const struct {
        const char *name;
        unsigned long max;
} numbers[] = { { "domain", 0xffff }, { "bus", 0xff }, { "slot", 0x1f }, { "function", 7 } };

bool pci_is_given(const xmlNode *element) {
        xmlNode *address = xml_child(element, "address");
        bool given = false;
        for (size_t i = 0; address && !given && i < G_N_ELEMENTS(numbers); i++) {
                const xmlAttr *attribute = xmlHasProp(address, (const xmlChar *) numbers[i].name);
                const char *text = attribute && attribute->children ? (const char *) attribute->children->content : "";
                char *end = NULL;
                given = attribute && (strtoul(text, &end, 0) > 0 || end == text || *end);
        }
        return given && xml_attribute_is(address, "type", "pci");
}

bool pci_is_wanted(const PciTopology *topology, const xmlNode *element) {
        xmlNode *address = xml_child(element, "address");
        if (topology->dry && g_hash_table_contains(topology->placed, element))
                return false;
        return !address || (xml_attribute_is(address, "type", "pci") && !pci_is_given(element));
}

bool pci_read_place(const xmlNode *element, PciPlace *place, GError **error) {
        xmlNode *address = xml_child(element, "address");
        unsigned long values[G_N_ELEMENTS(numbers)] = { 0 };
        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                g_autofree char *text = xml_attribute(address, numbers[i].name);
                char *end = NULL;
                if (text)
                        values[i] = strtoul(text, &end, 0);
                if (text && (*end || end == text || values[i] > numbers[i].max))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address, "%s is '%.16s'; it must be from 0 to %#lx",
                                        numbers[i].name, text, numbers[i].max);
        }
        if (values[0] != 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address, "domain is %#lx; a PC has just PCI domain 0",
                                values[0]);
        *place = (PciPlace){ (unsigned) values[1], (unsigned) values[2], (unsigned) values[3] };
        return true;
}

void pci_set_address(xmlNode *address, unsigned bus, unsigned slot, unsigned function) {
        char text[16];
        xml_set_attribute(address, "type", "pci");
        xml_set_attribute(address, "domain", "0x0000");
        g_snprintf(text, sizeof text, "0x%02x", bus);
        xml_set_attribute(address, "bus", text);
        g_snprintf(text, sizeof text, "0x%02x", slot);
        xml_set_attribute(address, "slot", text);
        g_snprintf(text, sizeof text, "0x%x", function);
        xml_set_attribute(address, "function", text);
}

void pci_write_place(const PciTopology *topology, xmlNode *element, const PciPlace *place, bool multifunction) {
        if (topology->dry) {
                g_hash_table_add(topology->placed, element);
                return;
        }
        xmlNode *address = xml_child(element, "address");
        if (!address)
                address = xml_add(element, "address", NULL);
        pci_set_address(address, place->bus, place->slot, place->function);
        if (multifunction)
                xml_set_attribute(address, "multifunction", "on");
}

/* Places */

bool pci_bus_set_model(PciBus *bus, const char *name) {
        const PciModel *model = pci_model_find(name);
        if (!model)
                return false;
        bus->model = model->name;
        bus->accepts = model->accepts;
        bus->first = model->first;
        bus->last = model->last;
        return true;
}

bool pci_is_free(const PciTopology *topology, PciPlace place) {
        return place.bus < topology->n_buses && topology->buses[place.bus].functions[place.slot] == 0;
}

void pci_take(PciTopology *topology, PciPlace place, unsigned kind) {
        PciBus *bus = topology->buses + place.bus;
        bus->functions[place.slot] |= (uint8_t) (1 << place.function);
        bus->aggregate[place.slot] |= (kind & PCI_AGGREGATE) != 0;
}

static bool add_bus(PciTopology *topology, const char *model) {
        if (topology->n_buses == PCI_BUSES_MAX)
                return false;
        PciBus *bus = topology->buses + topology->n_buses++;
        bus->is_new = true;
        return pci_bus_set_model(bus, model);
}

bool pci_grow(PciTopology *topology, unsigned kind) {
        bool takes_bridges = false;
        if (!topology->dry)
                return false;
        for (unsigned n = 0; n < topology->n_buses; n++)
                takes_bridges |= (topology->buses[n].accepts & PCI_BRIDGE) != 0;
        if (kind & (PCI_CONVENTIONAL | PCI_BRIDGE))
                return takes_bridges ? add_bus(topology, "pci-bridge")
                                     : add_bus(topology, "pcie-root-port") && add_bus(topology, "pcie-to-pci-bridge");
        if (kind & (PCI_EXPRESS | PCI_UPSTREAM_PORT | PCI_EXPRESS_BRIDGE))
                return add_bus(topology, "pcie-root-port");
        return (kind & PCI_DOWNSTREAM_PORT) && add_bus(topology, "pcie-switch-upstream-port");
}

bool pci_next_place(PciTopology *topology, unsigned kind, unsigned function, PciPlace *place) {
        do
                for (unsigned n = 0; n < topology->n_buses; n++) {
                        const PciBus *bus = topology->buses + n;
                        if (!(bus->accepts & kind & PCI_KINDS) || ((kind & PCI_HOTPLUG) && !(bus->accepts & PCI_HOTPLUG)))
                                continue;
                        for (unsigned slot = bus->first; slot <= bus->last; slot++) {
                                *place = (PciPlace){ n, slot, function };
                                if (bus->functions[slot] == 0)
                                        return true;
                                if (!(kind & PCI_AGGREGATE) || !bus->aggregate[slot])
                                        continue;
                                for (place->function = 0; place->function < PCI_FUNCTIONS; place->function++)
                                        if (!(bus->functions[slot] & (1 << place->function)))
                                                return true;
                        }
                }
        while (pci_grow(topology, kind));
        return false;
}

bool pci_place_next(PciTopology *topology, xmlNode *element, unsigned kind, unsigned function, GError **error) {
        PciPlace place;
        if (!pci_next_place(topology, kind, function, &place)) {
                /* A machine without hotplug there has room for it still. */
                if (!(kind & PCI_HOTPLUG) || !pci_next_place(topology, kind & ~(unsigned) PCI_HOTPLUG, function, &place))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "no PCI slot is free for it; add a controller");
        }
        pci_take(topology, place, kind);
        pci_write_place(topology, element, &place, false);
        return true;
}

bool pci_place_if_wanted(PciTopology *topology, xmlNode *element, GError **error) {
        unsigned kind = pci_kind(topology->kind, element);
        return kind == 0 || !pci_is_wanted(topology, element) || pci_place_next(topology, element, kind, 0, error);
}

bool pci_place_at(PciTopology *topology, xmlNode *element, PciPlace place, bool multifunction) {
        if (!pci_is_wanted(topology, element) || place.bus >= topology->n_buses ||
            (topology->buses[place.bus].functions[place.slot] & (1 << place.function)))
                return false;
        pci_take(topology, place, 0);
        pci_write_place(topology, element, &place, multifunction);
        return true;
}
