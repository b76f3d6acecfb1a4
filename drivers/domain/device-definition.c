/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/device-definition.h"

#include <stdio.h>
#include <string.h>

#include "domain/device-alias.h"
#include "domain/device-elements.h"

void device_definition_free(DeviceDefinition *device) {
        char *strings[] = { device->kind,   device->alias, device->model,  device->type, device->source_type, device->source,
                            device->target, device->bus,   device->format, device->mac,  device->name,        device->bridge };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        g_clear_pointer(&device->images, g_ptr_array_unref);
        g_free(device);
}

static const char *bus_of_target(const char *target) {
        static const struct {
                const char *prefix, *bus;
        } buses[] = { { "hd", "ide" }, { "sd", "scsi" }, { "vd", "virtio" }, { "xvd", "xen" }, { "fd", "fdc" } };
        for (size_t i = 0; i < G_N_ELEMENTS(buses); i++)
                if (g_str_has_prefix(target, buses[i].prefix))
                        return buses[i].bus;
        return "";
}

static bool read_boot(const xmlNode *element, DeviceDefinition *device, GError **error) {
        uint64_t order = 0;
        xmlNode *boot = xml_child(element, "boot");
        if (!xml_number_attribute(boot, "order", 1, DEVICES_MAX, &order, error))
                return false;
        device->boot = (uint32_t) order;
        return true;
}

static bool read_disk(const xmlNode *element, DeviceDefinition *device, GError **error) {
        static const char *const types[] = { "disk", "cdrom", "floppy", "lun", NULL };
        static const char *const source_names[][2] = {
                { "file", "file" },     { "block", "dev" }, { "dir", "dir" },        { "network", "name" },
                { "volume", "volume" }, { "nvme", "" },     { "vhostuser", "path" }, { "vhostvdpa", "dev" },
        };
        xmlNode *target = xml_child(element, "target"), *source = xml_child(element, "source");
        if (!xml_one_of(element, "device", types, error))
                return false;
        device->type = xml_attribute_at(element, "", "device");
        if (!device->type[0]) {
                g_free(device->type);
                device->type = g_strdup("disk");
        }
        device->source_type = xml_attribute_at(element, "", "type");
        if (!device->source_type[0]) {
                g_free(device->source_type);
                device->source_type = g_strdup("file");
        }
        for (size_t i = 0; i < G_N_ELEMENTS(source_names) && !device->source; i++)
                if (strcmp(device->source_type, source_names[i][0]) == 0)
                        device->source = xml_attribute_at(source, "", source_names[i][1]);
        if (!device->source)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "type '%.32s' is unknown; use file or block",
                                device->source_type);
        device->format = xml_attribute_at(element, "driver", "type");
        if (!device->format[0]) {
                g_free(device->format);
                device->format = g_strdup("raw");
        }
        device->target = xml_attribute_at(target, "", "dev");
        int index = disk_index(device->target);
        if (index < 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, target ? target : element,
                                "a disk needs a name: <target dev='vda'/>, 'sda' or 'hda'");
        device->bus = xml_attribute_at(target, "", "bus");
        if (!device->bus[0]) {
                g_free(device->bus);
                device->bus = g_strdup(bus_of_target(device->target));
        }
        device->read_only = xml_child(element, "readonly") || strcmp(device->type, "cdrom") == 0;
        if (!device->alias)
                device->alias = device_alias_of_disk(device, element, index);
        device->is_handed = source && xmlHasProp(source, (const xmlChar *) "fdgroup");
        device->images = disk_chain_read(element);
        return read_boot(element, device, error);
}

char *device_definition_random_mac(void) {
        /* 52:54:00 is QEMU's and KVM's prefix of locally administered addresses, libvirt's default. */
        return g_strdup_printf("52:54:00:%02x:%02x:%02x", g_random_int_range(0, 256), g_random_int_range(0, 256),
                               g_random_int_range(0, 256));
}

static bool read_mac(xmlNode *element, DeviceDefinition *device, GError **error) {
        xmlNode *mac = xml_child(element, "mac");
        unsigned bytes[6];
        int end = 0;
        if (!mac && strcmp(device->type, "hostdev") == 0) /* a card of the host's, which has one */
                return true;
        if (!mac) {
                g_autofree char *address = device_definition_random_mac();
                mac = xmlNewDocNode(element->doc, NULL, (const xmlChar *) "mac", NULL);
                xml_set_attribute(mac, "address", address);
                if (element->children)
                        xmlAddPrevSibling(element->children, mac);
                else
                        xmlAddChild(element, mac);
        }
        g_autofree char *address = xml_attribute_at(mac, "", "address");
        if (sscanf(address, "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5],
                   &end) != 6 ||
            address[end])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, mac,
                                "'%.32s' is not an address: use six pairs of hexadecimal digits", address);
        if (bytes[0] & 1)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, mac,
                                "'%s' is a multicast address: its first number must be even", address);
        device->mac = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                                      bytes[5]);
        return true;
}

static bool read_network_interface(xmlNode *element, DeviceDefinition *device, GError **error) {
        device->type = xml_attribute_at(element, "", "type");
        if (!device->type[0])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its attribute type is missing, such as type='user'");
        if (!read_mac(element, device, error))
                return false;
        device->source = xml_attribute_at(element, "source",
                                          strcmp(device->type, "bridge") == 0    ? "bridge"
                                          : strcmp(device->type, "network") == 0 ? "network"
                                                                                 : "dev");
        if (strcmp(device->type, "bridge") == 0 || strcmp(device->type, "network") == 0)
                device->bridge = xml_attribute_at(element, "source", "bridge");
        device->target = xml_attribute_at(element, "target", "dev");
        return read_boot(element, device, error);
}

