/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/pci.h"

/* PCI addresses, in the order in which libvirt gives them out.
 *
 * Which device goes where is tried first without writing anything, to find how many bridges and ports are needed; these are
 * added to the document; then everything is placed in it. */

#include "qemu/complete/controllers.h"
#include "qemu/complete/pci-buses.h"
#include "qemu/complete/pci-chipset.h"
#include "qemu/complete/pci-usb2.h"

/* What the document says already */

static bool check_fits(const PciTopology *topology, const xmlNode *element, const PciPlace *place, GError **error) {
        const PciBus *bus = topology->buses + place->bus;
        unsigned kind = pci_kind(topology->kind, element) & PCI_KINDS;
        xmlNode *address = xml_child(element, "address");
        bool endpoint = kind & (PCI_CONVENTIONAL | PCI_EXPRESS);
        /* An author may mix devices of PCI and PCI Express; bridges and ports fit only where they fit. */
        if (endpoint ? !(bus->accepts & (PCI_CONVENTIONAL | PCI_EXPRESS))
                     : !(bus->accepts & kind) && !((kind & PCI_BRIDGE) && (bus->accepts & PCI_CONVENTIONAL)))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address,
                                "it does not fit into the PCI controller with index %u, a %s", place->bus, bus->model);
        if (place->slot < bus->first || place->slot > bus->last)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address,
                                "the PCI controller with index %u, a %s, has slots %u to %u", place->bus, bus->model, bus->first,
                                bus->last);
        return true;
}

static bool reserve_given(PciTopology *topology, xmlNode *devices, GError **error) {
        for (xmlNode *element = xml_child(devices, NULL); element; element = xml_next(element, NULL)) {
                PciPlace place;
                xmlNode *address = xml_child(element, "address");
                if (!pci_is_given(element))
                        continue;
                unsigned kind = pci_kind(topology->kind, element);
                if (pci_is_controller(element) && kind == 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "pci-root and pcie-root are the machine's own: they have no address");
                if (!pci_read_place(element, &place, error))
                        return false;
                while (place.bus >= topology->n_buses &&
                       pci_grow(topology, machine_kind_is_express(topology->kind) ? PCI_EXPRESS : PCI_BRIDGE))
                        ;
                if (place.bus >= topology->n_buses)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address, "there is no PCI controller with index %u",
                                        place.bus);
                if (kind != 0 && !check_fits(topology, element, &place, error))
                        return false;
                if (topology->buses[place.bus].functions[place.slot] & (1 << place.function))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address,
                                        "another device is at the same PCI address 0000:%02x:%02x.%x", place.bus, place.slot,
                                        place.function);
                pci_take(topology, place, kind);
        }
        return true;
}

/* Everything else, kind by kind */

static bool place_all(PciTopology *topology, xmlNode *devices, const char *kind, GError **error) {
        for (xmlNode *element = xml_child(devices, kind); element; element = xml_next(element, kind))
                if (!pci_place_if_wanted(topology, element, error))
                        return false;
        return true;
}

static bool place_controllers(PciTopology *topology, xmlNode *devices, bool pci, GError **error) {
        g_autoptr(GPtrArray) sorted = controllers_sorted(devices, "controller");
        for (guint i = 0; i < sorted->len; i++) {
                xmlNode *element = sorted->pdata[i];
                if (pci_is_controller(element) != pci || !pci_is_wanted(topology, element))
                        continue;
                if (xml_attribute_is(element, "type", "usb") ? !pci_usb2_place(topology, devices, element, error)
                                                             : !pci_place_if_wanted(topology, element, error))
                        return false;
        }
        return true;
}

static bool place_disks(PciTopology *topology, xmlNode *devices, GError **error) {
        g_autoptr(GPtrArray) sorted = controllers_sorted(devices, "disk");
        for (guint i = 0; i < sorted->len; i++)
                if (!pci_place_if_wanted(topology, sorted->pdata[i], error))
                        return false;
        return true;
}

/* Network cards of the host stand before the host's other devices, whose list they are in. */
static bool place_host_devices(PciTopology *topology, xmlNode *devices, GError **error) {
        for (xmlNode *element = xml_child(devices, "interface"); element; element = xml_next(element, "interface"))
                if (xml_attribute_is(element, "type", "hostdev") && pci_is_wanted(topology, element) &&
                    xml_attribute_is(xml_find(element, "source/address"), "type", "pci") &&
                    !pci_place_next(topology, element,
                                    (machine_kind_is_express(topology->kind) ? PCI_EXPRESS : PCI_CONVENTIONAL) | PCI_HOTPLUG, 0,
                                    error))
                        return false;
        return place_all(topology, devices, "hostdev", error);
}

