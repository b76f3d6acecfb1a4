/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/hardware.h"

#include <string.h>

#include "domain/definition.h"
#include "domain/device-alias.h"
#include "qemu/complete/controllers.h"
#include "qemu/complete/defaults.h"
#include "qemu/complete/pci.h"
#include "qemu/complete/usb.h"

/* Documents with higher numbers than these are refused where they are read; here they only bound the work. */
#define INDEX_MAX 255
#define PORTS_MAX 511

/* Devices on one controller of each kind of bus. */
#define IDE_UNITS 2
#define IDE_BUSES 2
#define FDC_UNITS 2
#define SATA_PORTS 6
#define SCSI_UNITS 7
#define VIRTIO_SERIAL_PORTS 31

/* The port of a dimm's slot. */
#define DIMM_SLOTS 256

static void ensure_controller(xmlNode *devices, const char *type, unsigned index, const char *model) {
        if (index <= INDEX_MAX && !controllers_find(devices, type, index))
                controllers_add(devices, type, index, model);
}

/* Devices that every machine has, or that others stand for */

static bool is_place(const xmlNode *child) {
        return xml_is(child, "target") || xml_is(child, "address") || xml_is(child, "alias");
}

/* Makes a console say what its serial port is connected to. */
static void copy_connection(xmlNode *serial, xmlNode *console) {
        g_autofree char *type = xml_attribute(serial, "type");
        for (xmlNode *child = xml_child(console, NULL), *next; child; child = next) {
                next = xml_next(child, NULL);
                if (!is_place(child))
                        xml_remove(child);
        }
        for (xmlNode *child = xml_child(serial, NULL); child; child = xml_next(child, NULL))
                if (!is_place(child))
                        xmlAddChild(console, xmlDocCopyNode(child, console->doc, 1));
        xml_set_attribute(console, "type", type ? type : "pty");
}

/* A console before those that there are, which keep the numbers that they have. */
static xmlNode *add_first_console(xmlNode *devices, xmlNode *others) {
        xmlNode *console = xml_add(devices, "console", NULL);
        unsigned port = 0;
        xml_set_attribute(xml_add(console, "target", NULL), "port", "0");
        if (others)
                xmlAddPrevSibling(others, console);
        for (; others; others = xml_next(others, "console"), port++) {
                xmlNode *target = xml_ensure_child(others, "target");
                if (!xmlHasProp(target, (const xmlChar *) "port"))
                        xml_set_number(target, "port", port);
        }
        return console;
}

static void add_console_twins(xmlNode *devices) {
        xmlNode *console = xml_child(devices, "console"), *serial = xml_child(devices, "serial");
        xmlNode *target = xml_child(console, "target");
        bool is_serial = console &&
                         (!target || !xmlHasProp(target, (const xmlChar *) "type") || xml_attribute_is(target, "type", "serial"));
        if (is_serial && !serial) {
                /* The first console is a serial port; it is this one. */
                serial = xmlDocCopyNode(console, devices->doc, 1);
                xmlNodeSetName(serial, (const xmlChar *) "serial");
                xmlNode *alias = xml_child(serial, "alias");
                if (alias) {
                        xml_remove(alias);
                }
                xmlNode *its_target = xml_ensure_child(serial, "target");
                xml_set_attribute(its_target, "type", "isa-serial");
                xml_set_attribute(its_target, "port", "0");
                xmlAddPrevSibling(console, serial);
        }
        xmlNode *card = xml_child(serial, "target");
        if (serial && !is_serial &&
            (!xmlHasProp(card, (const xmlChar *) "type") || xml_attribute_is(card, "type", "isa-serial"))) {
                console = add_first_console(devices, console);
                copy_connection(serial, console);
                is_serial = true;
        } else if (is_serial)
                copy_connection(serial, console);
        if (!is_serial)
                return;
        xml_set_attribute(xml_ensure_child(console, "target"), "type", "serial");
        /* It is one device, and libvirt's live documents show its alias twice. */
        xmlNode *alias = xml_child(console, "alias");
        g_autofree char *name = xml_attribute(alias, "name");
        if (name && xml_attribute_is(xml_child(serial, "alias"), "name", name))
                xml_remove(alias);
}

