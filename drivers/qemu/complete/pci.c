/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/pci.h"

/* PCI addresses, in the order in which libvirt gives them out.
 *
 * Which device goes where is tried first without writing anything, to find how many bridges and ports are needed; these are
 * added to the document; then everything is placed in it. */

#include <string.h>

#include "domain/definition.h"
#include "domain/device-alias.h"
#include "domain/device-elements.h"
#include "qemu/complete/controllers.h"

#define BUSES_MAX 256
#define SLOTS 32
#define FUNCTIONS 8

/* What a bus accepts, and what a device is. */
enum {
        PCI_DEVICE = 1 << 0,
        PCIE_DEVICE = 1 << 1,
        ROOT_PORT = 1 << 2,
        UPSTREAM_PORT = 1 << 3,
        DOWNSTREAM_PORT = 1 << 4,
        DMI_BRIDGE = 1 << 5,
        PCI_BRIDGE = 1 << 6,
        PCIE_PCI_BRIDGE = 1 << 7,
        PCI_EXPANDER = 1 << 8,
        PCIE_EXPANDER = 1 << 9,
        HOTPLUG = 1 << 10,   /* wanted, or possible */
        AGGREGATE = 1 << 11, /* shares a slot with others of its kind */
};

#define KINDS \
        (PCI_DEVICE | PCIE_DEVICE | ROOT_PORT | UPSTREAM_PORT | DOWNSTREAM_PORT | DMI_BRIDGE | PCI_BRIDGE | PCIE_PCI_BRIDGE | \
         PCI_EXPANDER | PCIE_EXPANDER)

/* What each controller is plugged into as, and what it accepts. */
static const struct {
        const char *model;
        unsigned is, accepts, first, last;
} models[] = {
        { "pci-root", 0, HOTPLUG | PCI_DEVICE | PCI_BRIDGE | PCI_EXPANDER, 1, 31 },
        { "pcie-root", 0, PCIE_DEVICE | ROOT_PORT | DMI_BRIDGE | PCIE_EXPANDER, 1, 31 },
        { "pci-bridge", PCI_BRIDGE, HOTPLUG | PCI_DEVICE | PCI_BRIDGE, 1, 31 },
        { "dmi-to-pci-bridge", DMI_BRIDGE, PCI_DEVICE | PCI_BRIDGE, 0, 31 },
        { "pcie-to-pci-bridge", PCIE_PCI_BRIDGE, HOTPLUG | PCI_DEVICE | PCI_BRIDGE, 1, 31 },
        { "pcie-root-port", ROOT_PORT | AGGREGATE, HOTPLUG | PCIE_DEVICE | UPSTREAM_PORT | PCIE_PCI_BRIDGE | DMI_BRIDGE, 0, 0 },
        { "pcie-switch-upstream-port", UPSTREAM_PORT, DOWNSTREAM_PORT, 0, 31 },
        { "pcie-switch-downstream-port", DOWNSTREAM_PORT, HOTPLUG | PCIE_DEVICE | UPSTREAM_PORT | PCIE_PCI_BRIDGE, 0, 0 },
        { "pci-expander-bus", PCI_EXPANDER, HOTPLUG | PCI_DEVICE | PCI_BRIDGE, 0, 31 },
        { "pcie-expander-bus", PCIE_EXPANDER, ROOT_PORT | DMI_BRIDGE | PCIE_DEVICE, 0, 31 },
};

typedef struct Bus {
        const char *model;
        unsigned accepts, first, last;
        uint8_t functions[SLOTS];
        bool reserved[SLOTS]; /* for the machine's own */
        bool aggregate[SLOTS];
        bool is_new;
} Bus;

typedef struct Place {
        unsigned bus, slot, function;
} Place;

typedef struct Topology {
        Bus buses[BUSES_MAX];
        unsigned n_buses;
        bool q35, dry;
        GHashTable *placed; /* elements that have a place in a dry run */
} Topology;

static const struct {
        const char *name;
        unsigned long max;
} numbers[] = { { "domain", 0xffff }, { "bus", 0xff }, { "slot", 0x1f }, { "function", 7 } };

