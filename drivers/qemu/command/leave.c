/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/leave.h"

#include <string.h>

#include "paths.h"

/* Of <hostdev>, or of the address of an <interface type='hostdev'>: those that the driver takes. */
static const struct {
        const char *type, *folders[4];
} host_devices[] = {
        { "usb", { "/dev/bus/usb", "/run/udev", "/sys" } },
        { "pci", { "/dev/vfio", "/dev/iommu", "/sys" } },
};

static const struct {
        const char *above, *name, *method;
} elements[] = {
        { "memoryBacking", "hugepages", "CheckMemory" },  { "memoryBacking", "locked", "CheckMemory" },
        { "memoryBacking", "allocation", "CheckMemory" }, { "cputune", "vcpusched", "CheckRealTime" },
        { "cputune", "iothreadsched", "CheckRealTime" },  { "cputune", "emulatorsched", "CheckRealTime" },
};

static const char *host_device_kind(const xmlNode *element, bool is_subsystem) {
        for (size_t i = 0; is_subsystem && i < G_N_ELEMENTS(host_devices); i++)
                if (xml_attribute_is(element, "type", host_devices[i].type))
                        return host_devices[i].type;
        return NULL;
}

/* One whose descriptor is handed over is nobody's to be let have. */
static const char *disk_kind(const xmlNode *disk) {
        const xmlNode *source = xml_child(disk, "source");
        if (!source || !xml_attribute_is(disk, "type", "block") || xmlHasProp((xmlNode *) source, (const xmlChar *) "fdgroup"))
                return NULL;
        return xml_attribute_is(disk, "device", "lun") ? "lun" : "block";
}

const char *leave_device_kind(const xmlNode *device) {
        const xmlNode *source = xml_child(device, "source");
        if (xml_is(device, "hostdev"))
                return host_device_kind(device, xml_attribute_is(device, "mode", "subsystem"));
        if (xml_is(device, "interface"))
                return host_device_kind(xml_child(source, "address"), xml_attribute_is(device, "type", "hostdev"));
        if (xml_is(device, "disk"))
                return disk_kind(device);
        if (xml_is(device, "input") &&
            (xml_attribute_is(device, "type", "evdev") || xml_attribute_is(device, "type", "passthrough")))
                return "evdev";
        return xml_is(device, "vsock") ? "vsock" : NULL;
}

static bool refuse(GError **error, const xmlNode *element, const char *path, const char *why) {
        return xml_fail(error, VIRTBUS_ERROR_ACCESS_DENIED, element,
                        "'%.256s': %s, in a domain that has the rights of its owner alone", path, why);
}

/* A path that polkit's rules can tell by its beginning, where only root makes links (base/walk.h). */
static bool check_path(const xmlNode *source, const char *name, GError **error) {
        g_autofree char *path = xml_attribute(source, name);
        if (!path || path_is_plainly_under(path, "/dev"))
                return true;
        return refuse(error, source, path, "a device of the host is named by a path below /dev, without '..' and '//'");
}

bool leave_check_device(const xmlNode *device, GError **error) {
        const xmlNode *source = xml_child(device, "source"), *below = xml_child(xml_child(device, "backingStore"), "source");
        if (!check_path(source, "dev", error) || !check_path(source, "evdev", error))
                return false;
        return !xml_is(device, "disk") || !below ||
               refuse(error, below, "backingStore", "nothing is below a device of the host's");
}

const char *leave_element(const xmlNode *element) {
        for (size_t i = 0; i < G_N_ELEMENTS(elements); i++)
                if (xml_is(element, elements[i].name) && xml_is(element->parent, elements[i].above))
                        return elements[i].name;
        return NULL;
}

Leave *leave_new(const char *what, const char *device) {
        Leave *leave = g_new(Leave, 1);
        *leave = (Leave){ .what = what, .device = g_strdup(device) };
        return leave;
}

void leave_free(Leave *leave) {
        if (!leave)
                return;
        g_free(leave->device);
        g_free(leave);
}

const char *leave_method(const Leave *leave) {
        for (size_t i = 0; !leave->device && i < G_N_ELEMENTS(elements); i++)
                if (strcmp(elements[i].name, leave->what) == 0)
                        return elements[i].method;
        return "CheckDevice";
}

char *leave_text(const Leave *leave) {
        return leave->device ? g_strdup_printf("the host's %s device '%s'", leave->what, leave->device)
                             : g_strdup_printf("<%s>", leave->what);
}

const char *const *leave_folders(const char *what) {
        static const char *const none[] = { NULL };
        for (size_t i = 0; i < G_N_ELEMENTS(host_devices); i++)
                if (strcmp(host_devices[i].type, what) == 0)
                        return host_devices[i].folders;
        return none;
}