static void add_inputs(xmlNode *devices) {
        static const char *const types[] = { "mouse", "keyboard" };
        for (xmlNode *input = xml_child(devices, "input"); input; input = xml_next(input, "input"))
                if (!xmlHasProp(input, (const xmlChar *) "bus") && !xml_attribute_is(input, "type", "evdev"))
                        xml_set_attribute(input, "bus",
                                          xml_attribute_is(input, "type", "tablet")        ? "usb"
                                          : xml_attribute_is(input, "type", "passthrough") ? "virtio"
                                                                                           : "ps2");
        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                bool found = false;
                for (xmlNode *input = xml_child(devices, "input"); input; input = xml_next(input, "input"))
                        found |= xml_attribute_is(input, "type", types[i]) && xml_attribute_is(input, "bus", "ps2");
                if (!found) {
                        xmlNode *input = xml_add(devices, "input", NULL);
                        xml_set_attribute(input, "type", types[i]);
                        xml_set_attribute(input, "bus", "ps2");
                }
        }
}

/* A sound card needs a back end; a SPICE or SDL display brings one. */
static void add_audio(xmlNode *devices) {
        const char *type = "none";
        for (xmlNode *display = xml_child(devices, "graphics"); display; display = xml_next(display, "graphics"))
                if (xml_attribute_is(display, "type", "spice") || xml_attribute_is(display, "type", "sdl")) {
                        type = xml_attribute_is(display, "type", "spice") ? "spice" : "sdl";
                        break;
                }
        if (!xml_child(devices, "audio")) {
                xmlNode *audio = xml_add(devices, "audio", NULL);
                xml_set_attribute(audio, "id", "1");
                xml_set_attribute(audio, "type", type);
        }
}

static void add_video(xmlNode *devices) {
        if (!xml_child(devices, "video") && xml_child(devices, "graphics"))
                xml_add(devices, "video", NULL);
        for (xmlNode *video = xml_child(devices, "video"); video; video = xml_next(video, "video")) {
                xmlNode *model = xml_ensure_child(video, "model");
                if (!xmlHasProp(model, (const xmlChar *) "type"))
                        xml_set_attribute(model, "type", "cirrus");
        }
}

/* Also one of model 'none', which says that there is no USB at all. */
static bool has_usb(xmlNode *devices) {
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller"))
                if (xml_attribute_is(element, "type", "usb") &&
                    (controllers_index(element) == 0 || xml_attribute_is(element, "model", "none")))
                        return true;
        return false;
}

static void add_machine_devices(xmlNode *devices, bool q35) {
        ensure_controller(devices, "pci", 0, q35 ? "pcie-root" : "pci-root");
        if (!has_usb(devices))
                ensure_controller(devices, "usb", 0, q35 ? "qemu-xhci" : "piix3-uhci");
        if (q35)
                ensure_controller(devices, "sata", 0, NULL);
        if (!xml_child(devices, "memballoon"))
                xml_set_attribute(xml_add(devices, "memballoon", NULL), "model", "virtio");
        add_inputs(devices);
        add_console_twins(devices);
        add_video(devices);
        add_audio(devices);
}

/* Which ports of the USB 2 controller a companion serves. */
static void add_master(xmlNode *controller) {
        static const char *const companions[][2] = { { "ich9-uhci1", "0" }, { "ich9-uhci2", "2" }, { "ich9-uhci3", "4" } };
        for (size_t i = 0; i < G_N_ELEMENTS(companions); i++)
                if (xml_attribute_is(controller, "model", companions[i][0]) && !xml_child(controller, "master"))
                        xml_set_attribute(xml_add(controller, "master", NULL), "startport", companions[i][1]);
}

static bool is_usb2_part(const xmlNode *controller) {
        g_autofree char *model = xml_attribute(controller, "model");
        return xml_attribute_is(controller, "type", "usb") && model && g_str_has_prefix(model, "ich9-");
}

/* The index of the USB 2 controller that stands before one of its parts, unless it has such a part already: they are one bus, and
 * virt-install writes them without their indices. */
