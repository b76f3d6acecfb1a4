/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-read.h"

#include <string.h>

#include "base/xml.h"
#include "vmx/vmx-bus.h"
#include "vmx/vmx-path.h"

/* A drive that has a place, and nothing in it. */
#define EMPTY "emptyBackingString"
#define AUTO_DETECT "auto detect"
/* Where ESX has the host's own drives, which deviceType scsi-passthru may mean. */
#define HOST_CDROMS "/vmfs/devices/cdrom/"

static bool is(const char *text, const char *other) {
        return text && g_ascii_strcasecmp(text, other) == 0;
}

static bool ends_with(const char *text, const char *end) {
        size_t length = strlen(text), end_length = strlen(end);
        return length >= end_length && g_ascii_strcasecmp(text + length - end_length, end) == 0;
}

void vmx_read_path(xmlNode *source, const char *attribute, const char *path) {
        g_autofree char *converted = vmx_path_to_document(path);
        xml_set_attribute(source, attribute, converted);
}

static xmlNode *add_disk(xmlNode *devices, const char *type, const char *device) {
        xmlNode *disk = xml_add(devices, "disk", NULL);
        xml_set_attribute(disk, "type", type);
        xml_set_attribute(disk, "device", device);
        return disk;
}

static void add_source(xmlNode *disk, const char *file, const char *device) {
        if (file)
                vmx_read_path(xml_add(disk, "source", NULL), "file", file);
        else if (is(device, AUTO_DETECT))
                xml_set_attribute(xml_add(disk, "source", NULL), "startupPolicy", "optional");
        else if (device)
                xml_set_attribute(xml_add(disk, "source", NULL), "dev", device);
}

static void add_target(xmlNode *disk, const char *name, const char *bus) {
        xmlNode *target = xml_add(disk, "target", NULL);
        xml_set_attribute(target, "dev", name);
        xml_set_attribute(target, "bus", bus);
}

static void add_address(xmlNode *disk, unsigned controller, unsigned bus, unsigned unit) {
        xmlNode *address = xml_add(disk, "address", NULL);
        xml_set_attribute(address, "type", "drive");
        xml_set_number(address, "controller", controller);
        xml_set_number(address, "bus", bus);
        xml_set_number(address, "target", 0);
        xml_set_number(address, "unit", unit);
}

static xmlNode *add_controller(xmlNode *devices, const char *type, unsigned index) {
        xmlNode *controller = xml_add(devices, "controller", NULL);
        xml_set_attribute(controller, "type", type);
        xml_set_number(controller, "index", index);
        return controller;
}

/* A hard disk's image. */
static xmlNode *read_hard_disk(VmxFile *file, xmlNode *devices, const VmxBus *bus, const char *slot, const char *type,
                               const char *name) {
        if (type && !is(type, bus->hard_disk) && !is(type, bus->hard_disk_old) && !is(type, "hardDisk")) {
                vmx_file_fail(file, "%s.deviceType is '%.64s' while its fileName is a hard disk's; it must be %s", slot, type,
                              bus->hard_disk);
                return NULL;
        }
        xmlNode *disk = add_disk(devices, "file", "disk");
        if (vmx_file_take_flag(file, false, "%s.writeThrough", slot))
                xml_set_attribute(xml_add(disk, "driver", NULL), "cache", "writethrough");
        add_source(disk, name, NULL);
        return disk;
}

/* A drive for discs: of an image, of the host's, or empty. */
static xmlNode *read_cdrom(VmxFile *file, xmlNode *devices, const char *slot, const char *type, const char *name) {
        bool is_raw = is(type, "cdrom-raw"), passes = is(type, "scsi-passthru");
        xmlNode *disk = NULL;
        if (name && ends_with(name, ".iso") && (!type || is(type, "cdrom-image"))) {
                disk = add_disk(devices, "file", "cdrom");
                add_source(disk, name, NULL);
        } else if (is(type, "atapi-cdrom") || is_raw || (passes && name && g_str_has_prefix(name, HOST_CDROMS))) {
                bool is_empty = !name || is(name, EMPTY);
                disk = add_disk(devices, is_empty ? "file" : "block", is_empty || (!is_raw && !passes) ? "cdrom" : "lun");
                add_source(disk, NULL, is_empty ? NULL : name);
        } else if (is(type, "cdrom-image")) { /* whatever its image is called */
                disk = add_disk(devices, "file", "cdrom");
                add_source(disk, !name || is(name, EMPTY) ? NULL : name, NULL);
        } else
                vmx_file_fail(file, "%s: its deviceType '%.64s' with the fileName '%.128s' is not a drive that is known", slot,
                              type ? type : "", name ? name : "");
        return disk;
}

