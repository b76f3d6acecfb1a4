/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/hardware.h"

#include <string.h>

#include "base/xml.h"
#include "remote/soap.h"
#include "vmx/vmx-file.h"
#include "vmx/vmx-network.h"

/* A machine has at most some 300; what a server sends beyond that is not looked at. */
#define DEVICES_MAX 1024

static bool is_true(const xmlNode *element, const char *path) {
        g_autofree char *text = xml_text_at(element, path);
        return strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static bool begins(const char *type, const char *with) {
        return type && g_str_has_prefix(type, with);
}

/* The lines of one device: KEY with its place, and then. */
static void put(GString *lines, const char *slot, const char *key, const char *value) {
        if (value && *value)
                vmx_put(lines, value, "%s.%s", slot, key);
}

/* Controllers */

static const struct {
        const char *type, *bus, *device;
} controllers[] = {
        { "VirtualLsiLogicController", "scsi", "lsilogic" },
        { "VirtualLsiLogicSASController", "scsi", "lsisas1068" },
        { "VirtualBusLogicController", "scsi", "buslogic" },
        { "ParaVirtualSCSIController", "scsi", "pvscsi" },
        { "VirtualAHCIController", "sata", NULL },
        { "VirtualSATAController", "sata", NULL },
        { "VirtualIDEController", "ide", NULL },
        { "VirtualNVMEController", "nvme", NULL },
};

/* What controls a device: its kind and number, such as "scsi0"; NULL where it is another. */
static char *controller_slot(const xmlNode *device, const char **bus, const char **model) {
        g_autofree char *type = soap_type(device), *number = xml_text_at(device, "busNumber");
        for (size_t i = 0; type && i < G_N_ELEMENTS(controllers); i++)
                if (strcmp(type, controllers[i].type) == 0) {
                        *bus = controllers[i].bus;
                        *model = controllers[i].device;
                        return g_strdup_printf("%s%u", *bus, (unsigned) g_ascii_strtoull(number, NULL, 10));
                }
        return NULL;
}

static void write_controller(const xmlNode *device, GString *lines, GHashTable *slots) {
        const char *bus, *model;
        g_autofree char *slot = controller_slot(device, &bus, &model), *key = xml_text_at(device, "key");
        if (!slot)
                return;
        if (strcmp(bus, "ide") != 0)
                put(lines, slot, "present", "TRUE");
        put(lines, slot, "virtualDev", model);
        g_hash_table_insert(slots, g_steal_pointer(&key), g_steal_pointer(&slot));
}

/* Drives */

/* "scsi0:1", or NULL; the next one where a stranger's server has two devices in one place. */
static char *drive_slot(const xmlNode *device, GHashTable *slots) {
        g_autofree char *controller = xml_text_at(device, "controllerKey"), *unit = xml_text_at(device, "unitNumber");
        const char *slot = g_hash_table_lookup(slots, controller);
        if (!slot)
                return NULL;
        for (guint64 place = MIN(g_ascii_strtoull(unit, NULL, 10), DEVICES_MAX);; place++) {
                g_autofree char *name = g_strdup_printf("%s:%" G_GUINT64_FORMAT, slot, place);
                if (g_hash_table_insert(slots, g_strdup(name), g_strdup("taken")))
                        return g_steal_pointer(&name);
        }
}

static void write_disk(const xmlNode *device, GString *lines, GHashTable *slots) {
        g_autofree char *slot = drive_slot(device, slots), *file = xml_text_at(device, "backing/fileName"),
                        *mode = xml_text_at(device, "backing/diskMode");
        if (!slot)
                return;
        g_strdelimit(mode, "_", '-');
        put(lines, slot, "present", "TRUE");
        put(lines, slot, "fileName", file);
        put(lines, slot, "mode", strcmp(mode, "persistent") == 0 ? NULL : mode);
        if (is_true(device, "backing/writeThrough"))
                put(lines, slot, "writeThrough", "TRUE");
}

static void write_cdrom(const xmlNode *device, GString *lines, GHashTable *slots) {
        g_autofree char *slot = drive_slot(device, slots), *backing = soap_type(xml_child(device, "backing")),
                        *file = xml_text_at(device, "backing/fileName"), *name = xml_text_at(device, "backing/deviceName");
        if (!slot)
                return;
        bool is_image = begins(backing, "VirtualCdromIso");
        put(lines, slot, "present", "TRUE");
        put(lines, slot, "deviceType",
            is_image                                     ? "cdrom-image"
            : begins(backing, "VirtualCdromPassthrough") ? "cdrom-raw"
                                                         : "atapi-cdrom");
        put(lines, slot, "fileName", is_image ? file : name);
        if (begins(backing, "VirtualCdromRemote"))
                put(lines, slot, "clientDevice", "TRUE");
}

static void write_floppy(const xmlNode *device, GString *lines, unsigned index) {
        g_autofree char *slot = g_strdup_printf("floppy%u", index), *backing = soap_type(xml_child(device, "backing")),
                        *file = xml_text_at(device, "backing/fileName"), *name = xml_text_at(device, "backing/deviceName");
        bool is_image = begins(backing, "VirtualFloppyImage");
        put(lines, slot, "present", "TRUE");
        put(lines, slot, "fileType", is_image ? "file" : "device");
        put(lines, slot, "fileName", is_image ? file : name);
        if (begins(backing, "VirtualFloppyRemote"))
                put(lines, slot, "clientDevice", "TRUE");
}

/* Interfaces */

static const struct {
        const char *type, *device;
} cards[] = {
        { "VirtualE1000", "e1000" },          { "VirtualE1000e", "e1000e" }, { "VirtualVmxnet3", "vmxnet3" },
        { "VirtualVmxnet2", "vmxnet" },       { "VirtualVmxnet", "vmxnet" }, { "VirtualPCNet32", "vlance" },
        { "VirtualSriovEthernetCard", NULL },
};

/* An interface; -1: it is none. */
static int find_card(const char *type) {
        for (size_t i = 0; type && i < G_N_ELEMENTS(cards); i++)
                if (strcmp(type, cards[i].type) == 0)
                        return (int) i;
        return -1;
}

static void write_address(const xmlNode *device, GString *lines, const char *slot) {
        g_autofree char *type = xml_text_at(device, "addressType"), *address = xml_text_at(device, "macAddress"),
                        *lower = g_ascii_strdown(type, -1);
        bool is_static = strcmp(lower, "manual") == 0;
        put(lines, slot, "addressType", is_static ? "static" : strcmp(lower, "assigned") == 0 ? "vpx" : "generated");
        put(lines, slot, is_static ? "address" : "generatedAddress", address);
}

static void write_card(const xmlNode *device, GString *lines, unsigned index, int card) {
        g_autofree char *slot = g_strdup_printf("ethernet%u", index), *backing = soap_type(xml_child(device, "backing")),
                        *network = xml_text_at(device, "backing/deviceName"),
                        *id = xml_text_at(device, "backing/port/switchUuid"), *port = xml_text_at(device, "backing/port/portKey"),
                        *group = xml_text_at(device, "backing/port/portgroupKey"),
                        *cookie = xml_text_at(device, "backing/port/connectionCookie");
        put(lines, slot, "present", "TRUE");
        put(lines, slot, "virtualDev", cards[card].device);
        if (strcmp(cards[card].type, "VirtualVmxnet2") == 0) {
                g_autofree char *features = g_strdup_printf("%d", VMX_VMXNET2_FEATURES);
                put(lines, slot, "features", features);
        }
        write_address(device, lines, slot);
        if (begins(backing, "VirtualEthernetCardDistributed")) {
                put(lines, slot, "dvs.switchId", id);
                put(lines, slot, "dvs.portId", port);
                put(lines, slot, "dvs.portgroupId", group);
                put(lines, slot, "dvs.connectionId", cookie);
        } else
                put(lines, slot, "networkName", network);
}

/* Ports and the screen */

static void write_port(const xmlNode *device, GString *lines, const char *kind, unsigned index) {
        g_autofree char *slot = g_strdup_printf("%s%u", kind, index), *backing = soap_type(xml_child(device, "backing")),
                        *file = xml_text_at(device, "backing/fileName"), *name = xml_text_at(device, "backing/deviceName"),
                        *pipe = xml_text_at(device, "backing/pipeName"), *end = xml_text_at(device, "backing/endpoint"),
                        *uri = xml_text_at(device, "backing/serviceURI"), *direction = xml_text_at(device, "backing/direction");
        put(lines, slot, "present", "TRUE");
        if (backing && strstr(backing, "FileBacking")) {
                put(lines, slot, "fileType", "file");
                put(lines, slot, "fileName", file);
        } else if (backing && strstr(backing, "PipeBacking")) {
                put(lines, slot, "fileType", "pipe");
                put(lines, slot, "fileName", pipe);
                put(lines, slot, "pipe.endPoint", end);
        } else if (backing && strstr(backing, "URIBacking")) {
                put(lines, slot, "fileType", "network");
                put(lines, slot, "fileName", uri);
                put(lines, slot, "network.endPoint", direction);
        } else {
                put(lines, slot, "fileType", "device");
                put(lines, slot, "fileName", name);
        }
}

static void write_screen(const xmlNode *device, GString *lines) {
        g_autofree char *size = xml_text_at(device, "videoRamSizeInKB");
        guint64 kibibytes = g_ascii_strtoull(size, NULL, 10);
        g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, kibibytes * 1024);
        if (kibibytes > 0)
                vmx_put(lines, bytes, "svga.vramSize");
}