static bool takes_index_before(xmlNode *devices, const xmlNode *controller, const xmlNode *before, unsigned *index) {
        g_autofree char *model = xml_attribute(controller, "model");
        if (!before || !is_usb2_part(controller) || !is_usb2_part(before))
                return false;
        *index = controllers_index(before);
        for (xmlNode *other = xml_child(devices, "controller"); other; other = xml_next(other, "controller"))
                if (xmlHasProp(other, (const xmlChar *) "index") && controllers_index(other) == *index && is_usb2_part(other) &&
                    xml_attribute_is(other, "model", model))
                        return false;
        return true;
}

static unsigned free_index(xmlNode *devices, const xmlNode *controller) {
        g_autofree char *type = xml_attribute(controller, "type");
        unsigned index = 0;
        while (type && index <= INDEX_MAX && controllers_find(devices, type, index) &&
               controllers_find(devices, type, index) != controller)
                index++;
        return index;
}

/* Models that are left open. */
static void choose_models(xmlNode *devices) {
        xmlNode *before = NULL;
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                unsigned index;
                if (!xmlHasProp(element, (const xmlChar *) "index"))
                        xml_set_number(element, "index",
                                       takes_index_before(devices, element, before, &index) ? index
                                                                                            : free_index(devices, element));
                before = element;
                add_master(element);
                if (xmlHasProp(element, (const xmlChar *) "model"))
                        continue;
                if (xml_attribute_is(element, "type", "usb"))
                        xml_set_attribute(element, "model", "piix3-uhci");
                else if (xml_attribute_is(element, "type", "scsi"))
                        xml_set_attribute(element, "model", "lsilogic");
        }
        for (xmlNode *element = xml_child(devices, "interface"); element; element = xml_next(element, "interface")) {
                xmlNode *model = xml_child(element, "model");
                if (!xml_attribute_is(element, "type", "hostdev") && (!model || !xmlHasProp(model, (const xmlChar *) "type")))
                        xml_set_attribute(xml_ensure_child(element, "model"), "type", "rtl8139");
        }
}

/* Drives */

static const char *bus_of_name(const char *name) {
        static const char *const buses[][2] = { { "hd", "ide" },  { "sd", "scsi" }, { "vd", "virtio" },
                                                { "xvd", "xen" }, { "fd", "fdc" },  { "ubd", "uml" } };
        for (size_t i = 0; i < G_N_ELEMENTS(buses); i++)
                if (g_str_has_prefix(name, buses[i][0]))
                        return buses[i][1];
        return NULL;
}

static void set_drive_address(xmlNode *element, unsigned controller, unsigned bus, unsigned target, unsigned unit) {
        xmlNode *address = xml_add(element, "address", NULL);
        xml_set_attribute(address, "type", "drive");
        xml_set_number(address, "controller", controller);
        xml_set_number(address, "bus", bus);
        xml_set_number(address, "target", target);
        xml_set_number(address, "unit", unit);
}

/* A disk's name says where it is on its bus. */
static bool place_disk(xmlNode *disk, GError **error) {
        xmlNode *target = xml_child(disk, "target");
        g_autofree char *name = xml_attribute(target, "dev");
        int index = name ? disk_index(name) : -1;
        if (!target || index < 0)
                return true; /* which is an error of its own */
        const char *choice = bus_of_name(name);
        if (!xmlHasProp(target, (const xmlChar *) "bus") && choice)
                xml_set_attribute(target, "bus", xml_attribute_is(disk, "device", "floppy") ? "fdc" : choice);
        static const char *const drives[] = { "ide", "fdc", "sata", "scsi" };
        for (size_t i = 0; i < G_N_ELEMENTS(drives) && xml_child(disk, "address"); i++)
                if (xml_attribute_is(target, "bus", drives[i]) &&
                    !xml_attribute_is(xml_child(disk, "address"), "type", "drive")) {
                        g_autofree char *type = xml_attribute(xml_child(disk, "address"), "type");
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(disk, "address"),
                                        "type '%.16s' is not an address of the disk '%s' on bus '%s': use drive",
                                        type ? type : "", name, drives[i]);
                }
        if (xml_child(disk, "address"))
                return true;
        unsigned n = (unsigned) index;
        if (xml_attribute_is(target, "bus", "ide"))
                set_drive_address(disk, n / (IDE_BUSES * IDE_UNITS), n / IDE_UNITS % IDE_BUSES, 0, n % IDE_UNITS);
        else if (xml_attribute_is(target, "bus", "fdc"))
                set_drive_address(disk, n / FDC_UNITS, 0, 0, n % FDC_UNITS);
        else if (xml_attribute_is(target, "bus", "sata"))
                set_drive_address(disk, n / SATA_PORTS, 0, 0, n % SATA_PORTS);
        else if (xml_attribute_is(target, "bus", "scsi"))
                set_drive_address(disk, n / SCSI_UNITS, 0, 0, n % SCSI_UNITS);
        return true;
}

