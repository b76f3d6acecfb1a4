/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/definition.h"

#include <inttypes.h>
#include <string.h>

#define TEXT_BYTES_MAX 65536 /* title and description */
#define MEMORY_MAX (UINT64_C(1) << 50)
#define VCPUS_MAX 4096

Definition *definition_ref(Definition *definition) {
        definition->n_references++;
        return definition;
}

static void device_free(DeviceDefinition *device) {
        char *strings[] = { device->kind,   device->alias, device->model,  device->type, device->source_type, device->source,
                            device->target, device->bus,   device->format, device->mac,  device->name,        device->bridge };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        g_free(device);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceDefinition, device_free)

void definition_unref(Definition *definition) {
        if (--definition->n_references > 0)
                return;
        char *strings[] = { definition->xml,         definition->name,    definition->uuid,    definition->title,
                            definition->description, definition->type,    definition->os_type, definition->architecture,
                            definition->machine,     definition->emulator };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        if (definition->devices)
                g_ptr_array_unref(definition->devices);
        g_free(definition);
}

/* The attribute of a path below an element, never NULL. */
static char *attribute_at(const xmlNode *element, const char *path, const char *name) {
        char *value = xml_attribute(path[0] ? xml_find(element, path) : element, name);
        return value ? value : g_strdup("");
}

static char *text_at(const xmlNode *element, const char *path) {
        char *value = xml_text(xml_find(element, path));
        return value ? value : g_strdup("");
}

static bool is_name(const char *name) {
        bool blank = true;
        for (const char *c = name; *c; c++) {
                if ((unsigned char) *c < 0x20 || *c == 0x7f || *c == '/')
                        return false;
                blank &= *c == ' ';
        }
        return !blank && strlen(name) <= NAME_BYTES_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The UUID that the guest is to read of itself, where the document gives the domain none. */
static char *uuid_in_system_information(xmlNode *root) {
        for (xmlNode *entry = xml_child(xml_find(root, "sysinfo/system"), "entry"); entry; entry = xml_next(entry, "entry"))
                if (xml_attribute_is(entry, "name", "uuid")) {
                        g_autofree char *text = xml_text(entry);
                        return uuid_normalize(text);
                }
        return NULL;
}

static bool read_identity(Definition *definition, xmlNode *root, GError **error) {
        xmlNode *name = xml_child(root, "name"), *uuid = xml_child(root, "uuid");
        if (!name)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<name> is missing");
        xmlChar *exact = xmlNodeGetContent(name); /* with white space: a name is taken as it is */
        definition->name = g_strdup((const char *) exact);
        xmlFree(exact);
        if (!is_name(definition->name)) {
                g_autofree char *shown = g_strescape(definition->name, NULL);
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, name,
                                "'%.64s' cannot be a name: use 1 to %d bytes without '/' and control characters", shown,
                                NAME_BYTES_MAX);
        }
        g_autofree char *text = uuid ? xml_text(uuid) : NULL;
        if (uuid && !*text) { /* as programs write what they do not know */
                xml_remove(uuid);
                uuid = NULL;
        }
        if (uuid) {
                definition->uuid = uuid_normalize(text);
                if (!definition->uuid)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, uuid,
                                        "'%.64s' is not a UUID: use 32 hexadecimal digits, or leave the element out", text);
        } else {
                definition->uuid = uuid_in_system_information(root);
                if (!definition->uuid)
                        definition->uuid = g_uuid_string_random();
                xmlNode *element = xmlNewDocNode(root->doc, NULL, (const xmlChar *) "uuid", (const xmlChar *) definition->uuid);
                xmlAddNextSibling(name, element);
        }
        definition->title = text_at(root, "title");
        definition->description = text_at(root, "description");
        if (strpbrk(definition->title, "\n\r"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(root, "title"), "a title is one line");
        if (strlen(definition->title) > TEXT_BYTES_MAX || strlen(definition->description) > TEXT_BYTES_MAX)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, root, "title and description may have %d bytes",
                                TEXT_BYTES_MAX);
        return true;
}

