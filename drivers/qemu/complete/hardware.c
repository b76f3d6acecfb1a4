/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/hardware.h"

#include <string.h>

#include "domain/definition.h"
#include "qemu/complete/channels.h"
#include "qemu/complete/controllers.h"
#include "qemu/complete/defaults.h"
#include "qemu/complete/drives.h"
#include "qemu/complete/machine-devices.h"
#include "qemu/complete/pci.h"
#include "qemu/complete/usb.h"

/* As many ports of a controller are looked at; documents with more are refused where they are read. */
#define PORTS_MAX 511
#define VIRTIO_SERIAL_PORTS 31 /* that a controller has where it does not say */

/* The port of a dimm's slot. */
#define DIMM_SLOTS 256

/* Ports of virtio-serial controllers, by controller and port. */

static bool is_port(const xmlNode *element) {
        xmlNode *target = xml_child(element, "target");
        return (xml_is(element, "channel") && (!target || xml_attribute_is(target, "type", "virtio"))) ||
               (xml_is(element, "console") && xml_attribute_is(target, "type", "virtio"));
}

static unsigned ports_of(const xmlNode *controller) {
        g_autofree char *ports = xml_attribute(controller, "ports");
        return ports ? (unsigned) CLAMP(strtoul(ports, NULL, 0), 1, PORTS_MAX) : VIRTIO_SERIAL_PORTS;
}

static bool mark_port(GHashTable *taken, unsigned controller, unsigned port) {
        return g_hash_table_add(taken, GUINT_TO_POINTER(controller * (PORTS_MAX + 1) + port + 1));
}

/* What is not a number is left, to be refused: a number in its place would hide the fault. */
static bool has_numbers(xmlNode *address) {
        static const char *const names[] = { "controller", "bus", "port" };
        bool fine = true;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *text = xml_attribute(address, names[i]);
                fine &= !text || (*text && strspn(text, "0123456789") == strlen(text));
        }
        return fine;
}

static void choose_port(xmlNode *devices, GHashTable *taken, xmlNode *element) {
        xmlNode *address = xml_child(element, "address");
        bool fixed = address && xmlHasProp(address, (const xmlChar *) "controller");
        if (address && (!xml_attribute_is(address, "type", "virtio-serial") || !has_numbers(address)))
                return; /* which is said elsewhere */
        for (unsigned controller = fixed ? controllers_number(element, "controller") : 0; controller <= CONTROLLER_INDEX_MAX;
             controller++) {
                xmlNode *owner = controllers_find(devices, "virtio-serial", controller);
                if (!owner && !fixed) { /* a gap is not filled; the next one after the last is made */
                        bool later = false;
                        for (unsigned i = controller + 1; i <= CONTROLLER_INDEX_MAX && !later; i++)
                                later = controllers_find(devices, "virtio-serial", i) != NULL;
                        if (later)
                                continue;
                        owner = controllers_add(devices, "virtio-serial", controller, NULL);
                }
                for (unsigned port = 1; owner && port < ports_of(owner); port++)
                        if (mark_port(taken, controller, port)) {
                                if (!address)
                                        address = xml_add(element, "address", NULL);
                                xml_set_attribute(address, "type", "virtio-serial");
                                xml_set_number(address, "controller", controller);
                                xml_set_number(address, "bus", 0);
                                xml_set_number(address, "port", port);
                                return;
                        }
                if (fixed)
                        return;
        }
}

/* The controllers that channels name, or have no name for, are there first; then those of consoles. */
static void place_ports(xmlNode *devices) {
        static const char *const kinds[] = { "channel", "console" };
        g_autoptr(GHashTable) taken = g_hash_table_new(g_direct_hash, g_direct_equal);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                for (xmlNode *element = xml_child(devices, kinds[i]); element; element = xml_next(element, kinds[i])) {
                        if (!is_port(element))
                                continue;
                        controllers_ensure(devices, "virtio-serial", controllers_number(element, "controller"), NULL);
                        if (controllers_number(element, "port") > 0)
                                mark_port(taken, controllers_number(element, "controller"), controllers_number(element, "port"));
                }
        for (xmlNode *element = xml_child(devices, "channel"); element; element = xml_next(element, "channel"))
                if (is_port(element) && controllers_number(element, "port") == 0)
                        choose_port(devices, taken, element);
}

/* Smart cards: each has a reader's slot to itself. */
static void place_smartcards(xmlNode *devices) {
        unsigned next = 0;
        for (xmlNode *card = xml_child(devices, "smartcard"); card; card = xml_next(card, "smartcard")) {
                if (!xml_child(card, "address")) {
                        xmlNode *address = xml_add(card, "address", NULL);
                        xml_set_attribute(address, "type", "ccid");
                        xml_set_number(address, "controller", next);
                        xml_set_number(address, "slot", 0);
                }
                controllers_ensure(devices, "ccid", controllers_number(card, "controller"), NULL);
                next = controllers_number(card, "controller") + 1;
        }
}