static char *drive_place(const xmlNode *element, const char *bus) {
        static const char *const names[] = { "controller", "bus", "target", "unit" };
        xmlNode *address = xml_child(element, "address");
        g_autoptr(GString) place = g_string_new(bus);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *text = xml_attribute(address, names[i]);
                g_string_append_printf(place, " %s='%lu'", names[i], text ? strtoul(text, NULL, 0) : 0);
        }
        return g_string_free(g_steal_pointer(&place), FALSE);
}

static bool is_scsi_hostdev(const xmlNode *element) {
        return xml_is(element, "hostdev") && xml_attribute_is(element, "type", "scsi");
}

/* Two drives at one place; and host devices, which take the first place that is free. */
static bool place_drives(xmlNode *devices, GError **error) {
        g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        unsigned n = 0;
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk")) {
                g_autofree char *name = xml_attribute(xml_child(disk, "target"), "dev");
                if (name && !g_hash_table_add(taken, g_strdup(name)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, disk, "target '%.32s' is another disk's", name);
        }
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk")) {
                g_autofree char *bus = xml_attribute(xml_child(disk, "target"), "bus");
                if (!bus || !xml_attribute_is(xml_child(disk, "address"), "type", "drive"))
                        continue;
                char *place = drive_place(disk, bus);
                if (g_hash_table_contains(taken, place)) {
                        xml_fail(error, VIRTBUS_ERROR_INVALID_XML, disk, "another disk is at the same place: %s", place);
                        g_free(place);
                        return false;
                }
                g_hash_table_add(taken, place);
        }
        for (int explicit = 1; explicit >= 0; explicit --)
                for (xmlNode *host = xml_child(devices, "hostdev"); host; host = xml_next(host, "hostdev")) {
                        if (!is_scsi_hostdev(host) || (xml_child(host, "address") != NULL) != explicit)
                                continue;
                        char *place = explicit ? drive_place(host, "scsi") : NULL;
                        if (explicit && g_hash_table_contains(taken, place)) {
                                xml_fail(error, VIRTBUS_ERROR_INVALID_XML, host, "another SCSI device is at the same place: %s",
                                         place);
                                g_free(place);
                                return false;
                        }
                        for (; !place && n < SCSI_UNITS * (INDEX_MAX + 1); n++) { /* all before are taken */
                                set_drive_address(host, n / SCSI_UNITS, 0, 0, n % SCSI_UNITS);
                                place = drive_place(host, "scsi");
                                if (g_hash_table_contains(taken, place)) {
                                        xmlNode *address = xml_child(host, "address");
                                        xml_remove(address);
                                        g_clear_pointer(&place, g_free);
                                }
                        }
                        if (place)
                                g_hash_table_add(taken, place);
                }
        return true;
}

static unsigned address_number(const xmlNode *element, const char *name) {
        g_autofree char *text = xml_attribute(xml_child(element, "address"), name);
        return text ? (unsigned) MIN(strtoul(text, NULL, 0), 1 << 16) : 0;
}

/* Those of the host's SCSI devices come before what every machine has. */
static void add_host_controllers(xmlNode *devices) {
        unsigned n = 0;
        for (xmlNode *host = xml_child(devices, "hostdev"); host; host = xml_next(host, "hostdev"))
                if (is_scsi_hostdev(host))
                        n = MAX(n, address_number(host, "controller") + 1);
        for (unsigned index = 0; index < MIN(n, INDEX_MAX + 1); index++)
                ensure_controller(devices, "scsi", index, NULL);
}