void hardware_write(const xmlNode *devices, GString *lines) {
        g_autoptr(GHashTable) slots = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        unsigned n_cards = 0, n_floppies = 0, n_serial = 0, n_parallel = 0, n = 0;
        for (xmlNode *device = xml_child(devices, NULL); device && n < DEVICES_MAX; device = xml_next(device, NULL), n++)
                write_controller(device, lines, slots);
        n = 0;
        for (xmlNode *device = xml_child(devices, NULL); device && n < DEVICES_MAX; device = xml_next(device, NULL), n++) {
                g_autofree char *type = soap_type(device);
                int card = find_card(type);
                if (card >= 0)
                        write_card(device, lines, n_cards++, card);
                else if (g_strcmp0(type, "VirtualDisk") == 0)
                        write_disk(device, lines, slots);
                else if (g_strcmp0(type, "VirtualCdrom") == 0)
                        write_cdrom(device, lines, slots);
                else if (g_strcmp0(type, "VirtualFloppy") == 0)
                        write_floppy(device, lines, n_floppies++);
                else if (g_strcmp0(type, "VirtualSerialPort") == 0)
                        write_port(device, lines, "serial", n_serial++);
                else if (g_strcmp0(type, "VirtualParallelPort") == 0)
                        write_port(device, lines, "parallel", n_parallel++);
                else if (g_strcmp0(type, "VirtualMachineVideoCard") == 0)
                        write_screen(device, lines);
        }
}
