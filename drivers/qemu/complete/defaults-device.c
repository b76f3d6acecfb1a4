/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/defaults-device.h"

#include <string.h>

#include "qemu/complete/default.h"
#include "qemu/complete/defaults-display.h"
#include "qemu/complete/defaults-memory.h"

/* Sizes of video memory that libvirt chooses, in KiB. */
#define VIDEO_MEMORY "16384"
#define QXL_MEMORY "65536"

static void drop_zero_bandwidth(xmlNode *bandwidth) {
        static const char *const limits[] = { "average", "peak", "burst", "floor" };
        for (xmlNode *way = bandwidth ? xml_child(bandwidth, NULL) : NULL, *next; way; way = next) {
                bool any = false;
                next = xml_next(way, NULL);
                for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
                        any |= default_drop_zero(way, limits[i]);
                if (any && !way->properties)
                        xml_remove(way);
        }
        if (bandwidth && !xml_child(bandwidth, NULL) && !bandwidth->properties) /* what it has beside is looked at */
                xml_remove(bandwidth);
}

/* The same of a disk's limits. */
static void drop_zero_limits(xmlNode *iotune) {
        for (xmlNode *limit = iotune ? xml_child(iotune, NULL) : NULL, *next; limit; limit = next) {
                next = xml_next(limit, NULL);
                g_autofree char *text = xml_text(limit);
                if (strcmp(g_strstrip(text), "0") == 0 && !xml_is(limit, "group_name"))
                        xml_remove(limit);
        }
        if (iotune && !xml_child(iotune, NULL))
                xml_remove(iotune);
}

/* A source on a network: ports and LUNs that its protocol has. */
static void complete_source(xmlNode *source) {
        static const char *const ports[][2] = {
                { "http", "80" },       { "https", "443" },     { "ftp", "21" },     { "ftps", "990" },
                { "tftp", "69" },       { "nbd", "10809" },     { "iscsi", "3260" }, { "ssh", "22" },
                { "sheepdog", "7000" }, { "gluster", "24007" }, { "vxhs", "9999" },
        };
        for (xmlNode *host = xml_child(source, "host"); host; host = xml_next(host, "host"))
                for (size_t i = 0; i < G_N_ELEMENTS(ports); i++)
                        if (xml_attribute_is(source, "protocol", ports[i][0]) && !xml_attribute_is(host, "transport", "unix"))
                                default_set(host, "port", ports[i][1]);
        g_autofree char *name = xml_attribute(source, "name");
        if (xml_attribute_is(source, "protocol", "iscsi") && name && !strchr(name, '/')) {
                g_autofree char *whole = g_strconcat(name, "/0", NULL);
                xml_set_attribute(source, "name", whole);
        }
}

static void complete_encryption(xmlNode *element) {
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                if (xml_is(child, "encryption"))
                        default_set(child, "engine", "qemu");
                complete_encryption(child);
        }
}

static bool is_kind_of_disk(const xmlNode *disk) {
        static const char *const kinds[] = { "file", "block", "dir", "network", "volume", "nvme", "vhostuser", NULL };
        g_autofree char *type = xml_attribute(disk, "type");
        return type && g_strv_contains(kinds, type);
}

/* A label of an image is given to it. */
static void complete_labels(xmlNode *source) {
        for (xmlNode *label = xml_child(source, "seclabel"); label; label = xml_next(label, "seclabel"))
                if (xml_child(label, "label"))
                        default_set(label, "relabel", "yes");
}

/* Where the device can be of either version, a PC's TIS, the older one is chosen, as guests that move over may hold its state. */
static void complete_tpm(xmlNode *tpm, const MachineKind *kind) {
        xmlNode *backend = xml_child(tpm, "backend");
        bool is_spapr = strcmp(kind->name, "pseries") == 0;
        default_set(tpm, "model",
                    !is_spapr                                          ? "tpm-tis"
                    : xml_attribute_is(backend, "type", "passthrough") ? "spapr-tpm-proxy"
                                                                       : "tpm-spapr");
        if (xml_attribute_is(backend, "type", "emulator"))
                default_set(backend, "version", kind->is_x86 && xml_attribute_is(tpm, "model", "tpm-tis") ? "1.2" : "2.0");
}