/* Every controller up to the last one that is needed, as a gap would be filled later by others. */
static void add_drive_controllers(xmlNode *devices) {
        static const char *const buses[] = { "scsi", "ide", "fdc", "sata" };
        for (size_t i = 0; i < G_N_ELEMENTS(buses); i++) {
                unsigned n = 0;
                for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
                        if (xml_attribute_is(xml_child(disk, "target"), "bus", buses[i]) &&
                            xml_attribute_is(xml_child(disk, "address"), "type", "drive"))
                                n = MAX(n, address_number(disk, "controller") + 1);
                for (unsigned index = 0; index < MIN(n, INDEX_MAX + 1); index++)
                        ensure_controller(devices, buses[i], index, NULL);
        }
}

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

static void choose_port(xmlNode *devices, GHashTable *taken, xmlNode *element) {
        xmlNode *address = xml_child(element, "address");
        bool fixed = address && xmlHasProp(address, (const xmlChar *) "controller");
        g_autofree char *number = xml_attribute(address, "controller");
        if (address && (!xml_attribute_is(address, "type", "virtio-serial") ||
                        (number && (!*number || strspn(number, "0123456789") != strlen(number)))))
                return; /* which is said elsewhere */
        for (unsigned controller = fixed ? address_number(element, "controller") : 0; controller <= INDEX_MAX; controller++) {
                xmlNode *owner = controllers_find(devices, "virtio-serial", controller);
                if (!owner && !fixed) { /* a gap is not filled; the next one after the last is made */
                        bool later = false;
                        for (unsigned i = controller + 1; i <= INDEX_MAX && !later; i++)
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

static void place_ports(xmlNode *devices) {
        g_autoptr(GHashTable) taken = g_hash_table_new(g_direct_hash, g_direct_equal);
        for (xmlNode *element = xml_child(devices, NULL); element; element = xml_next(element, NULL)) {
                if (!is_port(element))
                        continue;
                ensure_controller(devices, "virtio-serial", address_number(element, "controller"), NULL);
                if (address_number(element, "port") > 0)
                        mark_port(taken, address_number(element, "controller"), address_number(element, "port"));
        }
        for (xmlNode *element = xml_child(devices, "channel"); element; element = xml_next(element, "channel"))
                if (is_port(element) && address_number(element, "port") == 0)
                        choose_port(devices, taken, element);
}

static void add_port_controllers(xmlNode *devices) {
        for (xmlNode *element = xml_child(devices, NULL); element; element = xml_next(element, NULL))
                if (is_port(element) && xml_child(element, "address"))
                        ensure_controller(devices, "virtio-serial", address_number(element, "controller"), NULL);
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
                ensure_controller(devices, "ccid", address_number(card, "controller"), NULL);
                next = address_number(card, "controller") + 1;
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
                                slot = address_number(memory, "slot");
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
static bool choose_machine(xmlNode *type, char **machine, const Capabilities *capabilities, GError **error) {
        const char *own = capabilities ? capabilities_machine(capabilities, *machine) : *machine;
        if (!own)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, type,
                                "QEMU %s has no machine '%.64s'; machine='%s' is the newest of that kind, GetCapabilities lists "
                                "all",
                                capabilities_version(capabilities), *machine, strstr(*machine, "q35") ? "q35" : "pc");
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
        if (!machine || !*machine) {
                xml_set_attribute(type, "machine", "pc");
                g_free(machine);
                machine = g_strdup("pc");
        }
        if (!choose_machine(type, &machine, capabilities, error))
                return false;
        bool q35 = strstr(machine, "q35") != NULL;
        xmlNode *devices = xml_ensure_child(root, "devices");
        choose_kinds(devices);
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
                if (!place_disk(disk, error))
                        return false;
        if (!place_drives(devices, error))
                return false;
        choose_boot(xml_child(root, "os"), devices);
        add_host_controllers(devices);
        add_machine_devices(devices, q35);
        add_drive_controllers(devices);
        add_port_controllers(devices);
        place_ports(devices);
        place_smartcards(devices);
        choose_models(devices);
        place_memory(devices);
        if (!pci_place(root, q35, error) || !usb_place(devices, error))
                return false;
        g_autofree char *architecture = xml_attribute(type, "arch"), *named = xml_text(xml_child(devices, "emulator"));
        g_autofree char *emulator = capabilities_default_emulator(architecture && *architecture ? architecture : "x86_64");
        if (!architecture || !*architecture)
                xml_set_attribute(type, "arch", "x86_64");
        defaults_complete(root, named && *named ? named : emulator);
        return true;
}