static bool set_model(Bus *bus, const char *model) {
        for (size_t i = 0; model && i < G_N_ELEMENTS(models); i++)
                if (strcmp(model, models[i].model) == 0) {
                        bus->model = models[i].model;
                        bus->accepts = models[i].accepts;
                        bus->first = models[i].first;
                        bus->last = models[i].last;
                        return true;
                }
        return false;
}

/* What each device is plugged in as: 0 for no PCI device. */

static bool is_pci_controller(const xmlNode *element) {
        return xml_is(element, "controller") && xml_attribute_is(element, "type", "pci");
}

/* virtio is PCI Express where there is such, but for the model that stands for both of its standards. */
static unsigned virtio_kind(const Topology *topology, const xmlNode *element) {
        g_autofree char *model = xml_attribute(element, "model"),
                        *inner = model ? NULL : xml_attribute(xml_child(element, "model"), "type");
        const char *name = model ? model : inner;
        bool both = name && g_str_has_suffix(name, "-transitional") && !g_str_has_suffix(name, "non-transitional");
        return (topology->q35 && !both ? PCIE_DEVICE : PCI_DEVICE) | HOTPLUG;
}

static unsigned controller_kind(const Topology *topology, const xmlNode *element) {
        g_autofree char *type = xml_attribute(element, "type"), *model = xml_attribute(element, "model");
        unsigned express = (topology->q35 ? PCIE_DEVICE : PCI_DEVICE) | HOTPLUG;
        if (!type)
                return 0;
        if (strcmp(type, "pci") == 0)
                for (size_t i = 0; model && i < G_N_ELEMENTS(models); i++)
                        if (strcmp(model, models[i].model) == 0)
                                return models[i].is;
        if (strcmp(type, "usb") == 0)
                return model && strcmp(model, "none") == 0        ? 0
                       : model && g_str_has_suffix(model, "xhci") ? express
                                                                  : PCI_DEVICE | HOTPLUG;
        if (strcmp(type, "scsi") == 0)
                return model && g_str_has_prefix(model, "virtio") ? virtio_kind(topology, element) : PCI_DEVICE | HOTPLUG;
        if (strcmp(type, "virtio-serial") == 0)
                return virtio_kind(topology, element);
        if (strcmp(type, "sata") == 0)
                return PCI_DEVICE | HOTPLUG;
        return 0;
}

static unsigned interface_kind(const Topology *topology, const xmlNode *element) {
        /* Models that libvirt knows to be conventional; what it does not know, it plugs into a port. */
        static const char *const conventional[] = { "rtl8139", "e1000",   "netfront", "spapr-vlan", "lan9118",   "scm91c111",
                                                    "vlance",  "vmxnet",  "vmxnet2",  "vmxnet3",    "Am79C970A", "Am79C973",
                                                    "82540EM", "82545EM", "82543GC",  NULL };
        g_autofree char *model = xml_attribute(xml_child(element, "model"), "type");
        if (xml_attribute_is(element, "type", "hostdev"))
                return 0; /* placed with the host's devices */
        if (model && g_str_has_prefix(model, "virtio"))
                return virtio_kind(topology, element);
        if (model && (strcmp(model, "ne2k_isa") == 0 || strcmp(model, "usb-net") == 0))
                return 0;
        return (topology->q35 && model && !g_strv_contains(conventional, model) ? PCIE_DEVICE : PCI_DEVICE) | HOTPLUG;
}