static bool has_target(const xmlNode *devices, const char *name) {
        for (const xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
                if (xml_attribute_is(xml_child(disk, "target"), "dev", name))
                        return true;
        return false;
}

/* The name of a drive: buses share letters, and no two disks have one name. */
static char *find_target(const xmlNode *devices, const VmxBus *bus, unsigned controller, unsigned unit) {
        unsigned index = vmx_bus_index(bus, controller, unit);
        char *name = vmx_bus_target(bus, index);
        while (has_target(devices, name)) {
                g_free(name);
                name = vmx_bus_target(bus, ++index);
        }
        return name;
}

/* One slot; true where there is a drive that a document can tell. */
static bool read_slot(VmxFile *file, xmlNode *devices, const VmxBus *bus, unsigned controller, unsigned unit) {
        g_autofree char *slot = g_strdup_printf("%s%u:%u", bus->key, controller, unit);
        if (!vmx_file_take_flag(file, false, "%s.present", slot))
                return false;
        const char *type = vmx_file_take(file, "%s.deviceType", slot), *name = vmx_file_take(file, "%s.fileName", slot),
                   *mode = vmx_file_take(file, "%s.mode", slot);
        if (vmx_file_take_flag(file, false, "%s.clientDevice", slot)) { /* what a window far away lends */
                vmx_file_give_back(file, slot);
                return false;
        }
        bool is_disk = name && ends_with(name, ".vmdk");
        xmlNode *disk = is_disk ? read_hard_disk(file, devices, bus, slot, type, name)
                                : read_cdrom(file, devices, slot, type, name);
        if (!disk)
                return false;
        g_autofree char *target = find_target(devices, bus, controller, unit);
        add_target(disk, target, bus->bus);
        if (!is_disk)
                xml_add(disk, "readonly", NULL);
        if (is_disk && is(mode, "independent-nonpersistent"))
                xml_add(disk, "transient", NULL);
        add_address(disk, bus->is_one ? 0 : controller, bus->is_one ? controller : 0, unit);
        return true;
}

static bool has_controller(VmxFile *file, const VmxBus *bus, unsigned controller) {
        return bus->is_one || vmx_file_take_flag(file, false, "%s%u.present", bus->key, controller);
}

/* How many controllers of a bus a document must have. */
static unsigned read_bus(VmxFile *file, xmlNode *devices, const VmxBus *bus) {
        unsigned n = 0;
        for (unsigned controller = 0; controller < bus->n_controllers; controller++)
                for (unsigned unit = 0; has_controller(file, bus, controller) && unit < bus->units; unit++)
                        if ((int) unit != bus->reserved && read_slot(file, devices, bus, controller, unit))
                                n = bus->is_one ? 1 : controller + 1;
        return n;
}

static void add_controllers(VmxFile *file, xmlNode *devices, const VmxBus *bus, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                xmlNode *controller = add_controller(devices, bus->bus, i);
                const char *device = strcmp(bus->bus, "scsi") == 0 ? vmx_file_take(file, "scsi%u.virtualDev", i) : NULL,
                           *model = device ? vmx_scsi_model(device) : NULL;
                if (model)
                        xml_set_attribute(controller, "model", model);
                else if (device)
                        vmx_file_fail(file, "scsi%u.virtualDev is '%.64s'; it must be buslogic, lsilogic, lsisas1068 or pvscsi",
                                      i, device);
        }
}

static bool read_floppy(VmxFile *file, xmlNode *devices, unsigned unit) {
        g_autofree char *slot = g_strdup_printf("floppy%u", unit);
        if (!vmx_file_take_flag(file, false, "%s.present", slot))
                return false;
        const char *type = vmx_file_take(file, "%s.fileType", slot), *name = vmx_file_take(file, "%s.fileName", slot);
        if (vmx_file_take_flag(file, false, "%s.clientDevice", slot)) {
                vmx_file_give_back(file, slot);
                return false;
        }
        bool is_file = is(type, "file");
        if (type && !is_file && !is(type, "device"))
                return vmx_file_fail(file, "%s.fileType is '%.64s'; it must be device or file", slot, type);
        xmlNode *disk = add_disk(devices, is_file || !name ? "file" : "block", "floppy");
        add_source(disk, is_file ? name : NULL, is_file ? NULL : name);
        g_autofree char *target = g_strdup_printf("fd%c", 'a' + (int) unit);
        add_target(disk, target, "fdc");
        add_address(disk, 0, 0, unit);
        return true;
}

void vmx_read_disks(VmxFile *file, xmlNode *devices) {
        unsigned n[8] = { 0 };
        bool has_floppy = false;
        g_assert(vmx_n_buses <= G_N_ELEMENTS(n));
        for (unsigned i = 0; i < vmx_n_buses; i++)
                n[i] = read_bus(file, devices, vmx_buses + i);
        for (unsigned unit = 0; unit < VMX_FLOPPIES_MAX; unit++)
                has_floppy |= read_floppy(file, devices, unit);
        for (unsigned i = 0; i < vmx_n_buses; i++)
                add_controllers(file, devices, vmx_buses + i, n[i]);
        if (has_floppy)
                add_controller(devices, "fdc", 0);
}