/* The host's own card reader is reached by the NSS library: a type, which is of a channel, says nothing there. */
static void complete_smartcard(xmlNode *card) {
        if (!xml_attribute_is(card, "mode", "passthrough"))
                default_remove(card, "type");
}

/* An empty name means no image: a drive without a disc. */
static void drop_empty_source(xmlNode *source) {
        static const char *const names[] = { "file", "dev", "dir" };
        for (size_t i = 0; source && i < G_N_ELEMENTS(names); i++)
                if (xml_attribute_is(source, names[i], ""))
                        default_remove(source, names[i]);
        if (source && !source->properties && !xml_child(source, NULL))
                xml_remove(source);
}

/* How much of an image's own tables is cached: kept in bytes. */
static void complete_cache_size(xmlNode *size) {
        g_autofree char *text = size ? xml_text(size) : NULL, *unit = xml_attribute(size, "unit");
        uint64_t factor = xml_unit(unit ? unit : "bytes"), number;
        if (!text || factor == 0 || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64 / factor, &number, NULL))
                return; /* which is refused later */
        g_autofree char *bytes = g_strdup_printf("%" PRIu64, number * factor);
        xmlNodeSetContent(size, (const xmlChar *) bytes);
        xml_set_attribute(size, "unit", "bytes");
}

static void complete_disk(xmlNode *disk) {
        xmlNode *driver = xml_child(disk, "driver");
        if (xml_child(disk, "mirror")) /* of a run */
                xml_remove(xml_child(disk, "mirror"));
        default_set(disk, "type", "file");
        default_set(disk, "device", "disk");
        complete_encryption(disk);
        drop_empty_source(xml_child(disk, "source"));
        if (!xml_child(disk, "source") && is_kind_of_disk(disk) &&
            (xml_attribute_is(disk, "device", "cdrom") || xml_attribute_is(disk, "device", "floppy")))
                xml_set_attribute(disk, "type", "file"); /* an empty drive is of no other kind */
        for (xmlNode *image = disk; image; image = xml_child(image, "backingStore")) {
                complete_cache_size(xml_find(image, image == disk ? "driver/metadata_cache/max_size"
                                                                  : "format/metadata_cache/max_size"));
                if (xml_child(image, "source")) {
                        complete_labels(xml_child(image, "source"));
                        complete_source(xml_child(image, "source"));
                }
        }
        if (xml_attribute_is(disk, "type", "vhostuser"))
                default_set(disk, "snapshot", "no");
        if (!driver) {
                driver = xml_add(disk, "driver", NULL);
                if (disk->children != driver)
                        xmlAddPrevSibling(disk->children, driver);
        }
        if (xml_attribute_is(disk, "device", "cdrom"))
                default_add(disk, "readonly", NULL);
        if (xml_child(disk, "readonly") && xml_attribute_is(disk, "snapshot", "no"))
                default_remove(disk, "snapshot"); /* what is never written needs none */
        drop_zero_limits(xml_child(disk, "iotune"));
        default_set(driver, "name", "qemu");
        default_drop_zero(driver, "iothread");
        if (xml_attribute_is(driver, "cache", "default"))
                default_remove(driver, "cache");
        if (!xml_attribute_is(disk, "type", "volume")) /* a pool knows what its volumes are */
                default_set(driver, "type", "raw");
}