static unsigned device_kind(const Topology *topology, const xmlNode *element) {
        unsigned express = (topology->q35 ? PCIE_DEVICE : PCI_DEVICE) | HOTPLUG;
        g_autofree char *model = xml_attribute(element, "model");
        const char *name = (const char *) element->name;
        if (strcmp(name, "controller") == 0)
                return controller_kind(topology, element);
        if (strcmp(name, "interface") == 0)
                return interface_kind(topology, element);
        if (strcmp(name, "disk") == 0)
                return xml_attribute_is(xml_child(element, "target"), "bus", "virtio") ? virtio_kind(topology, element) : 0;
        if (strcmp(name, "filesystem") == 0 || strcmp(name, "rng") == 0 || strcmp(name, "vsock") == 0 ||
            strcmp(name, "crypto") == 0)
                return virtio_kind(topology, element);
        if (strcmp(name, "memballoon") == 0)
                return model && strcmp(model, "none") == 0 ? 0 : virtio_kind(topology, element);
        if (strcmp(name, "sound") == 0)
                return model && (strcmp(model, "sb16") == 0 || strcmp(model, "pcspk") == 0 || strcmp(model, "usb") == 0)
                                       ? 0
                                       : PCI_DEVICE | HOTPLUG;
        if (strcmp(name, "video") == 0) {
                xmlNode *video = xml_child(element, "model");
                if (xml_attribute_is(video, "type", "none") || xml_attribute_is(video, "type", "ramfb"))
                        return 0;
                g_autofree char *type = xml_attribute(video, "type");
                return type && g_str_has_prefix(type, "virtio") ? virtio_kind(topology, element)
                       : type && strcmp(type, "bochs") == 0     ? express
                                                                : PCI_DEVICE | HOTPLUG;
        }
        if (strcmp(name, "input") == 0)
                return xml_attribute_is(element, "bus", "virtio") ? virtio_kind(topology, element) : 0;
        if (strcmp(name, "watchdog") == 0)
                return model && strcmp(model, "i6300esb") == 0 ? PCI_DEVICE | HOTPLUG : 0;
        if (strcmp(name, "shmem") == 0)
                return PCI_DEVICE | HOTPLUG;
        if (strcmp(name, "panic") == 0)
                return model && strcmp(model, "pvpanic") == 0 ? PCI_DEVICE | HOTPLUG : 0;
        if (strcmp(name, "iommu") == 0)
                return topology->q35 && model && strcmp(model, "virtio") == 0 ? PCIE_DEVICE : 0;
        if (strcmp(name, "memory") == 0)
                return model && g_str_has_prefix(model, "virtio-") ? express : 0;
        if (strcmp(name, "serial") == 0)
                return xml_attribute_is(xml_child(element, "target"), "type", "pci-serial") ? PCI_DEVICE | HOTPLUG : 0;
        if (strcmp(name, "hostdev") == 0) {
                if (xml_attribute_is(element, "type", "scsi_host"))
                        return virtio_kind(topology, element);
                return xml_attribute_is(element, "type", "pci") || xml_attribute_is(element, "type", "mdev") ? express : 0;
        }
        return 0;
}

/* Addresses in the document */

/* Whether the document says where a device is. All zeros are the bridge to the host: such an address is one that is not chosen
 * yet, as libvirt reads it. */
