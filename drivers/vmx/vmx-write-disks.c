/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-write.h"

#include <string.h>

#include "base/xml.h"
#include "vmx/vmx-bus.h"
#include "vmx/vmx-path.h"
#include "vmx/vmx-read.h"

#define UNITS_MAX 32

/* What is in each slot of each bus, and which models its controllers have. */
typedef struct Slots {
        xmlNode *disks[8][VMX_CONTROLLERS_MAX][UNITS_MAX], *floppies[VMX_FLOPPIES_MAX];
        char *models[VMX_CONTROLLERS_MAX];
        bool has_controller[8][VMX_CONTROLLERS_MAX];
} Slots;

static void slots_free(Slots *slots) {
        for (size_t i = 0; i < VMX_CONTROLLERS_MAX; i++)
                g_free(slots->models[i]);
        g_free(slots);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Slots, slots_free)

/* The bus of a disk; -1 where VMware has none of it. */
static int bus_of(const xmlNode *disk, const char *target) {
        g_autofree char *said = xml_attribute_at(disk, "target", "bus");
        for (unsigned i = 0; i < vmx_n_buses; i++)
                if (strcmp(vmx_buses[i].bus, said) == 0 || (!*said && g_str_has_prefix(target, vmx_buses[i].prefix)))
                        return (int) i;
        return -1;
}

static bool read_address(const xmlNode *address, const VmxBus *bus, unsigned *controller, unsigned *unit, GError **error) {
        uint64_t index = 0, line = 0, number = 0;
        if (!xml_number_attribute(address, "controller", 0, bus->is_one ? 0 : bus->n_controllers - 1, &index, error) ||
            !xml_number_attribute(address, "bus", 0, bus->is_one ? bus->n_controllers - 1 : 0, &line, error) ||
            !xml_number_attribute(address, "unit", 0, bus->units - 1, &number, error))
                return false;
        if ((int) number == bus->reserved)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, address, "unit %d is the controller's own; choose another",
                                bus->reserved);
        *controller = (unsigned) (bus->is_one ? line : index);
        *unit = (unsigned) number;
        return true;
}

static bool put_floppy(Slots *slots, xmlNode *disk, const char *target, GError **error) {
        uint64_t unit = strcmp(target, "fdb") == 0;
        if (!xml_number_attribute(xml_child(disk, "address"), "unit", 0, VMX_FLOPPIES_MAX - 1, &unit, error))
                return false;
        if (slots->floppies[unit] || (strcmp(target, "fda") != 0 && strcmp(target, "fdb") != 0))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, disk,
                                "a machine of VMware's has two floppy drives: fda and fdb");
        slots->floppies[unit] = disk;
        return true;
}

static bool put_disk(Slots *slots, xmlNode *disk, GError **error) {
        g_autofree char *target = xml_attribute_at(disk, "target", "dev");
        if (xml_attribute_is(disk, "device", "floppy"))
                return put_floppy(slots, disk, target, error);
        int bus = bus_of(disk, target);
        unsigned controller, unit;
        const xmlNode *address = xml_child(disk, "address");
        if (bus < 0)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, xml_child(disk, "target") ? xml_child(disk, "target") : disk,
                                "a machine of VMware's has drives at bus scsi, sata, ide and fdc");
        if (address ? !read_address(address, vmx_buses + bus, &controller, &unit, error)
                    : !vmx_bus_find_target(vmx_buses + bus, target, &controller, &unit))
                return address ? false
                               : xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, disk,
                                          "'%.32s' is beyond the %u controllers with %u places each", target,
                                          vmx_buses[bus].n_controllers, vmx_buses[bus].units);
        if (slots->disks[bus][controller][unit])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, disk, "another disk has the place %s%u:%u", vmx_buses[bus].key,
                                controller, unit);
        slots->disks[bus][controller][unit] = disk;
        slots->has_controller[bus][controller] = true;
        return true;
}

static bool set_model(Slots *slots, const xmlNode *element, unsigned controller, const char *model, GError **error) {
        if (!*model || strcmp(model, "auto") == 0)
                return true;
        if (!vmx_scsi_device(model))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element,
                                "model '%.32s' is unknown to VMware; use buslogic, lsilogic, lsisas1068 or vmpvscsi", model);
        if (slots->models[controller] && strcmp(slots->models[controller], model) != 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "scsi%u is a %s already", controller,
                                slots->models[controller]);
        g_free(slots->models[controller]);
        slots->models[controller] = g_strdup(model);
        return true;
}

static bool put_controller(Slots *slots, const xmlNode *element, GError **error) {
        g_autofree char *type = xml_attribute_at(element, "", "type"), *model = xml_attribute_at(element, "", "model");
        uint64_t index = 0;
        if (strcmp(type, "usb") == 0 || strcmp(type, "pci") == 0) /* none is only said so */
                return xml_attribute_is(element, "model", "none") ||
                       xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element,
                                "VMware's configuration cannot say this; leave it out");
        if (!xml_number_attribute(element, "index", 0, VMX_CONTROLLERS_MAX - 1, &index, error))
                return false;
        for (unsigned i = 0; i < vmx_n_buses; i++)
                if (strcmp(vmx_buses[i].bus, type) == 0 && !vmx_buses[i].is_one)
                        slots->has_controller[i][index] = true;
        return strcmp(type, "scsi") != 0 || set_model(slots, element, (unsigned) index, model, error);
}

/* A disk's <driver name> is what its controller is, in old documents. */
static bool read_driver(Slots *slots, unsigned controller, const xmlNode *disk, GError **error) {
        g_autofree char *name = disk ? xml_attribute_at(disk, "driver", "name") : g_strdup("");
        return set_model(slots, disk, controller, name, error);
}

