/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/pci-chipset.h"

#include "domain/device-elements.h"
#include "qemu/complete/controllers.h"
#include "qemu/complete/pci-usb2.h"

static bool check_chipset_address(PciTopology *topology, xmlNode *element, unsigned slot, unsigned function, GError **error) {
        PciPlace place;
        if (pci_is_wanted(topology, element))
                return true;
        if (!pci_read_place(element, &place, error))
                return false;
        return (place.bus == 0 && place.slot == slot && place.function == function) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(element, "address"),
                        "this controller is the machine's, at slot %#x, function %u", slot, function);
}

static void reserve_slot(PciTopology *topology, unsigned slot) {
        topology->buses[0].functions[slot] = 0xff;
        topology->buses[0].reserved[slot] = true;
}

/* Refuses an address that is the chipset's own, of any device but the one that is there. */
static bool check_own_functions(PciTopology *topology, xmlNode *devices, const xmlNode *own, unsigned slot, unsigned functions,
                                GError **error) {
        for (xmlNode *element = xml_child(devices, NULL); element; element = xml_next(element, NULL)) {
                PciPlace place;
                if (element == own || !xml_attribute_is(xml_child(element, "address"), "type", "pci") ||
                    pci_is_wanted(topology, element) || !pci_read_place(element, &place, NULL))
                        continue;
                if (place.bus == 0 && place.slot == slot && functions & (1 << place.function))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(element, "address"),
                                        "another device is at the same PCI address 0000:00:%02x.%x: the machine's own", slot,
                                        place.function);
        }
        return true;
}

/* The PIIX3 is at slot 1: ISA, IDE, USB, power management. */
static bool place_i440fx(PciTopology *topology, xmlNode *devices, GError **error) {
        xmlNode *ide = controllers_find(devices, "ide", 0), *usb = controllers_find(devices, "usb", 0);
        if (ide && !check_chipset_address(topology, ide, 1, 1, error))
                return false;
        if (ide)
                pci_place_at(topology, ide, (PciPlace){ 0, 1, 1 }, false);
        if (usb && xml_attribute_is(usb, "model", "piix3-uhci"))
                pci_place_at(topology, usb, (PciPlace){ 0, 1, 2 }, false);
        if (!check_own_functions(topology, devices, ide, 1, 1 << 0 | 1 << 1, error))
                return false;
        reserve_slot(topology, 1);
        return true;
}

/* The ICH9's functions, and where it has USB 2 (the first two that have all functions) and sound. */
static bool place_q35(PciTopology *topology, xmlNode *devices, GError **error) {
        xmlNode *sata = controllers_find(devices, "sata", 0);
        if (sata && !check_chipset_address(topology, sata, 0x1f, 2, error))
                return false;
        if (sata)
                pci_place_at(topology, sata, (PciPlace){ 0, 0x1f, 2 }, false);
        if (!check_own_functions(topology, devices, sata, 0x1f, 1 << 0 | 1 << 2 | 1 << 3, error))
                return false;
        reserve_slot(topology, 0x1f);
        for (xmlNode *first = xml_child(devices, "controller"); first; first = xml_next(first, "controller")) {
                PciPlace place = { 0, 0x1d, 0 };
                if (!xml_attribute_is(first, "type", "usb") || !xml_attribute_is(first, "model", "ich9-uhci1") ||
                    !pci_is_wanted(topology, first))
                        continue;
                if (!pci_is_free(topology, place))
                        place.slot = 0x1a;
                if (pci_is_free(topology, place))
                        pci_usb2_place_at(topology, devices, controllers_index(first), place);
        }
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller"))
                if (xml_attribute_is(element, "model", "dmi-to-pci-bridge") && pci_is_free(topology, (PciPlace){ 0, 0x1e, 0 }) &&
                    pci_place_at(topology, element, (PciPlace){ 0, 0x1e, 0 }, false))
                        break;
        for (xmlNode *element = xml_child(devices, "sound"); element; element = xml_next(element, "sound"))
                if (xml_attribute_is(element, "model", "ich9") && pci_is_free(topology, (PciPlace){ 0, 0x1b, 0 }) &&
                    pci_place_at(topology, element, (PciPlace){ 0, 0x1b, 0 }, false))
                        break;
        return true;
}

bool pci_chipset_place(PciTopology *topology, xmlNode *devices, GError **error) {
        return !topology->kind->is_x86 || (topology->kind->is_q35 ? place_q35 : place_i440fx)(topology, devices, error);
}

bool pci_chipset_place_video(PciTopology *topology, xmlNode *devices, GError **error) {
        xmlNode *video = device_elements_primary_video(devices);
        PciPlace place = { 0, topology->kind->is_q35 ? 1 : 2, 0 };
        bool is_placed = video && topology->kind->is_x86 && pci_kind(topology->kind, video) && pci_is_free(topology, place) &&
                         pci_place_at(topology, video, place, false);
        return !video || is_placed || !topology->kind->is_x86 || pci_place_if_wanted(topology, video, error);
}