static bool is_given(const xmlNode *element) {
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

static bool is_wanted(const Topology *topology, const xmlNode *element) {
        xmlNode *address = xml_child(element, "address");
        if (topology->dry && g_hash_table_contains(topology->placed, element))
                return false;
        return !address || (xml_attribute_is(address, "type", "pci") && !is_given(element));
}

static bool read_place(const xmlNode *element, Place *place, GError **error) {
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
        *place = (Place){ (unsigned) values[1], (unsigned) values[2], (unsigned) values[3] };
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

static void write_place(const Topology *topology, xmlNode *element, const Place *place, bool multifunction) {
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

static bool is_free(const Topology *topology, Place place) {
        return place.bus < topology->n_buses && topology->buses[place.bus].functions[place.slot] == 0;
}

static void take(Topology *topology, Place place, unsigned kind) {
        Bus *bus = topology->buses + place.bus;
        bus->functions[place.slot] |= (uint8_t) (1 << place.function);
        bus->aggregate[place.slot] |= (kind & AGGREGATE) != 0;
}

static bool add_bus(Topology *topology, const char *model) {
        if (topology->n_buses == BUSES_MAX)
                return false;
        Bus *bus = topology->buses + topology->n_buses++;
        bus->is_new = true;
        return set_model(bus, model);
}

/* Makes room for a kind of device: another bridge or port. Where nothing takes a bridge yet, as on PCI Express, the first one
 * comes with a port of its own. */
static bool grow(Topology *topology, unsigned kind) {
        bool takes_bridges = false;
        if (!topology->dry)
                return false;
        for (unsigned n = 0; n < topology->n_buses; n++)
                takes_bridges |= (topology->buses[n].accepts & PCI_BRIDGE) != 0;
        if (kind & (PCI_DEVICE | PCI_BRIDGE))
                return takes_bridges ? add_bus(topology, "pci-bridge")
                                     : add_bus(topology, "pcie-root-port") && add_bus(topology, "pcie-to-pci-bridge");
        if (kind & (PCIE_DEVICE | UPSTREAM_PORT | PCIE_PCI_BRIDGE))
                return add_bus(topology, "pcie-root-port");
        return (kind & DOWNSTREAM_PORT) && add_bus(topology, "pcie-switch-upstream-port");
}

/* Finds the next place for a kind of device; FUNCTION is used of it. */
static bool next_place(Topology *topology, unsigned kind, unsigned function, Place *place) {
        do
                for (unsigned n = 0; n < topology->n_buses; n++) {
                        const Bus *bus = topology->buses + n;
                        if (!(bus->accepts & kind & KINDS) || ((kind & HOTPLUG) && !(bus->accepts & HOTPLUG)))
                                continue;
                        for (unsigned slot = bus->first; slot <= bus->last; slot++) {
                                *place = (Place){ n, slot, function };
                                if (bus->functions[slot] == 0)
                                        return true;
                                if (!(kind & AGGREGATE) || !bus->aggregate[slot])
                                        continue;
                                for (place->function = 0; place->function < FUNCTIONS; place->function++)
                                        if (!(bus->functions[slot] & (1 << place->function)))
                                                return true;
                        }
                }
        while (grow(topology, kind));
        return false;
}

static bool place_next(Topology *topology, xmlNode *element, unsigned kind, unsigned function, GError **error) {
        Place place;
        if (!next_place(topology, kind, function, &place)) {
                /* A machine without hotplug there has room for it still. */
                if (!(kind & HOTPLUG) || !next_place(topology, kind & ~(unsigned) HOTPLUG, function, &place))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "no PCI slot is free for it; add a controller");
        }
        take(topology, place, kind);
        write_place(topology, element, &place, false);
        return true;
}

static bool place_if_wanted(Topology *topology, xmlNode *element, GError **error) {
        unsigned kind = device_kind(topology, element);
        return kind == 0 || !is_wanted(topology, element) || place_next(topology, element, kind, 0, error);
}

/* Puts an element at a place of its own, if nothing else is there. */
static bool place_at(Topology *topology, xmlNode *element, Place place, bool multifunction) {
        if (!is_wanted(topology, element) || place.bus >= topology->n_buses ||
            (topology->buses[place.bus].functions[place.slot] & (1 << place.function)))
                return false;
        take(topology, place, 0);
        write_place(topology, element, &place, multifunction);
        return true;
}

/* What the document says already */

static bool check_fits(const Topology *topology, const xmlNode *element, const Place *place, GError **error) {
        const Bus *bus = topology->buses + place->bus;
        unsigned kind = device_kind(topology, element) & KINDS;
        xmlNode *address = xml_child(element, "address");
        bool endpoint = kind & (PCI_DEVICE | PCIE_DEVICE);
        /* An author may mix devices of PCI and PCI Express; bridges and ports fit only where they fit. */
        if (endpoint ? !(bus->accepts & (PCI_DEVICE | PCIE_DEVICE))
                     : !(bus->accepts & kind) && !((kind & PCI_BRIDGE) && (bus->accepts & PCI_DEVICE)))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address,
                                "it does not fit into the PCI controller with index %u, a %s", place->bus, bus->model);
        if (place->slot < bus->first || place->slot > bus->last)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address,
                                "the PCI controller with index %u, a %s, has slots %u to %u", place->bus, bus->model, bus->first,
                                bus->last);
        return true;
}

