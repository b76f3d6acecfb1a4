/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/device-alias.h"

#include <inttypes.h>
#include <string.h>

#include "domain/device-elements.h"

int disk_index(const char *target) {
        static const char *const prefixes[] = { "vd", "sd", "hd", "fd", "xvd", "ubd" };
        for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
                if (!g_str_has_prefix(target, prefixes[i]))
                        continue;
                int index = 0;
                const char *c = target + strlen(prefixes[i]);
                if (!*c)
                        return -1;
                for (; g_ascii_islower(*c); c++) {
                        index = index * 26 + (*c - 'a') + 1;
                        if (index > 1 << 20)
                                return -1;
                }
                return *c ? -1 : index - 1;
        }
        return -1;
}

/* Old SCSI has no targets apart from units. */
static bool is_narrow_scsi(const xmlNode *disk, const char *index) {
        for (const xmlNode *other = xml_child(disk->parent, "controller"); other; other = xml_next(other, "controller"))
                if (xml_attribute_is(other, "type", "scsi") && xml_attribute_is(other, "index", index))
                        return xml_attribute_is(other, "model", "lsilogic");
        return false;
}

char *device_alias_of_disk(const DeviceDefinition *device, const xmlNode *element, int index) {
        const xmlNode *address = xml_child(element, "address");
        if (strcmp(device->bus, "virtio") == 0 || strcmp(device->bus, "xen") == 0 || strcmp(device->bus, "usb") == 0 ||
            strcmp(device->bus, "sd") == 0)
                return g_strdup_printf("%s-disk%d", device->bus, index);
        if (address && xml_attribute_is(address, "type", "drive")) {
                static const char *const names[] = { "controller", "bus", "target", "unit" };
                g_autoptr(GString) alias = g_string_new(device->bus);
                g_autofree char *controller = xml_attribute(address, "controller");
                bool has_target = strcmp(device->bus, "scsi") == 0 && !is_narrow_scsi(element, controller ? controller : "0");
                for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                        g_autofree char *number = xml_attribute(address, names[i]);
                        if (has_target || strcmp(names[i], "target") != 0)
                                g_string_append_printf(alias, "%s%s", i > 0 ? "-" : "", number ? number : "0");
                }
                return g_string_free(g_steal_pointer(&alias), FALSE);
        }
        /* How libvirt places a disk by its name: two units on an IDE bus, two buses; six ports on SATA; seven on SCSI. */
        if (strcmp(device->bus, "ide") == 0)
                return g_strdup_printf("ide%d-%d-%d", index / 4, index / 2 % 2, index % 2);
        if (strcmp(device->bus, "fdc") == 0)
                return g_strdup_printf("fdc%d-0-%d", index / 2, index % 2);
        if (strcmp(device->bus, "sata") == 0)
                return g_strdup_printf("sata%d-0-%d", index / 6, index % 6);
        return g_strdup_printf("scsi%d-0-0-%d", index / 7, index % 7);
}

const char *device_alias_prefix(const xmlNode *element) {
        static const char *const prefixes[][2] = {
                { "interface", "net" },
                { "memballoon", "balloon" },
                { "filesystem", "fs" },
                { "redirdev", "redir" },
        };
        if (xml_is(element, "interface") && xml_attribute_is(element, "type", "hostdev"))
                return "hostdev";
        if (xml_is(element, "memory"))
                return xml_attribute_is(element, "model", "nvdimm")        ? "nvdimm"
                       : xml_attribute_is(element, "model", "virtio-mem")  ? "virtiomem"
                       : xml_attribute_is(element, "model", "virtio-pmem") ? "virtiopmem"
                                                                           : "dimm";
        for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++)
                if (xml_is(element, prefixes[i][0]))
                        return prefixes[i][1];
        return (const char *) element->name;
}

const char *device_alias_new_prefix(const xmlNode *element) {
        return xml_is(element, "disk") || xml_is(element, "controller") ? NULL : device_alias_prefix(element);
}

/* Where a card is among those of its kind: the primary one is the first, whatever the document's order. */
static guint video_number(const xmlNode *element, guint index) {
        const xmlNode *primary = device_elements_primary_video(element->parent);
        if (element == primary)
                return 0;
        for (const xmlNode *other = element; other; other = xml_next(other, "video"))
                if (other == primary)
                        return index + 1;
        return index;
}

static bool is_alias(const char *alias) {
        for (const char *c = alias; *c; c++)
                if (!g_ascii_isalnum(*c) && !strchr("-_.", *c))
                        return false;
        return *alias && strlen(alias) <= NAME_BYTES_MAX;
}

bool device_alias_read(const xmlNode *element, DeviceDefinition *device, guint index, GError **error) {
        xmlNode *alias = xml_child(element, "alias");
        device->alias = xml_attribute(alias, "name");
        if (device->alias)
                return is_alias(device->alias) ||
                       xml_fail(error, VIRTBUS_ERROR_INVALID_XML, alias,
                                "'%.64s' cannot be an alias: use letters, digits, '-', '_' and '.'", device->alias);
        if (xml_is(element, "disk"))
                return true;
        if (xml_is(element, "controller")) {
                g_autofree char *type = xml_attribute_at(element, "", "type"), *model = xml_attribute_at(element, "", "model"),
                                *number = xml_attribute_at(element, "", "index");
                uint64_t value = index;
                if (!type[0])
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "its attribute type is missing, such as type='scsi'");
                if (!is_alias(type))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "type '%.32s' is unknown", type);
                if (!xml_number_attribute(element, "index", 0, DEVICES_MAX, &value, error))
                        return false;
                /* USB 1 companions share the number of the USB 2 controller that they belong to. */
                g_autofree char *companion = xml_attribute_at(element, "master", "startport");
                if (companion[0]) {
                        device->alias = g_strdup_printf("%s%" PRIu64 ".%s", type, value, companion);
                        if (!is_alias(device->alias))
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(element, "master"),
                                                "startport '%.16s' is not a number", companion);
                } else if (value == 0 && strcmp(type, "usb") == 0)
                        device->alias = g_strdup("usb");
                else if (value == 0 && strcmp(type, "pci") == 0)
                        device->alias = g_strdup(strcmp(model, "pcie-root") == 0 ? "pcie.0" : "pci.0");
                else if (strcmp(type, "pci") == 0)
                        device->alias = g_strdup_printf("pci.%" PRIu64, value);
                else
                        device->alias = g_strdup_printf("%s%" PRIu64, type, value);
                return true;
        }
        const char *prefix = device_alias_prefix(element);
        if (strcmp(prefix, "dimm") == 0 || strcmp(prefix, "nvdimm") == 0) { /* by their slot, where they have one */
                uint64_t slot = index;
                if (!xml_number_attribute(xml_child(element, "address"), "slot", 0, DEVICES_MAX, &slot, error))
                        return false;
                device->alias = g_strdup_printf("%s%" PRIu64, prefix, slot);
                return true;
        }
        device->alias = g_strdup_printf("%s%u", prefix, xml_is(element, "video") ? video_number(element, index) : index);
        return true;
}

bool device_alias_is_counted(const char *prefix) {
        static const char *const prefixes[] = { "net",  "hostdev", "redir",     "rng",        "shmem",
                                                "dimm", "nvdimm",  "virtiomem", "virtiopmem", NULL };
        return g_strv_contains(prefixes, prefix);
}