/* Slots of memory devices. */
static void place_memory(xmlNode *devices) {
        bool taken[DIMM_SLOTS] = { false };
        for (int explicit = 1; explicit >= 0; explicit --)
                for (xmlNode *memory = xml_child(devices, "memory"); memory; memory = xml_next(memory, "memory")) {
                        xmlNode *address = xml_child(memory, "address");
                        bool slotted = xml_attribute_is(memory, "model", "dimm") || xml_attribute_is(memory, "model", "nvdimm");
                        if (!slotted || (address != NULL) != explicit)
                                continue;
                        unsigned slot = 0;
                        if (explicit)
                                slot = controllers_number(memory, "slot");
                        else {
                                while (slot < DIMM_SLOTS && taken[slot])
                                        slot++;
                                address = xml_add(memory, "address", NULL);
                                xml_set_attribute(address, "type", "dimm");
                                xml_set_number(address, "slot", slot);
                        }
                        if (slot < DIMM_SLOTS)
                                taken[slot] = true;
                }
}

/* Where nothing is said, the first disk is booted. */
static void choose_boot(xmlNode *os, xmlNode *devices) {
        bool any = xml_child(os, "boot") != NULL;
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL))
                any |= xml_child(device, "boot") != NULL;
        if (!any)
                xml_set_attribute(xml_add(os, "boot", NULL), "dev", "hd");
}

/* A machine of a name without a version is another one in each version of QEMU: the version is chosen now. */
static bool choose_machine(xmlNode *type, char **machine, const char *usual, const Capabilities *capabilities, GError **error) {
        const char *own = capabilities ? capabilities_machine(capabilities, *machine) : *machine;
        if (!own)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, type,
                                "QEMU %s has no machine '%.64s'; machine='%s' is the newest of that kind, GetCapabilities lists "
                                "all",
                                capabilities_version(capabilities), *machine, strstr(*machine, "q35") ? "q35" : usual);
        if (strcmp(own, *machine) == 0)
                return true;
        xml_set_attribute(type, "machine", own);
        g_free(*machine);
        *machine = g_strdup(own);
        return true;
}

/* Nearly every device begins with its type. */
static bool says_kind(const xmlNode *device) {
        return device->properties && strcmp((const char *) device->properties->name, "type") == 0 && !xml_is(device, "redirdev");
}

/* Devices that do not say of what kind they are: libvirt takes the first kind it knows. */
static void choose_kinds(xmlNode *devices) {
        static const struct {
                const char *device, *attribute, *value;
        } kinds[] = {
                { "serial", "type", "pty" },  { "parallel", "type", "pty" },   { "console", "type", "pty" },
                { "channel", "type", "pty" }, { "controller", "type", "ide" }, { "redirdev", "bus", "usb" },
        };
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL))
                for (size_t i = 0; i < G_N_ELEMENTS(kinds) && !says_kind(device); i++)
                        if (xml_is(device, kinds[i].device) && !xmlHasProp(device, (const xmlChar *) kinds[i].attribute))
                                xml_set_attribute(device, kinds[i].attribute, kinds[i].value);
}

bool hardware_complete(xmlDoc *document, const Capabilities *capabilities, GError **error) {
        xmlNode *root = xmlDocGetRootElement(document), *type = xml_find(root, "os/type");
        g_autofree char *machine = xml_attribute(type, "machine");
        if (!type)
                return true; /* which is an error of its own */
        g_autofree char *architecture = xml_attribute(type, "arch");
        if (!architecture || !*architecture) {
                xml_set_attribute(type, "arch", "x86_64");
                g_free(architecture);
                architecture = g_strdup("x86_64");
        }
        if (!machine || !*machine) {
                g_free(machine);
                machine = g_strdup(machine_kind_usual(architecture));
                xml_set_attribute(type, "machine", machine);
        }
        if (!choose_machine(type, &machine, machine_kind_usual(architecture), capabilities, error))
                return false;
        const MachineKind *kind = machine_kind(architecture, machine);
        if (!kind)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, type, "the QEMU driver knows no machine of %.32s",
                                architecture);
        xmlNode *devices = xml_ensure_child(root, "devices");
        choose_kinds(devices);
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
                if (!drives_place_disk(disk, error))
                        return false;
        if (!drives_place(devices, error))
                return false;
        choose_boot(xml_child(root, "os"), devices);
        drives_add_host_controllers(devices);
        machine_devices_add(devices, kind);
        drives_add_controllers(devices);
        place_ports(devices);
        place_smartcards(devices);
        machine_devices_choose_models(devices, kind);
        place_memory(devices);
        channels_place(root, kind);
        if ((kind->root && !pci_place(root, kind, error)) || !usb_place(devices, error))
                return false;
        channels_number_pci(root, kind);
        g_autofree char *named = xml_text(xml_child(devices, "emulator")),
                        *emulator = capabilities_default_emulator(architecture);
        defaults_complete(root, kind, named && *named ? named : emulator);
        return true;
}