static bool reserve_given(Topology *topology, xmlNode *devices, GError **error) {
        for (xmlNode *element = xml_child(devices, NULL); element; element = xml_next(element, NULL)) {
                Place place;
                xmlNode *address = xml_child(element, "address");
                if (!is_given(element))
                        continue;
                unsigned kind = device_kind(topology, element);
                if (is_pci_controller(element) && kind == 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "pci-root and pcie-root are the machine's own: they have no address");
                if (!read_place(element, &place, error))
                        return false;
                while (place.bus >= topology->n_buses && grow(topology, topology->q35 ? PCIE_DEVICE : PCI_BRIDGE))
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
                take(topology, place, kind);
        }
        return true;
}

/* Devices of the chipset, and those that are where they would be on real hardware */

static bool check_chipset_address(Topology *topology, xmlNode *element, unsigned slot, unsigned function, GError **error) {
        Place place;
        if (is_wanted(topology, element))
                return true;
        if (!read_place(element, &place, error))
                return false;
        return (place.bus == 0 && place.slot == slot && place.function == function) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(element, "address"),
                        "this controller is the machine's, at slot %#x, function %u", slot, function);
}

static void reserve_slot(Topology *topology, unsigned slot) {
        topology->buses[0].functions[slot] = 0xff;
        topology->buses[0].reserved[slot] = true;
}

/* Refuses an address that is the chipset's own, of any device but the one that is there. */
static bool check_own_functions(Topology *topology, xmlNode *devices, const xmlNode *own, unsigned slot, unsigned functions,
                                GError **error) {
        for (xmlNode *element = xml_child(devices, NULL); element; element = xml_next(element, NULL)) {
                Place place;
                if (element == own || !xml_attribute_is(xml_child(element, "address"), "type", "pci") ||
                    is_wanted(topology, element) || !read_place(element, &place, NULL))
                        continue;
                if (place.bus == 0 && place.slot == slot && functions & (1 << place.function))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(element, "address"),
                                        "another device is at the same PCI address 0000:00:%02x.%x: the machine's own", slot,
                                        place.function);
        }
        return true;
}

/* The PIIX3 is at slot 1: ISA, IDE, USB, power management. */
static bool place_chipset_i440fx(Topology *topology, xmlNode *devices, GError **error) {
        xmlNode *ide = controllers_find(devices, "ide", 0), *usb = controllers_find(devices, "usb", 0);
        if (ide && !check_chipset_address(topology, ide, 1, 1, error))
                return false;
        if (ide)
                place_at(topology, ide, (Place){ 0, 1, 1 }, false);
        if (usb && xml_attribute_is(usb, "model", "piix3-uhci"))
                place_at(topology, usb, (Place){ 0, 1, 2 }, false);
        if (!check_own_functions(topology, devices, ide, 1, 1 << 0 | 1 << 1, error))
                return false;
        reserve_slot(topology, 1);
        return true;
}

/* A USB 2 controller and its companions are one device with several functions. */
static const struct {
        const char *model;
        unsigned function;
} usb2_functions[] = { { "ich9-ehci1", 7 }, { "ich9-uhci1", 0 }, { "ich9-uhci2", 1 }, { "ich9-uhci3", 2 } };

static unsigned usb2_function(const xmlNode *element) {
        for (size_t i = 0; i < G_N_ELEMENTS(usb2_functions); i++)
                if (xml_attribute_is(element, "type", "usb") && xml_attribute_is(element, "model", usb2_functions[i].model))
                        return usb2_functions[i].function;
        return FUNCTIONS;
}

static void place_usb2_at(Topology *topology, xmlNode *devices, unsigned index, Place place) {
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                place.function = usb2_function(element);
                if (place.function < FUNCTIONS && controllers_index(element) == index)
                        place_at(topology, element, place, place.function == 0);
        }
}