static bool read_memory(xmlNode *element, uint64_t *bytes, GError **error) {
        g_autofree char *text = xml_text(element), *unit = xml_attribute(element, "unit");
        uint64_t number, factor = xml_unit(unit ? unit : "KiB");
        if (!xml_number(element, "its size", text, 0, MEMORY_MAX, &number, error))
                return false;
        if (factor == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "unit '%.16s' is unknown; use KiB, MiB or GiB", unit);
        if (number > MEMORY_MAX / factor)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "more than %" PRIu64 " bytes", MEMORY_MAX);
        *bytes = number * factor;
        return true;
}

static bool read_resources(Definition *definition, xmlNode *root, GError **error) {
        xmlNode *memory = xml_child(root, "memory"), *current = xml_child(root, "currentMemory");
        xmlNode *vcpu = xml_child(root, "vcpu");
        uint64_t vcpus = 1;
        if (!memory)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<memory> is missing");
        if (!read_memory(memory, &definition->max_memory, error))
                return false;
        if (definition->max_memory == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, memory, "a machine needs memory: more than 0");
        definition->memory = definition->max_memory;
        if (current && !read_memory(current, &definition->memory, error))
                return false;
        definition->memory = MIN(definition->memory, definition->max_memory);
        if (vcpu) {
                g_autofree char *text = xml_text(vcpu);
                if (*text && !xml_number(vcpu, "the number of processors", text, 1, VCPUS_MAX, &vcpus, error))
                        return false;
        }
        definition->max_vcpus = (uint32_t) vcpus;
        if (!xml_number_attribute(vcpu, "current", 1, vcpus, &vcpus, error))
                return false;
        definition->vcpus = (uint32_t) vcpus;
        return true;
}

static bool read_action(xmlNode *root, const char *name, LifecycleAction otherwise, LifecycleAction *action, GError **error) {
        static const struct {
                const char *name;
                LifecycleAction action;
        } actions[] = {
                { "destroy", ACTION_DESTROY },          { "restart", ACTION_RESTART },
                { "preserve", ACTION_PRESERVE },        { "coredump-destroy", ACTION_DESTROY },
                { "coredump-restart", ACTION_RESTART }, { "rename-restart", ACTION_RESTART },
        };
        xmlNode *element = xml_child(root, name);
        *action = otherwise;
        if (!element)
                return true;
        g_autofree char *text = xml_text(element);
        for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
                if (strcmp(text, actions[i].name) == 0) {
                        *action = actions[i].action;
                        return true;
                }
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "'%.32s' is unknown; use destroy, restart or preserve", text);
}

static bool read_machine(Definition *definition, xmlNode *root, GError **error) {
        xmlNode *type = xml_find(root, "os/type");
        definition->type = attribute_at(root, "", "type");
        if (!definition->type[0])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "its attribute type is missing, such as type='kvm'");
        if (!type)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(root, "os") ? xml_child(root, "os") : root,
                                "<os><type> is missing: use <type>hvm</type>");
        definition->os_type = text_at(root, "os/type");
        definition->architecture = attribute_at(type, "", "arch");
        definition->machine = attribute_at(type, "", "machine");
        definition->emulator = text_at(root, "devices/emulator");
        if (!definition->architecture[0]) {
                g_free(definition->architecture);
                definition->architecture = g_strdup("x86_64");
        }
        return read_action(root, "on_poweroff", ACTION_DESTROY, &definition->on_poweroff, error) &&
               read_action(root, "on_reboot", ACTION_RESTART, &definition->on_reboot, error) &&
               read_action(root, "on_crash", ACTION_DESTROY, &definition->on_crash, error);
}

/* Devices */

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

static const char *bus_of_target(const char *target) {
        static const struct {
                const char *prefix, *bus;
        } buses[] = { { "hd", "ide" }, { "sd", "scsi" }, { "vd", "virtio" }, { "xvd", "xen" }, { "fd", "fdc" } };
        for (size_t i = 0; i < G_N_ELEMENTS(buses); i++)
                if (g_str_has_prefix(target, buses[i].prefix))
                        return buses[i].bus;
        return "";
}

/* Old SCSI has no targets apart from units. */
static bool is_narrow_scsi(const xmlNode *disk, const char *index) {
        for (const xmlNode *other = xml_child(disk->parent, "controller"); other; other = xml_next(other, "controller"))
                if (xml_attribute_is(other, "type", "scsi") && xml_attribute_is(other, "index", index))
                        return xml_attribute_is(other, "model", "lsilogic");
        return false;
}