static bool place_devices(PciTopology *topology, xmlNode *devices, GError **error) {
        static const char *const before[] = { "filesystem", "interface", "sound" };
        static const char *const after[] = { "memballoon", "rng",    "watchdog", "video", "shmem", "input",
                                             "memory",     "serial", "panic",    "vsock", "iommu", "crypto" };
        if (!place_controllers(topology, devices, true, error))
                return false;
        for (size_t i = 0; i < G_N_ELEMENTS(before); i++)
                if (!place_all(topology, devices, before[i], error))
                        return false;
        if (!place_controllers(topology, devices, false, error) || !place_disks(topology, devices, error) ||
            !place_host_devices(topology, devices, error))
                return false;
        for (size_t i = 0; i < G_N_ELEMENTS(after); i++)
                if (!place_all(topology, devices, after[i], error))
                        return false;
        return true;
}

static bool prepare(PciTopology *topology, xmlNode *devices, unsigned *max, GError **error) {
        return pci_buses_read(topology, devices, max, error) && reserve_given(topology, devices, error) &&
               pci_chipset_place(topology, devices, error);
}

/* Finds which bridges and ports are missing, and adds them to the document. */
static bool add_buses(xmlNode *devices, const MachineKind *machine, GError **error) {
        g_autofree PciTopology *topology = g_new0(PciTopology, 1);
        g_autoptr(GHashTable) placed = g_hash_table_new(g_direct_hash, g_direct_equal);
        unsigned max;
        PciPlace place;
        topology->kind = machine;
        topology->dry = true;
        topology->placed = placed;
        if (!prepare(topology, devices, &max, error))
                return false;
        if (!pci_chipset_place_video(topology, devices, error))
                return false;
        /* A bridge that is added later needs a slot. */
        unsigned spare = PCI_CONVENTIONAL | PCI_HOTPLUG;
        if (!machine_kind_is_express(machine) && pci_next_place(topology, spare, 0, &place))
                pci_take(topology, place, spare);
        if (!place_devices(topology, devices, error))
                return false;
        /* Whoever leaves PCI to us gets one free port for hotplug. */
        if (machine_kind_is_express(machine) && max == 0 && topology->n_buses > 1 &&
            pci_next_place(topology, PCI_EXPRESS | PCI_HOTPLUG, 0, &place))
                pci_take(topology, place, 0);
        for (unsigned i = 1; i < topology->n_buses; i++) {
                const PciBus *bus = topology->buses + i;
                if (!bus->is_new)
                        continue;
                xmlNode *element = controllers_add(devices, "pci", i, bus->model);
                unsigned kind = pci_kind(topology->kind, element);
                if (!pci_next_place(topology, kind, 0, &place))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "no PCI slot is free for another controller");
                pci_take(topology, place, kind);
        }
        return true;
}

/* Function 0 says whether there are others in its slot. */
static void mark_multifunction(const PciTopology *topology, xmlNode *devices) {
        for (xmlNode *element = xml_child(devices, NULL); element; element = xml_next(element, NULL)) {
                PciPlace place;
                xmlNode *address = xml_child(element, "address");
                if (!xml_attribute_is(address, "type", "pci") || !pci_read_place(element, &place, NULL) || place.function != 0 ||
                    xmlHasProp(address, (const xmlChar *) "multifunction"))
                        continue;
                uint8_t functions = topology->buses[place.bus].functions[place.slot];
                if (functions > 1 && !topology->buses[place.bus].reserved[place.slot])
                        xml_set_attribute(address, "multifunction", "on");
        }
}

bool pci_place(xmlNode *root, const MachineKind *kind, GError **error) {
        xmlNode *devices = xml_child(root, "devices");
        g_autofree PciTopology *topology = g_new0(PciTopology, 1);
        unsigned max;
        if (!add_buses(devices, kind, error))
                return false;
        topology->kind = kind;
        if (!prepare(topology, devices, &max, error))
                return false;
        if (!pci_chipset_place_video(topology, devices, error) || !place_devices(topology, devices, error))
                return false;
        if (!pci_buses_check_reached(devices, error))
                return false;
        mark_multifunction(topology, devices);
        return pci_buses_number(root, devices, error);
}
