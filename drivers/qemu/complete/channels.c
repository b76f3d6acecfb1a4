/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/channels.h"

#include <string.h>

#include "qemu/complete/controllers.h"
#include "qemu/complete/pci-kind.h"

/* Virtio's devices on s390 are in the channel subsystem that is QEMU's own, set 0. */
#define CCW_SUBSYSTEM 0xfe
#define CCW_NUMBERS 0x10000

/* Kinds of devices in the order in which they are given channels. */
static const char *const in_order[] = { "disk",     "interface",  "video", "controller", "input", "filesystem", "hostdev",
                                        "watchdog", "memballoon", "rng",   "memory",     "vsock", "crypto" };

static bool is_host_device(const xmlNode *device) {
        return xml_is(device, "hostdev") &&
               (xml_attribute_is(device, "type", "scsi_host") || xml_attribute_is(device, "model", "vfio-ccw"));
}

/* Whether a device is virtio's, or another that has a channel. */
static bool has_channel(const xmlNode *device) {
        if (xml_is(device, "hostdev"))
                return is_host_device(device);
        if (xml_is(device, "interface") && xml_attribute_is(device, "type", "hostdev"))
                return false;
        return pci_is_virtio(device);
}

static unsigned number_of(const xmlNode *address, const char *name) {
        g_autofree char *text = xml_attribute(address, name);
        return text ? (unsigned) MIN(strtoul(text, NULL, 0), CCW_NUMBERS) : 0;
}

static void set_hexadecimal(xmlNode *address, const char *name, const char *format, unsigned number) {
        char text[16];
        g_snprintf(text, sizeof text, format, number);
        xml_set_attribute(address, name, text);
}

/* What says of its place no more than that it is a channel waits for one. */
static bool is_wanted(const xmlNode *device, const char *type, const char *part) {
        const xmlNode *address = xml_child(device, "address");
        return !address || (xml_attribute_is(address, "type", type) && !xmlHasProp((xmlNode *) address, (const xmlChar *) part));
}

/* Those of a kind, as libvirt has them in its lists. */
static GPtrArray *sorted_devices(xmlNode *devices, const char *name) {
        if (strcmp(name, "disk") == 0 || strcmp(name, "controller") == 0)
                return controllers_sorted(devices, name);
        GPtrArray *all = g_ptr_array_new();
        for (xmlNode *device = xml_child(devices, name); device; device = xml_next(device, name))
                g_ptr_array_add(all, device);
        return all;
}

static void place_on_channels(xmlNode *devices) {
        g_autoptr(GHashTable) taken = g_hash_table_new(g_direct_hash, g_direct_equal);
        unsigned next = 0;
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL)) {
                const xmlNode *address = xml_child(device, "address");
                if (xml_attribute_is(address, "type", "ccw") && number_of(address, "cssid") == CCW_SUBSYSTEM &&
                    number_of(address, "ssid") == 0)
                        g_hash_table_add(taken, GUINT_TO_POINTER(number_of(address, "devno") + 1));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(in_order); i++) {
                g_autoptr(GPtrArray) sorted = sorted_devices(devices, in_order[i]);
                for (guint n = 0; n < sorted->len; n++) {
                        xmlNode *device = sorted->pdata[n];
                        if (!has_channel(device) || !is_wanted(device, "ccw", "devno"))
                                continue;
                        while (next < CCW_NUMBERS && g_hash_table_contains(taken, GUINT_TO_POINTER(next + 1)))
                                next++;
                        xmlNode *address = xml_ensure_child(device, "address");
                        xml_set_attribute(address, "type", "ccw");
                        set_hexadecimal(address, "cssid", "0x%x", CCW_SUBSYSTEM);
                        set_hexadecimal(address, "ssid", "0x%x", 0);
                        set_hexadecimal(address, "devno", "0x%04x", next++);
                }
        }
}

/* A board's places for virtio have no numbers of their own: a device that is there is in one of them. */
static void place_on_board(xmlNode *devices) {
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL))
                if (pci_is_virtio(device) && !xml_child(device, "address"))
                        xml_set_attribute(xml_add(device, "address", NULL), "type", "virtio-mmio");
}