static char *disk_alias(const DeviceDefinition *device, const xmlNode *element, int index) {
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
        device->type = attribute_at(element, "", "device");
        if (!device->type[0]) {
                g_free(device->type);
                device->type = g_strdup("disk");
        }
        device->source_type = attribute_at(element, "", "type");
        if (!device->source_type[0]) {
                g_free(device->source_type);
                device->source_type = g_strdup("file");
        }
        for (size_t i = 0; i < G_N_ELEMENTS(source_names) && !device->source; i++)
                if (strcmp(device->source_type, source_names[i][0]) == 0)
                        device->source = attribute_at(source, "", source_names[i][1]);
        if (!device->source)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "type '%.32s' is unknown; use file or block",
                                device->source_type);
        device->format = attribute_at(element, "driver", "type");
        if (!device->format[0]) {
                g_free(device->format);
                device->format = g_strdup("raw");
        }
        device->target = attribute_at(target, "", "dev");
        int index = disk_index(device->target);
        if (index < 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, target ? target : element,
                                "a disk needs a name: <target dev='vda'/>, 'sda' or 'hda'");
        device->bus = attribute_at(target, "", "bus");
        if (!device->bus[0]) {
                g_free(device->bus);
                device->bus = g_strdup(bus_of_target(device->target));
        }
        device->read_only = xml_child(element, "readonly") || strcmp(device->type, "cdrom") == 0;
        if (!device->alias)
                device->alias = disk_alias(device, element, index);
        return read_boot(element, device, error);
}

char *definition_random_mac(void) {
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
                g_autofree char *address = definition_random_mac();
                mac = xmlNewDocNode(element->doc, NULL, (const xmlChar *) "mac", NULL);
                xml_set_attribute(mac, "address", address);
                if (element->children)
                        xmlAddPrevSibling(element->children, mac);
                else
                        xmlAddChild(element, mac);
        }
        g_autofree char *address = attribute_at(mac, "", "address");
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
        device->type = attribute_at(element, "", "type");
        if (!device->type[0])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its attribute type is missing, such as type='user'");
        if (!read_mac(element, device, error))
                return false;
        device->source = attribute_at(element, "source",
                                      strcmp(device->type, "bridge") == 0    ? "bridge"
                                      : strcmp(device->type, "network") == 0 ? "network"
                                                                             : "dev");
        if (strcmp(device->type, "bridge") == 0 || strcmp(device->type, "network") == 0)
                device->bridge = attribute_at(element, "source", "bridge");
        device->target = attribute_at(element, "target", "dev");
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
        device->type = attribute_at(element, "", "type");
        if (!device->type[0])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its attribute type is missing, such as type='pty'");
        device->source = attribute_at(element, "source", "path");
        device->target = attribute_at(target, "", "type");
        device->name = attribute_at(target, "", "name");
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
        device->type = attribute_at(element, "", "type");
        if (!device->type[0])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its attribute type is missing, such as type='vnc'");
        device->source = attribute_at(element, "", "socket");
        if (!device->source[0] && xml_attribute_is(listen, "type", "socket")) {
                g_free(device->source);
                device->source = attribute_at(listen, "", "socket");
        }
        return true;
}