static void complete_pci_controller(xmlNode *controller) {
        static const char *const names[][2] = {
                { "pci-bridge", "pci-bridge" },
                { "dmi-to-pci-bridge", "i82801b11-bridge" },
                { "pcie-to-pci-bridge", "pcie-pci-bridge" },
                { "pcie-root-port", "pcie-root-port" },
                { "pcie-switch-upstream-port", "x3130-upstream" },
                { "pcie-switch-downstream-port", "xio3130-downstream" },
                { "pci-expander-bus", "pxb" },
                { "pcie-expander-bus", "pxb-pcie" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (xml_attribute_is(controller, "model", names[i][0]))
                        default_set(xml_ensure_child(controller, "model"), "name", names[i][1]);
        defaults_memory_normalize_size(xml_child(controller, "pcihole64"));
}

/* The cards have memory of a power of two. */
static void round_up(xmlNode *model, const char *name) {
        g_autofree char *text = xml_attribute(model, name);
        guint64 size;
        if (text && g_ascii_string_to_unsigned(text, 10, 1, UINT32_MAX, &size, NULL) && (size & (size - 1)) != 0)
                xml_set_number(model, name, UINT64_C(1) << g_bit_storage((gulong) size - 1));
}

static void complete_video(xmlNode *video, bool first) {
        static const struct {
                const char *type, *attribute, *size;
        } sizes[] = {
                { "cirrus", "vram", VIDEO_MEMORY }, { "vga", "vram", VIDEO_MEMORY }, { "vmvga", "vram", VIDEO_MEMORY },
                { "bochs", "vram", VIDEO_MEMORY },  { "qxl", "ram", QXL_MEMORY },    { "qxl", "vram", QXL_MEMORY },
                { "qxl", "vgamem", VIDEO_MEMORY },
        };
        xmlNode *model = xml_child(video, "model");
        if (xml_attribute_is(model, "type", "none"))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
                if (xml_attribute_is(model, "type", sizes[i].type)) {
                        default_drop_zero(model, sizes[i].attribute);
                        default_set(model, sizes[i].attribute, sizes[i].size);
                }
        default_set(model, "heads", "1");
        round_up(model, "vram");
        round_up(model, "ram");
        if (first) /* also where the document says of each that it is not */
                xml_set_attribute(model, "primary", "yes");
        else if (xml_attribute_is(model, "primary", "no"))
                default_remove(model, "primary");
}

static void complete_videos(xmlNode *devices) {
        bool first = true;
        for (xmlNode *video = xml_child(devices, "video"); video; video = xml_next(video, "video"))
                first &= !xml_attribute_is(xml_child(video, "model"), "primary", "yes");
        for (xmlNode *video = xml_child(devices, "video"); video; video = xml_next(video, "video")) {
                complete_video(video, first);
                first = false;
        }
}

/* What a character device is connected to: a protocol on TCP, none on a socket of UNIX. */
static void complete_character(xmlNode *device) {
        xmlNode *source = xml_child(device, "source"), *protocol = xml_child(device, "protocol");
        if (xml_attribute_is(device, "type", "tcp")) {
                if (!protocol)
                        protocol = xml_add(device, "protocol", NULL);
                default_set(protocol, "type", "raw");
        } else if (xml_attribute_is(device, "type", "unix")) {
                if (xml_is(device, "channel") && xml_attribute_is(source, "path", ""))
                        default_remove(source, "path");
                if (protocol && !xml_next(protocol, "protocol"))
                        xml_remove(protocol);
                if (source && !xmlHasProp(source, (const xmlChar *) "path") && !xml_child(source, NULL) &&
                    !xml_next(source, "source")) {
                        xml_remove(source);
                        source = NULL;
                }
        }
        if (source && (xml_attribute_is(device, "type", "tcp") || xml_attribute_is(device, "type", "unix")))
                default_set(source, "mode", "connect");
}

/* What a filter says of any device is not said. */
static void complete_filter(xmlNode *filter) {
        static const char *const names[] = { "class", "vendor", "product", "version" };
        for (xmlNode *device = xml_child(filter, "usbdev"); device; device = xml_next(device, "usbdev")) {
                g_autofree char *version = xml_attribute(device, "version");
                const char *point = version ? strchr(version, '.') : NULL;
                if (point && point[1] && !point[2]) { /* 1.1 is 1.10: USB counts in hundredths */
                        g_autofree char *whole = g_strconcat(version, "0", NULL);
                        xml_set_attribute(device, "version", whole);
                }
                for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                        if (xml_attribute_is(device, names[i], "-1"))
                                default_remove(device, names[i]);
        }
}

static bool is_character(const xmlNode *device) {
        static const char *const kinds[] = { "serial", "parallel", "console", "channel", "redirdev", "smartcard", NULL };
        return g_strv_contains(kinds, (const char *) device->name);
}

static void complete_port(xmlNode *port, const MachineKind *kind) {
        static const char *const models[][2] = { { "isa-serial", "isa-serial" },      { "usb-serial", "usb-serial" },
                                                 { "pci-serial", "pci-serial" },      { "isa-debug", "isa-debugcon" },
                                                 { "spapr-vio-serial", "spapr-vty" }, { "sclp-serial", "sclpconsole" } };
        xmlNode *target = xml_ensure_child(port, "target");
        /* Every port was once an ISA one, by its name alone. */
        if (!kind->is_x86 && (xml_attribute_is(target, "type", "isa-serial") || xml_attribute_is(target, "type", "serial")))
                default_remove(target, "type");
        if (kind->serial)
                default_set(target, "type", kind->serial);
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (xml_attribute_is(target, "type", models[i][0]))
                        default_set(xml_ensure_child(target, "model"), "name", models[i][1]);
        if (xml_attribute_is(target, "type", "system-serial"))
                default_set(xml_ensure_child(target, "model"), "name", kind->has_acpi ? "pl011" : "16550a");
}

static unsigned port_after(unsigned next, const xmlNode *target) {
        g_autofree char *text = xml_attribute(target, "port");
        return text ? MAX(next, (unsigned) MIN(strtoul(text, NULL, 10), G_MAXINT) + 1) : next;
}

/* Serial ports are numbered in their order, after those that have a number; parallel ones after those before them. */
static void number_ports(xmlNode *devices, const char *kind, bool after_all) {
        unsigned next = 0;
        for (xmlNode *port = xml_child(devices, kind); port && after_all; port = xml_next(port, kind))
                next = port_after(next, xml_child(port, "target"));
        for (xmlNode *port = xml_child(devices, kind); port; port = xml_next(port, kind)) {
                xmlNode *target = xml_ensure_child(port, "target");
                if (!xmlHasProp(target, (const xmlChar *) "port"))
                        xml_set_number(target, "port", next);
                next = port_after(next, target);
        }
}

/* Consoles have the number of their place, whatever the document says; the first, where it is a serial port, that port's. Those
 * after one that was added for the serial port keep the places that they had. */
static void number_consoles(xmlNode *devices) {
        xmlNode *first = xml_child(devices, "console");
        bool is_serial = xml_attribute_is(xml_child(first, "target"), "type", "serial");
        g_autofree char *port = is_serial ? xml_attribute(xml_find(devices, "serial/target"), "port") : NULL;
        unsigned n = 0;
        for (xmlNode *console = first; console; console = xml_next(console, "console"), n++) {
                xmlNode *target = xml_ensure_child(console, "target");
                g_autofree char *place = g_strdup_printf("%u", n - 1);
                if (n == 0 && port)
                        xml_set_attribute(target, "port", port);
                else if (n == 0 || !is_serial || first->_private || !xml_attribute_is(target, "port", place))
                        xml_set_number(target, "port", n);
        }
}

/* PCI addresses are kept whole. */
static void complete_address(xmlNode *address) {
        static const char *const parts[] = { "domain", "bus", "slot", "function" };
        static const char *const zeros[] = { "0x0000", "0x00", "0x00", "0x0" };
        bool any = false;
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                any |= xmlHasProp(address, (const xmlChar *) parts[i]) != NULL;
        for (size_t i = 0; any && i < G_N_ELEMENTS(parts); i++)
                default_set(address, parts[i], zeros[i]);
}

/* Open vSwitch and 802.1Qbg know a port by a UUID. */
static void complete_port_of_switch(xmlNode *port) {
        const char *name = xml_attribute_is(port, "type", "openvswitch") ? "interfaceid"
                           : xml_attribute_is(port, "type", "802.1Qbg")  ? "instanceid"
                                                                         : NULL;
        xmlNode *parameters = name ? xml_ensure_child(port, "parameters") : NULL;
        if (!parameters || xmlHasProp(parameters, (const xmlChar *) name))
                return;
        g_autofree char *uuid = g_uuid_string_random();
        xml_set_attribute(parameters, name, uuid);
}

/* Bandwidth and coalescing that are not limited. */
static void complete_interface(xmlNode *interface) {
        xmlNode *coalesce = xml_child(interface, "coalesce"), *frames = xml_find(interface, "coalesce/rx/frames");
        g_autofree char *max = xml_attribute(frames, "max");
        xmlNode *source = xml_child(interface, "source");
        if (source && !source->properties && !xml_child(source, NULL)) {
                xml_remove(source);
                source = NULL;
        }
        drop_zero_bandwidth(xml_child(interface, "bandwidth"));
        complete_port_of_switch(xml_child(interface, "virtualport"));
        if (xml_attribute_is(interface, "type", "direct") && source)
                default_set(source, "mode", "vepa");
        g_autofree char *address = xml_attribute(xml_child(interface, "mac"), "address");
        if (address) {
                g_autofree char *lower = g_ascii_strdown(address, -1);
                xml_set_attribute(xml_child(interface, "mac"), "address", lower);
        }
        if (coalesce && (!max || strcmp(max, "0") == 0))
                xml_remove(coalesce);
}

/* The first console is the first serial port, and where that is. */
static void complete_console(xmlNode *devices) {
        xmlNode *console = xml_child(devices, "console"), *target = xml_child(console, "target"),
                *port = xml_child(devices, "serial"), *address = xml_child(port, "address");
        bool serial = console &&
                      (!target || !xmlHasProp(target, (const xmlChar *) "type") || xml_attribute_is(target, "type", "serial"));
        if (serial && address && xml_child(console, "address"))
                xml_remove(xml_child(console, "address"));
        if (serial && address)
                xmlAddChild(console, xmlCopyNode(address, 1));
}

/* What an attribute is that is not there: of any device where DEVICE is NULL; where KEY is VALUE, if there is a key. */
static void complete_attributes(xmlNode *device) {
        static const struct {
                const char *device, *path, *key, *value, *attribute, *otherwise;
        } defaults[] = {
                { NULL, "address", "type", "drive", "controller", "0" },
                { NULL, "address", "type", "drive", "bus", "0" },
                { NULL, "address", "type", "drive", "target", "0" },
                { NULL, "address", "type", "drive", "unit", "0" },
                { NULL, "address", "type", "ccid", "controller", "0" },
                { NULL, "address", "type", "ccid", "slot", "0" },
                { "vsock", "cid", NULL, NULL, "auto", "no" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(defaults); i++) {
                xmlNode *element = xml_find(device, defaults[i].path);
                if (element && (!defaults[i].device || xml_is(device, defaults[i].device)) &&
                    (!defaults[i].key || xml_attribute_is(element, defaults[i].key, defaults[i].value)))
                        default_set(element, defaults[i].attribute, defaults[i].otherwise);
        }
}

static void complete_host_device(xmlNode *device) {
        xmlNode *source = xml_child(device, "source");
        default_set(device, "mode", "subsystem");
        default_set(device, "managed", "no");
        if (xml_attribute_is(device, "type", "mdev") && xml_attribute_is(device, "model", "vfio-pci"))
                default_set(device, "display", "off");
        if (source)
                complete_source(source);
        if (xml_attribute_is(device, "type", "pci") && xml_child(source, "address"))
                complete_address(xml_child(source, "address"));
}

/* Modules are of whole units, of KiB; what is beside an NVDIMM's label is, and then there is no more than was said. */
static void round_module(xmlNode *module, uint64_t unit) {
        xmlNode *target = xml_child(module, "target"), *size = xml_child(target, "size");
        g_autofree char *text = size ? xml_text(size) : NULL, *label_text = xml_text(xml_find(target, "label/size"));
        guint64 number, label = 0;
        bool is_nvdimm = xml_attribute_is(module, "model", "nvdimm");
        if (!text || !g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT64, &number, NULL) ||
            (label_text && !g_ascii_string_to_unsigned(label_text, 10, 0, number, &label, NULL)))
                return; /* which is refused later */
        number = is_nvdimm ? (number - label) / unit * unit + label : (number + unit - 1) / unit * unit;
        g_autofree char *rounded = g_strdup_printf("%" G_GUINT64_FORMAT, number);
        if (number > label)
                xmlNodeSetContent(size, (const xmlChar *) rounded);
}

/* A virtio-mem module that is asked for nothing has nothing plugged. */
static void complete_module(xmlNode *module) {
        if (xml_attribute_is(module, "model", "virtio-mem") && xml_child(module, "target"))
                default_add(xml_child(module, "target"), "requested", "0");
        static const char *const sizes[] = { "target/size",      "target/label/size", "target/block",
                                             "target/requested", "source/pagesize",   "source/alignsize" };
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
                defaults_memory_normalize_size(xml_find(module, sizes[i]));
        xmlNode *persistent = xml_find(module, "source/pmem");
        if (persistent)
                xmlNodeSetContent(persistent, NULL); /* it is there or not: a text says nothing */
}

void defaults_device_round_modules(xmlNode *devices, const MachineKind *kind) {
        for (xmlNode *module = xml_child(devices, "memory"); kind->memory_unit > 0 && module;
             module = xml_next(module, "memory")) {
                defaults_memory_normalize_size(xml_find(module, "target/size"));
                defaults_memory_normalize_size(xml_find(module, "target/label/size"));
                round_module(module, kind->memory_unit * UINT64_C(1024));
        }
}

static void complete_random(xmlNode *backend) {
        g_autofree char *text = backend ? xml_text(backend) : NULL;
        if (text && !*g_strstrip(text) && xml_attribute_is(backend, "model", "random"))
                xmlNodeSetContent(backend, (const xmlChar *) "/dev/random");
}

void defaults_device_complete(xmlNode *devices, const MachineKind *kind) {
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL)) {
                complete_attributes(device);
                if (xml_is(device, "rng"))
                        complete_random(xml_child(device, "backend"));
                if (is_character(device))
                        complete_character(device);
                if (xml_is(device, "rng") && xml_attribute_is(xml_child(device, "backend"), "model", "egd"))
                        complete_character(xml_child(device, "backend"));
                if (xml_attribute_is(xml_child(device, "address"), "type", "pci"))
                        complete_address(xml_child(device, "address"));
                if (xml_is(device, "redirfilter"))
                        complete_filter(device);
                if (xml_is(device, "controller"))
                        default_drop_zero(xml_child(device, "driver"), "iothread");
                if (xml_is(device, "disk"))
                        complete_disk(device);
                else if (xml_is(device, "controller") && xml_attribute_is(device, "type", "pci"))
                        complete_pci_controller(device);
                else if (xml_is(device, "graphics"))
                        defaults_display_complete(device);
                else if (xml_is(device, "serial"))
                        complete_port(device, kind);
                else if (xml_is(device, "filesystem")) {
                        default_set(device, "type", "mount");
                        g_autofree char *socket = xml_attribute(xml_child(device, "source"), "socket");
                        if (!socket) /* whose owner decides */
                                default_set(device, "accessmode", "passthrough");
                } else if (xml_is(device, "interface"))
                        complete_interface(device);
                else if (xml_is(device, "memory"))
                        complete_module(device);
                else if (xml_is(device, "tpm"))
                        complete_tpm(device, kind);
                else if (xml_is(device, "smartcard"))
                        complete_smartcard(device);
                else if (xml_is(device, "panic"))
                        default_set(device, "model", kind->panic ? kind->panic : "isa");
                else if (xml_is(device, "shmem") && xml_child(device, "server"))
                        default_set(xml_ensure_child(device, "msi"), "ioeventfd", "on");
                else if (xml_is(device, "watchdog"))
                        default_set(device, "action", "reset");
                else if (xml_is(device, "vsock"))
                        default_set(device, "model", "virtio");
                else if (xml_is(device, "hostdev")) {
                        complete_host_device(device);
                }
        }
        complete_videos(devices);
        complete_console(devices);
        number_ports(devices, "serial", true);
        number_ports(devices, "parallel", false);
        number_consoles(devices);
}