/* A machine that has both may have its virtio in the board's places: whoever says so of one device means all. */
static bool uses_board(const xmlNode *devices) {
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL))
                if (xml_attribute_is(xml_child(device, "address"), "type", "virtio-mmio"))
                        return true;
        return false;
}

/* Registers: what is looked for, and where the first of its kind is. */
static const struct {
        const char *device, *child, *attribute, *value;
        unsigned first;
} registers[] = {
        { "interface", "model", "type", "spapr-vlan", 0x1000 },
        { "controller", NULL, "model", "ibmvscsi", 0x2000 },
        { "serial", "target", "type", "spapr-vio-serial", 0x30000000 },
        { "tpm", NULL, "model", "tpm-spapr", 0x4000 },
        { "nvram", NULL, NULL, NULL, 0x3000 },
};

#define REGISTER_STEP 0x1000

static bool is_register_taken(const xmlNode *devices, unsigned long number) {
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL)) {
                g_autofree char *text = xml_attribute(xml_child(device, "address"), "reg");
                if (text && xml_attribute_is(xml_child(device, "address"), "type", "spapr-vio") &&
                    strtoul(text, NULL, 0) == number)
                        return true;
        }
        return false;
}

/* A serial port that does not say what it is, or says what every port once was. */
static bool is_usual_port(const char *type) {
        return !type || strcmp(type, "isa-serial") == 0 || strcmp(type, "serial") == 0;
}

static void place_on_registers(xmlNode *devices) {
        for (size_t i = 0; i < G_N_ELEMENTS(registers); i++) {
                g_autoptr(GPtrArray) sorted = sorted_devices(devices, registers[i].device);
                for (guint n = 0; n < sorted->len; n++) {
                        xmlNode *device = sorted->pdata[n];
                        unsigned number = registers[i].first;
                        const xmlNode *says = registers[i].child ? xml_child(device, registers[i].child) : device;
                        g_autofree char *value = registers[i].value ? xml_attribute(says, registers[i].attribute) : NULL;
                        bool is_usual = registers[i].child && xml_is(device, "serial") && is_usual_port(value);
                        if ((registers[i].value && !is_usual && g_strcmp0(value, registers[i].value) != 0) ||
                            !is_wanted(device, "spapr-vio", "reg"))
                                continue;
                        while (is_register_taken(devices, number))
                                number += REGISTER_STEP;
                        xmlNode *address = xml_ensure_child(device, "address");
                        xml_set_attribute(address, "type", "spapr-vio");
                        set_hexadecimal(address, "reg", "0x%08x", number);
                }
        }
}

/* The lowest number that no other device's zPCI address has. */
static unsigned free_number(const xmlNode *devices, const char *name, unsigned number) {
        bool found = true;
        while (found) {
                found = false;
                for (xmlNode *device = xml_child(devices, NULL); device && !found; device = xml_next(device, NULL)) {
                        g_autofree char *text = xml_attribute(xml_find(device, "address/zpci"), name);
                        found = text && strtoul(text, NULL, 0) == number;
                }
                number += found;
        }
        return number;
}

void channels_number_pci(xmlNode *root, const MachineKind *kind) {
        static const char *const names[] = { "uid", "fid" }, *const formats[] = { "0x%04x", "0x%08x" };
        xmlNode *devices = xml_child(root, "devices");
        for (xmlNode *device = xml_child(devices, NULL); kind->virtio == VIRTIO_ON_CCW && device;
             device = xml_next(device, NULL)) {
                xmlNode *address = xml_child(device, "address");
                if (!xml_attribute_is(address, "type", "pci") || pci_is_controller(device))
                        continue;
                xmlNode *numbers = xml_ensure_child(address, "zpci");
                for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                        if (!xmlHasProp(numbers, (const xmlChar *) names[i]))
                                set_hexadecimal(numbers, names[i], formats[i], free_number(devices, names[i], i == 0 ? 1 : 0));
        }
}

void channels_place(xmlNode *root, const MachineKind *kind) {
        xmlNode *devices = xml_child(root, "devices");
        if (kind->virtio == VIRTIO_ON_CCW)
                place_on_channels(devices);
        else if (kind->virtio == VIRTIO_ON_MMIO || (!kind->is_x86 && uses_board(devices)))
                place_on_board(devices);
        if (g_strcmp0(kind->panic, "pseries") == 0)
                place_on_registers(devices);
}