static bool fill(Slots *slots, xmlNode *devices, GError **error) {
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller"))
                if (!put_controller(slots, element, error))
                        return false;
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
                if (!put_disk(slots, disk, error))
                        return false;
        for (unsigned controller = 0; controller < vmx_buses[0].n_controllers; controller++)
                for (unsigned unit = 0; unit < vmx_buses[0].units; unit++)
                        if (!read_driver(slots, controller, slots->disks[0][controller][unit], error))
                                return false;
        return true;
}

/* Writing */

static bool write_hard_disk(const xmlNode *disk, const VmxBus *bus, const char *slot, GString *out, GError **error) {
        g_autofree char *path = xml_attribute_at(disk, "source", "file"), *lower = g_ascii_strdown(path, -1);
        if (!xml_attribute_is(disk, "type", "file") || !g_str_has_suffix(lower, ".vmdk"))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, disk,
                                "a hard disk of VMware's is a file whose name ends with .vmdk");
        g_autofree char *file = vmx_path_from_document(path);
        vmx_put(out, bus->hard_disk, "%s.deviceType", slot);
        vmx_put(out, file, "%s.fileName", slot);
        if (xml_attribute_is(xml_child(disk, "driver"), "cache", "writethrough"))
                vmx_put(out, "true", "%s.writeThrough", slot);
        if (xml_child(disk, "transient"))
                vmx_put(out, "independent-nonpersistent", "%s.mode", slot);
        return true;
}

static bool write_cdrom(const xmlNode *disk, const char *slot, GString *out, GError **error) {
        bool is_file = !xml_attribute_is(disk, "type", "block"), is_lun = xml_attribute_is(disk, "device", "lun");
        g_autofree char *path = xml_attribute_at(disk, "source", is_file ? "file" : "dev"), *file = vmx_path_from_document(path);
        bool detects = !is_file && !*path && xml_attribute_is(xml_child(disk, "source"), "startupPolicy", "optional"),
             passes = is_lun && g_str_has_prefix(path, "/vmfs/devices/cdrom/");
        vmx_put(out,
                is_file  ? "cdrom-image"
                : passes ? "scsi-passthru"
                : is_lun ? "cdrom-raw"
                         : "atapi-cdrom",
                "%s.deviceType", slot);
        if (detects)
                vmx_put(out, "true", "%s.autodetect", slot);
        vmx_put(out, detects ? "auto detect" : *path ? file : "emptyBackingString", "%s.fileName", slot);
        g_autofree char *lower = g_ascii_strdown(file, -1);
        return !g_str_has_suffix(lower, ".vmdk") ||
               xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, disk, "VMware takes a file whose name ends with .vmdk for a hard disk");
}

static bool write_disk(const xmlNode *disk, const VmxBus *bus, unsigned controller, unsigned unit, GString *out, GError **error) {
        g_autofree char *slot = g_strdup_printf("%s%u:%u", bus->key, controller, unit);
        bool is_cdrom = xml_attribute_is(disk, "device", "cdrom") || xml_attribute_is(disk, "device", "lun");
        vmx_put(out, "true", "%s.present", slot);
        if (!is_cdrom)
                return write_hard_disk(disk, bus, slot, out, error);
        if (xml_child(disk, "transient") || xml_attribute_is(xml_child(disk, "driver"), "cache", "writethrough"))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, disk, "only a hard disk can be transient, or written through");
        return write_cdrom(disk, slot, out, error);
}

static void write_floppy(const xmlNode *disk, unsigned unit, GString *out) {
        bool is_file = disk && !xml_attribute_is(disk, "type", "block");
        g_autofree char *path = xml_attribute_at(disk, "source", is_file ? "file" : "dev"), *file = vmx_path_from_document(path);
        vmx_put(out, disk ? "true" : "false", "floppy%u.present", unit);
        if (!disk)
                return;
        vmx_put(out, is_file ? "file" : "device", "floppy%u.fileType", unit);
        vmx_put(out, file, "floppy%u.fileName", unit);
}

bool vmx_write_disks(xmlNode *devices, GString *out, GError **error) {
        g_autoptr(Slots) slots = g_new0(Slots, 1);
        g_assert(vmx_n_buses <= G_N_ELEMENTS(slots->disks));
        if (!fill(slots, devices, error))
                return false;
        for (unsigned i = 0; i < vmx_n_buses; i++)
                for (unsigned controller = 0; controller < vmx_buses[i].n_controllers; controller++) {
                        if (!slots->has_controller[i][controller] || vmx_buses[i].is_one)
                                continue;
                        vmx_put(out, "true", "%s%u.present", vmx_buses[i].key, controller);
                        if (i == 0 && slots->models[controller])
                                vmx_put(out, vmx_scsi_device(slots->models[controller]), "%s%u.virtualDev", vmx_buses[i].key,
                                        controller);
                }
        for (unsigned i = 0; i < vmx_n_buses; i++)
                for (unsigned controller = 0; controller < vmx_buses[i].n_controllers; controller++)
                        for (unsigned unit = 0; unit < vmx_buses[i].units; unit++)
                                if (slots->disks[i][controller][unit] &&
                                    !write_disk(slots->disks[i][controller][unit], vmx_buses + i, controller, unit, out, error))
                                        return false;
        for (unsigned unit = 0; unit < VMX_FLOPPIES_MAX; unit++)
                write_floppy(slots->floppies[unit], unit, out);
        return true;
}