/* How the aliases of a kind begin, as libvirt names them, where that is not the kind itself. */
static const char *alias_prefix(const xmlNode *element) {
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

const char *definition_alias_prefix(const xmlNode *element) {
        return xml_is(element, "disk") || xml_is(element, "controller") ? NULL : alias_prefix(element);
}

xmlNode *definition_primary_video(xmlNode *devices) {
        xmlNode *primary = xml_child(devices, "video");
        for (xmlNode *other = primary; other; other = xml_next(other, "video"))
                if (xml_attribute_is(xml_child(other, "model"), "primary", "yes"))
                        primary = other;
        return primary;
}

/* Where a card is among those of its kind: the primary one is the first, whatever the document's order. */
static guint video_number(const xmlNode *element, guint index) {
        const xmlNode *primary = definition_primary_video(element->parent);
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

/* The alias that the document gives, or libvirt's choice; disks choose theirs by their bus. */
static bool read_alias(const xmlNode *element, DeviceDefinition *device, guint index, GError **error) {
        xmlNode *alias = xml_child(element, "alias");
        device->alias = xml_attribute(alias, "name");
        if (device->alias)
                return is_alias(device->alias) ||
                       xml_fail(error, VIRTBUS_ERROR_INVALID_XML, alias,
                                "'%.64s' cannot be an alias: use letters, digits, '-', '_' and '.'", device->alias);
        if (xml_is(element, "disk"))
                return true;
        if (xml_is(element, "controller")) {
                g_autofree char *type = attribute_at(element, "", "type"), *model = attribute_at(element, "", "model"),
                                *number = attribute_at(element, "", "index");
                uint64_t value = index;
                if (!type[0])
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "its attribute type is missing, such as type='scsi'");
                if (!is_alias(type))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "type '%.32s' is unknown", type);
                if (!xml_number_attribute(element, "index", 0, DEVICES_MAX, &value, error))
                        return false;
                /* USB 1 companions share the number of the USB 2 controller that they belong to. */
                g_autofree char *companion = attribute_at(element, "master", "startport");
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
        const char *prefix = alias_prefix(element);
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

static const struct {
        const char *kind;
        DeviceClass device_class;
} classes[] = {
        { "disk", DEVICE_DISK },       { "interface", DEVICE_NETWORK_INTERFACE },
        { "serial", DEVICE_CONSOLE },  { "console", DEVICE_CONSOLE },
        { "channel", DEVICE_CONSOLE }, { "graphics", DEVICE_GRAPHICS },
};

/* The driver of a hypervisor refuses what cannot be a period. */
static void read_balloon(const xmlNode *element, DeviceDefinition *device) {
        uint64_t period = 0;
        if (xml_number_attribute(xml_child(element, "stats"), "period", 0, G_MAXINT32, &period, NULL))
                device->period = (uint32_t) period;
}

static DeviceDefinition *read_device(xmlNode *element, guint index, GError **error) {
        g_autoptr(DeviceDefinition) device = g_new0(DeviceDefinition, 1);
        device->kind = g_strdup((const char *) element->name);
        for (size_t i = 0; i < G_N_ELEMENTS(classes); i++)
                if (xml_is(element, classes[i].kind))
                        device->device_class = classes[i].device_class;
        /* Controllers and sound cards name their model in an attribute, others in an element of their own. */
        device->model = xml_attribute(element, "model");
        if (!device->model)
                device->model = attribute_at(element, "model", "type");
        if (!read_alias(element, device, index, error))
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

/* Domain-wide elements among the devices. */
static bool is_device(const xmlNode *element) {
        return !xml_is(element, "emulator") && !xml_is(element, "redirfilter") && !element->ns;
}

xmlNode *definition_first_device(xmlDoc *document) {
        xmlNode *element = xml_child(xml_child(xmlDocGetRootElement(document), "devices"), NULL);
        return !element || is_device(element) ? element : definition_next_device(element);
}

xmlNode *definition_next_device(xmlNode *device) {
        do
                device = xml_next(device, NULL);
        while (device && !is_device(device));
        return device;
}

xmlNode *definition_device_element(xmlDoc *document, guint index) {
        xmlNode *element = definition_first_device(document);
        while (element && index-- > 0)
                element = definition_next_device(element);
        return element;
}

static void set_kibibytes(xmlNode *root, const char *name, uint64_t bytes) {
        xmlNode *element = xml_ensure_child(root, name);
        g_autofree char *text = g_strdup_printf("%" PRIu64, bytes / 1024);
        xml_set_attribute(element, "unit", "KiB");
        xmlNodeSetContent(element, (const xmlChar *) text);
}

void definition_set_memory(xmlNode *root, uint64_t bytes) {
        set_kibibytes(root, "currentMemory", bytes);
}

void definition_set_max_memory(xmlNode *root, uint64_t bytes) {
        set_kibibytes(root, "memory", bytes);
}

xmlNode *definition_find_metadata(const xmlNode *root, const char *uri) {
        xmlNode *metadata = xml_child(root, "metadata");
        for (xmlNode *node = metadata ? metadata->children : NULL; node; node = node->next)
                if (node->type == XML_ELEMENT_NODE && node->ns && g_strcmp0((const char *) node->ns->href, uri) == 0)
                        return node;
        return NULL;
}

/* libvirt numbers some kinds by their place, and these by the aliases that were given before. */
static bool is_numbered_by_alias(const char *prefix) {
        static const char *const prefixes[] = { "net",  "hostdev", "redir",     "rng",        "shmem",
                                                "dimm", "nvdimm",  "virtiomem", "virtiopmem", NULL };
        return g_strv_contains(prefixes, prefix);
}

static bool read_devices(Definition *definition, xmlDoc *document, GError **error) {
        g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        definition->devices = g_ptr_array_new_with_free_func((GDestroyNotify) device_free);
        for (xmlNode *element = definition_first_device(document); element; element = definition_next_device(element)) {
                if (definition->devices->len >= DEVICES_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "there are more than %d devices",
                                        DEVICES_MAX);
                const char *prefix = alias_prefix(element);
                guint index = GPOINTER_TO_UINT(g_hash_table_lookup(counts, prefix));
                DeviceDefinition *device = read_device(element, index, error);
                if (!device)
                        return false;
                if (!xml_child(element, "alias") || !is_numbered_by_alias(prefix))
                        g_hash_table_insert(counts, (void *) prefix, GUINT_TO_POINTER(index + 1));
                g_ptr_array_add(definition->devices, device);
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

Definition *definition_from_document(xmlDoc *document, GError **error) {
        g_autoptr(Definition) definition = g_new0(Definition, 1);
        xmlNode *root = xmlDocGetRootElement(document);
        definition->n_references = 1;
        if (!read_identity(definition, root, error) || !read_resources(definition, root, error) ||
            !read_machine(definition, root, error) || !read_devices(definition, document, error) ||
            !(definition->xml = xml_checked_text(document, error)))
                return NULL;
        /* Every string is there: devices set only what they have. */
        for (guint i = 0; i < definition->devices->len; i++) {
                DeviceDefinition *device = definition->devices->pdata[i];
                char **strings[] = { &device->model, &device->type,   &device->source_type, &device->source, &device->target,
                                     &device->bus,   &device->format, &device->mac,         &device->name,   &device->bridge };
                for (size_t j = 0; j < G_N_ELEMENTS(strings); j++)
                        if (!*strings[j])
                                *strings[j] = g_strdup("");
        }
        return g_steal_pointer(&definition);
}

Definition *definition_parse(const char *xml, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "domain", error);
        return document ? definition_from_document(document, error) : NULL;
}

void definition_write_aliases(const Definition *definition, xmlDoc *document) {
        xmlNode *element = definition_first_device(document);
        for (guint i = 0; element && i < definition->devices->len; i++, element = definition_next_device(element)) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                xml_set_attribute(xml_ensure_child(element, "alias"), "name", device->alias);
        }
}

/* Passwords are attributes of graphics elements. */
static void remove_secrets(xmlNode *element) {
        xmlAttr *password = xml_is(element, "graphics") ? xmlHasProp(element, (const xmlChar *) "passwd") : NULL;
        if (password)
                xmlRemoveProp(password);
}

char *definition_text(const Definition *definition, bool secrets, uint32_t id) {
        g_autoptr(xmlDoc) document = xml_parse(definition->xml, "domain", NULL);
        if (!document)
                return g_strdup(definition->xml);
        if (!secrets)
                for (xmlNode *element = definition_first_device(document); element; element = definition_next_device(element))
                        remove_secrets(element);
        if (id > 0) {
                char number[12];
                g_snprintf(number, sizeof number, "%u", id);
                xml_set_attribute(xmlDocGetRootElement(document), "id", number);
        }
        return xml_document_text(document);
}

char *definition_device_text(const Definition *definition, guint index) {
        g_autoptr(xmlDoc) document = xml_parse(definition->xml, "domain", NULL);
        xmlNode *element = document ? definition_device_element(document, index) : NULL;
        if (!element)
                return g_strdup("");
        remove_secrets(element);
        return xml_element_text(element);
}

DeviceDefinition *definition_find_device(const Definition *definition, const char *alias) {
        for (guint i = 0; i < definition->devices->len; i++) {
                DeviceDefinition *device = definition->devices->pdata[i];
                if (strcmp(device->alias, alias) == 0)
                        return device;
        }
        return NULL;
}

xmlNode *definition_find_element(xmlDoc *document, const Definition *definition, const char *alias) {
        for (guint i = 0; i < definition->devices->len; i++)
                if (strcmp(((DeviceDefinition *) definition->devices->pdata[i])->alias, alias) == 0)
                        return definition_device_element(document, i);
        return NULL;
}