static bool read_console(const xmlNode *element, DeviceDefinition *device, guint index, GError **error) {
        static const char *const types[] = { "pty", "unix", "file",     "null",      "dev",  "pipe",         "stdio", "vc",
                                             "udp", "tcp",  "spicevmc", "spiceport", "nmdm", "qemu-vdagent", "dbus",  NULL };
        uint64_t port = index;
        xmlNode *target = xml_child(element, "target");
        bool is_channel = xml_is(element, "channel"); /* whose port, if it has one, is the network's */
        if (!xml_one_of(element, "type", types, error) ||
            (!is_channel && !xml_number_attribute(target, "port", 0, DEVICES_MAX, &port, error)))
                return false;
        device->type = xml_attribute_at(element, "", "type");
        if (!device->type[0])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its attribute type is missing, such as type='pty'");
        device->source = xml_attribute_at(element, "source", "path");
        device->target = xml_attribute_at(target, "", "type");
        device->name = xml_attribute_at(target, "", "name");
        /* A serial port is one whatever card it sits on; a console's default is the first serial port. */
        device->port = (uint32_t) port;
        if (is_channel)
                return true;
        if (xml_is(element, "serial") || !device->target[0]) {
                g_free(device->target);
                device->target = g_strdup("serial");
        }
        return true;
}

static bool read_graphics(const xmlNode *element, DeviceDefinition *device, GError **error) {
        xmlNode *listen = xml_child(element, "listen");
        static const char *const types[] = { "vnc", "spice", "sdl", "rdp", "desktop", "egl-headless", "dbus", NULL };
        if (!xml_one_of(element, "type", types, error))
                return false;
        device->type = xml_attribute_at(element, "", "type");
        if (!device->type[0])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its attribute type is missing, such as type='vnc'");
        device->source = xml_attribute_at(element, "", "socket");
        if (!device->source[0] && xml_attribute_is(listen, "type", "socket")) {
                g_free(device->source);
                device->source = xml_attribute_at(listen, "", "socket");
        }
        return true;
}

/* The driver of a hypervisor refuses what cannot be a period. */
static void read_balloon(const xmlNode *element, DeviceDefinition *device) {
        uint64_t period = 0;
        if (xml_number_attribute(xml_child(element, "stats"), "period", 0, G_MAXINT32, &period, NULL))
                device->period = (uint32_t) period;
}

static const struct {
        const char *kind;
        DeviceClass device_class;
} classes[] = {
        { "disk", DEVICE_DISK },       { "interface", DEVICE_NETWORK_INTERFACE },
        { "serial", DEVICE_CONSOLE },  { "console", DEVICE_CONSOLE },
        { "channel", DEVICE_CONSOLE }, { "graphics", DEVICE_GRAPHICS },
};

static DeviceDefinition *read_device(xmlNode *element, guint index, GError **error) {
        g_autoptr(DeviceDefinition) device = g_new0(DeviceDefinition, 1);
        device->kind = g_strdup((const char *) element->name);
        for (size_t i = 0; i < G_N_ELEMENTS(classes); i++)
                if (xml_is(element, classes[i].kind))
                        device->device_class = classes[i].device_class;
        /* Controllers and sound cards name their model in an attribute, others in an element of their own. */
        device->model = xml_attribute(element, "model");
        if (!device->model)
                device->model = xml_attribute_at(element, "model", "type");
        if (!device_alias_read(element, device, index, error))
                return NULL;
        bool fine = true;
        switch (device->device_class) {
        case DEVICE_DISK:
                fine = read_disk(element, device, error);
                break;
        case DEVICE_NETWORK_INTERFACE:
                fine = read_network_interface(element, device, error);
                break;
        case DEVICE_CONSOLE:
                fine = read_console(element, device, index, error);
                break;
        case DEVICE_GRAPHICS:
                fine = read_graphics(element, device, error);
                break;
        case DEVICE_OTHER:
                if (xml_is(element, "memballoon"))
                        read_balloon(element, device);
                break;
        }
        return fine ? g_steal_pointer(&device) : NULL;
}

bool device_definition_read(xmlDoc *document, GPtrArray *devices, GError **error) {
        g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (xmlNode *element = device_elements_first(document); element; element = device_elements_next(element)) {
                if (devices->len >= DEVICES_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "there are more than %d devices",
                                        DEVICES_MAX);
                const char *prefix = device_alias_prefix(element);
                guint index = GPOINTER_TO_UINT(g_hash_table_lookup(counts, prefix));
                DeviceDefinition *device = read_device(element, index, error);
                if (!device)
                        return false;
                if (!xml_child(element, "alias") || !device_alias_is_counted(prefix))
                        g_hash_table_insert(counts, (void *) prefix, GUINT_TO_POINTER(index + 1));
                g_ptr_array_add(devices, device);
                if (device->device_class == DEVICE_DISK && !g_hash_table_add(seen, g_strdup_printf("target:%s", device->target)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "target '%s' is another disk's",
                                        device->target);
                if (!g_hash_table_add(seen, g_strdup(device->alias)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its alias or place '%s' is another device's",
                                        device->alias);
                if (device->boot && !g_hash_table_add(seen, g_strdup_printf("boot:%u", device->boot)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "boot order %u is another device's",
                                        device->boot);
        }
        return true;
}