/* The ICH9's functions, and where it has USB 2 (the first two that have all functions) and sound. */
static bool place_chipset_q35(Topology *topology, xmlNode *devices, GError **error) {
        xmlNode *sata = controllers_find(devices, "sata", 0);
        if (sata && !check_chipset_address(topology, sata, 0x1f, 2, error))
                return false;
        if (sata)
                place_at(topology, sata, (Place){ 0, 0x1f, 2 }, false);
        if (!check_own_functions(topology, devices, sata, 0x1f, 1 << 0 | 1 << 2 | 1 << 3, error))
                return false;
        reserve_slot(topology, 0x1f);
        for (xmlNode *first = xml_child(devices, "controller"); first; first = xml_next(first, "controller")) {
                Place place = { 0, 0x1d, 0 };
                if (!xml_attribute_is(first, "type", "usb") || !xml_attribute_is(first, "model", "ich9-uhci1") ||
                    !is_wanted(topology, first))
                        continue;
                if (!is_free(topology, place))
                        place.slot = 0x1a;
                if (is_free(topology, place))
                        place_usb2_at(topology, devices, controllers_index(first), place);
        }
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller"))
                if (xml_attribute_is(element, "model", "dmi-to-pci-bridge") && is_free(topology, (Place){ 0, 0x1e, 0 }) &&
                    place_at(topology, element, (Place){ 0, 0x1e, 0 }, false))
                        break;
        for (xmlNode *element = xml_child(devices, "sound"); element; element = xml_next(element, "sound"))
                if (xml_attribute_is(element, "model", "ich9") && is_free(topology, (Place){ 0, 0x1b, 0 }) &&
                    place_at(topology, element, (Place){ 0, 0x1b, 0 }, false))
                        break;
        return true;
}

/* The primary card is where firmware and old systems look for it; else it comes first, as libvirt has it. */
static bool place_primary_video(Topology *topology, xmlNode *devices, GError **error) {
        xmlNode *video = device_elements_primary_video(devices);
        Place place = { 0, topology->q35 ? 1 : 2, 0 };
        bool is_placed = video && device_kind(topology, video) && is_free(topology, place) &&
                         place_at(topology, video, place, false);
        return !video || is_placed || place_if_wanted(topology, video, error);
}

/* Everything else, kind by kind */

static bool place_usb2(Topology *topology, xmlNode *devices, xmlNode *element, GError **error) {
        unsigned function = usb2_function(element);
        Place place;
        if (function == FUNCTIONS)
                return place_if_wanted(topology, element, error);
        for (xmlNode *other = xml_child(devices, "controller"); other; other = xml_next(other, "controller")) {
                g_autofree char *model = xml_attribute(other, "model");
                g_autofree char *bus = xml_attribute(xml_child(other, "address"), "slot");
                if (other == element || !model || !g_str_has_prefix(model, "ich9-") ||
                    controllers_index(other) != controllers_index(element) || !bus || !read_place(other, &place, NULL))
                        continue;
                place.function = function;
                if (place_at(topology, element, place, function == 0))
                        return true;
        }
        if (!next_place(topology, PCI_DEVICE | HOTPLUG, function, &place) && !next_place(topology, PCI_DEVICE, function, &place))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "no PCI slot is free for it; add a controller");
        place.function = function;
        take(topology, place, 0);
        if (topology->dry) { /* its companions will share the slot */
                for (xmlNode *other = xml_child(devices, "controller"); other; other = xml_next(other, "controller")) {
                        g_autofree char *model = xml_attribute(other, "model");
                        if (model && g_str_has_prefix(model, "ich9-") && controllers_index(other) == controllers_index(element))
                                g_hash_table_add(topology->placed, other);
                }
                topology->buses[place.bus].functions[place.slot] = 0xff;
        }
        write_place(topology, element, &place, function == 0);
        return true;
}

static bool place_all(Topology *topology, xmlNode *devices, const char *kind, GError **error) {
        for (xmlNode *element = xml_child(devices, kind); element; element = xml_next(element, kind))
                if (!place_if_wanted(topology, element, error))
                        return false;
        return true;
}

static bool place_controllers(Topology *topology, xmlNode *devices, bool pci, GError **error) {
        g_autoptr(GPtrArray) sorted = controllers_sorted(devices, "controller");
        for (guint i = 0; i < sorted->len; i++) {
                xmlNode *element = sorted->pdata[i];
                if (is_pci_controller(element) != pci || !is_wanted(topology, element))
                        continue;
                if (xml_attribute_is(element, "type", "usb") ? !place_usb2(topology, devices, element, error)
                                                             : !place_if_wanted(topology, element, error))
                        return false;
        }
        return true;
}

static bool place_disks(Topology *topology, xmlNode *devices, GError **error) {
        g_autoptr(GPtrArray) sorted = controllers_sorted(devices, "disk");
        for (guint i = 0; i < sorted->len; i++)
                if (!place_if_wanted(topology, sorted->pdata[i], error))
                        return false;
        return true;
}

/* Network cards of the host stand among the host's devices. */
static bool place_host_devices(Topology *topology, xmlNode *devices, GError **error) {
        if (!place_all(topology, devices, "hostdev", error))
                return false;
        for (xmlNode *element = xml_child(devices, "interface"); element; element = xml_next(element, "interface"))
                if (xml_attribute_is(element, "type", "hostdev") && is_wanted(topology, element) &&
                    xml_attribute_is(xml_find(element, "source/address"), "type", "pci") &&
                    !place_next(topology, element, (topology->q35 ? PCIE_DEVICE : PCI_DEVICE) | HOTPLUG, 0, error))
                        return false;
        return true;
}

static bool place_devices(Topology *topology, xmlNode *devices, GError **error) {
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

/* The buses that the document's controllers make. */
static bool read_buses(Topology *topology, xmlNode *devices, unsigned *max, GError **error) {
        *max = 0;
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                g_autofree char *model = xml_attribute(element, "model");
                unsigned index = controllers_index(element);
                bool root = model && (strcmp(model, "pci-root") == 0 || strcmp(model, "pcie-root") == 0);
                if (!is_pci_controller(element))
                        continue;
                if (index >= BUSES_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its index is %u; it must be below %d", index,
                                        BUSES_MAX);
                if (root && index > 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s has index 0", model);
                if (index == 0 && model && strcmp(model, topology->q35 ? "pcie-root" : "pci-root") != 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "the PCI controller with index 0 of this machine has model %s, not %.32s",
                                        topology->q35 ? "pcie-root" : "pci-root", model);
                if (topology->buses[index].model)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "there is a PCI controller with index %u already", index);
                if (!set_model(topology->buses + index, model        ? model
                                                        : index == 0 ? (topology->q35 ? "pcie-root" : "pci-root")
                                                                     : NULL))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "model '%.32s' of a PCI controller is unknown",
                                        model ? model : "");
                if (strcmp(topology->buses[index].model, "pcie-expander-bus") == 0 && !topology->q35)
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "pcie-expander-bus needs machine q35");
                *max = MAX(*max, index);
        }
        topology->n_buses = *max + 1;
        for (unsigned i = 1; i < topology->n_buses; i++)
                if (!topology->buses[i].model) { /* a gap: filled as its neighbours would be */
                        set_model(topology->buses + i, topology->q35 ? "pcie-root-port" : "pci-bridge");
                        topology->buses[i].is_new = true;
                }
        return true;
}

static bool prepare(Topology *topology, xmlNode *devices, unsigned *max, GError **error) {
        return read_buses(topology, devices, max, error) && reserve_given(topology, devices, error) &&
               (topology->q35 ? place_chipset_q35(topology, devices, error) : place_chipset_i440fx(topology, devices, error));
}

/* Finds which bridges and ports are missing, and adds them to the document. */
static bool add_buses(xmlNode *devices, bool q35, GError **error) {
        g_autofree Topology *topology = g_new0(Topology, 1);
        g_autoptr(GHashTable) placed = g_hash_table_new(g_direct_hash, g_direct_equal);
        unsigned max;
        Place place;
        topology->q35 = q35;
        topology->dry = true;
        topology->placed = placed;
        if (!prepare(topology, devices, &max, error))
                return false;
        if (!place_primary_video(topology, devices, error))
                return false;
        /* A bridge that is added later needs a slot. */
        unsigned spare = PCI_DEVICE | HOTPLUG;
        if (!q35 && next_place(topology, spare, 0, &place))
                take(topology, place, spare);
        if (!place_devices(topology, devices, error))
                return false;
        /* Whoever leaves PCI to us gets one free port for hotplug. */
        if (q35 && max == 0 && topology->n_buses > 1 && next_place(topology, PCIE_DEVICE | HOTPLUG, 0, &place))
                take(topology, place, 0);
        for (unsigned i = 1; i < topology->n_buses; i++) {
                const Bus *bus = topology->buses + i;
                if (!bus->is_new)
                        continue;
                xmlNode *element = controllers_add(devices, "pci", i, bus->model);
                unsigned kind = device_kind(topology, element);
                if (!next_place(topology, kind, 0, &place))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "no PCI slot is free for another controller");
                take(topology, place, kind);
        }
        return true;
}

/* Bridges and ports have numbers of their own. */

static void set_target(xmlNode *element, const char *name, const char *format, unsigned number) {
        xmlNode *target = xml_ensure_child(element, "target");
        char text[12];
        if (xmlHasProp(target, (const xmlChar *) name))
                return;
        g_snprintf(text, sizeof text, format, number);
        xml_set_attribute(target, name, text);
}

static bool number_buses(xmlNode *root, xmlNode *devices, GError **error) {
        unsigned n_cells = 0, lowest = 256;
        for (xmlNode *cell = xml_child(xml_find(root, "cpu/numa"), "cell"); cell; cell = xml_next(cell, "cell"))
                n_cells++;
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                g_autofree char *bus = xml_attribute(xml_child(element, "target"), "busNr");
                if (bus)
                        lowest = MIN(lowest, (unsigned) strtoul(bus, NULL, 0));
        }
        g_autoptr(GPtrArray) sorted = controllers_sorted(devices, "controller");
        for (guint i = 0; i < sorted->len; i++) {
                xmlNode *element = sorted->pdata[i];
                unsigned index = controllers_index(element);
                Place place = { 0 };
                if (!is_pci_controller(element))
                        continue;
                if (xml_attribute_is(element, "model", "pcie-root-port") ||
                    xml_attribute_is(element, "model", "pcie-switch-downstream-port")) {
                        read_place(element, &place, NULL);
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

/* Function 0 says whether there are others in its slot. */
static void mark_multifunction(const Topology *topology, xmlNode *devices) {
        for (xmlNode *element = xml_child(devices, NULL); element; element = xml_next(element, NULL)) {
                Place place;
                xmlNode *address = xml_child(element, "address");
                if (!xml_attribute_is(address, "type", "pci") || !read_place(element, &place, NULL) || place.function != 0 ||
                    xmlHasProp(address, (const xmlChar *) "multifunction"))
                        continue;
                uint8_t functions = topology->buses[place.bus].functions[place.slot];
                if (functions > 1 && !topology->buses[place.bus].reserved[place.slot])
                        xml_set_attribute(address, "multifunction", "on");
        }
}

/* Every controller is reached from the machine's: none is plugged into what is behind itself. */
static bool check_reached(xmlNode *devices, GError **error) {
        unsigned parents[BUSES_MAX] = { 0 };
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                Place place;
                if (is_pci_controller(element) && is_given(element) && read_place(element, &place, NULL))
                        parents[controllers_index(element) % BUSES_MAX] = place.bus;
        }
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                unsigned bus = controllers_index(element) % BUSES_MAX;
                for (unsigned n = 0; is_pci_controller(element) && bus > 0; n++, bus = parents[bus])
                        if (n == BUSES_MAX)
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                                "the PCI controller with index %u is plugged into what is behind itself",
                                                controllers_index(element));
        }
        return true;
}

bool pci_place(xmlNode *root, bool q35, GError **error) {
        xmlNode *devices = xml_child(root, "devices");
        g_autofree Topology *topology = g_new0(Topology, 1);
        unsigned max;
        if (!add_buses(devices, q35, error))
                return false;
        topology->q35 = q35;
        if (!prepare(topology, devices, &max, error))
                return false;
        if (!place_primary_video(topology, devices, error) || !place_devices(topology, devices, error))
                return false;
        if (!check_reached(devices, error))
                return false;
        mark_multifunction(topology, devices);
        return number_buses(root, devices, error);
}
