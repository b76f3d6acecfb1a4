/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "defaults.h"

#include <string.h>

#include "definition.h"
#include "xml.h"

/* Sizes of video memory that libvirt chooses, in KiB. */
#define VIDEO_MEMORY "16384"
#define QXL_MEMORY "65536"

static void set_default(xmlNode *element, const char *name, const char *value) {
        if (!xmlHasProp(element, (const xmlChar *) name))
                xml_set_attribute(element, name, value);
}

static void add_default(xmlNode *element, const char *name, const char *text) {
        if (!xml_child(element, name))
                xml_add(element, name, text);
}

static void remove_attribute(xmlNode *element, const char *name) {
        if (element)
                xmlUnsetProp(element, (const xmlChar *) name);
}

/* The machine */

static void complete_resources(xmlNode *root) {
        static const char *const limits[] = { "hard_limit", "soft_limit", "swap_hard_limit", "min_guarantee" };
        xmlNode *memory = xml_child(root, "memory"), *vcpu = xml_child(root, "vcpu"), *tune = xml_child(root, "memtune");
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
                if (xml_child(tune, limits[i]))
                        set_default(xml_child(tune, limits[i]), "unit", "KiB");
        g_autofree char *size = xml_text(memory);
        if (memory) {
                set_default(memory, "unit", "KiB");
                xmlNode *current = xml_child(root, "currentMemory");
                if (!current) {
                        current = xml_add(root, "currentMemory", size);
                        xmlAddNextSibling(memory, current);
                        g_autofree char *unit = xml_attribute(memory, "unit");
                        xml_set_attribute(current, "unit", unit);
                }
                set_default(current, "unit", "KiB");
        }
        if (!vcpu)
                vcpu = xml_add(root, "vcpu", "1");
        set_default(vcpu, "placement", "static");
}

/* I/O threads have the lowest numbers that are left by those that are named. */
static void complete_io_threads(xmlNode *root) {
        xmlNode *ids = xml_child(root, "iothreadids");
        g_autofree char *text = xml_text(xml_child(root, "iothreads"));
        unsigned n = text ? (unsigned) MIN(strtoul(text, NULL, 10), IO_THREADS_MAX) : 0, n_named = 0;
        g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (xmlNode *thread = xml_child(ids, "iothread"); thread; thread = xml_next(thread, "iothread"), n_named++)
                g_hash_table_add(taken, xml_attribute(thread, "id"));
        for (unsigned id = 1; ids && n_named < n; id++) {
                char *name = g_strdup_printf("%u", id);
                if (!g_hash_table_add(taken, name))
                        continue;
                xml_set_attribute(xml_add(ids, "iothread", NULL), "id", name);
                n_named++;
        }
}

static void complete_behaviour(xmlNode *root) {
        xmlNode *os = xml_child(root, "os"), *loader = xml_child(os, "loader"), *hyperv = xml_find(root, "features/hyperv");
        if (loader && !xmlHasProp(os, (const xmlChar *) "firmware"))
                set_default(loader, "type", "rom");
        if (hyperv)
                set_default(hyperv, "mode", "custom");
        for (xmlNode *label = xml_child(root, "seclabel"); label; label = xml_next(label, "seclabel"))
                if (xml_attribute_is(label, "type", "none"))
                        set_default(label, "model", "none");
        add_default(root, "clock", NULL);
        set_default(xml_child(root, "clock"), "offset", "utc");
        add_default(root, "on_poweroff", "destroy");
        add_default(root, "on_reboot", "restart");
        add_default(root, "on_crash", "destroy");
}

/* A processor of a model is compared with the host's where the host's runs it. */
static void complete_processor(xmlNode *root, const char *emulator) {
        xmlNode *cpu = xml_ensure_child(root, "cpu"), *model = xml_child(cpu, "model");
        bool kvm = xml_attribute_is(root, "type", "kvm");
        unsigned n = 0;
        if (!xmlHasProp(cpu, (const xmlChar *) "mode") && !model && !xml_child(cpu, "feature")) {
                model = xml_add(cpu, "model", g_str_has_suffix(emulator, "-i386") ? "qemu32" : "qemu64");
                xml_set_attribute(model, "fallback", "forbid");
                xml_set_attribute(cpu, "check", "none");
        }
        set_default(cpu, "mode", "custom");
        bool custom = xml_attribute_is(cpu, "mode", "custom");
        if (xml_attribute_is(cpu, "mode", "host-passthrough"))
                set_default(cpu, "migratable", "on");
        if (xml_child(cpu, "topology"))
                set_default(xml_child(cpu, "topology"), "dies", "1");
        if (custom)
                set_default(cpu, "match", "exact");
        if (custom && model)
                set_default(model, "fallback", "allow");
        set_default(cpu, "check", xml_attribute_is(cpu, "mode", "host-model") || (custom && kvm) ? "partial" : "none");
        for (xmlNode *cell = xml_child(xml_child(cpu, "numa"), "cell"); cell; cell = xml_next(cell, "cell"), n++) {
                if (!xmlHasProp(cell, (const xmlChar *) "id"))
                        xml_set_number(cell, "id", n);
                set_default(cell, "unit", "KiB");
        }
}

/* Devices */

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
                                set_default(host, "port", ports[i][1]);
        g_autofree char *name = xml_attribute(source, "name");
        if (xml_attribute_is(source, "protocol", "iscsi") && name && !strchr(name, '/')) {
                g_autofree char *whole = g_strconcat(name, "/0", NULL);
                xml_set_attribute(source, "name", whole);
        }
}

static void complete_encryption(xmlNode *element) {
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                if (xml_is(child, "encryption"))
                        set_default(child, "engine", "qemu");
                complete_encryption(child);
        }
}

static void complete_disk(xmlNode *disk) {
        xmlNode *driver = xml_child(disk, "driver");
        set_default(disk, "type", "file");
        complete_encryption(disk);
        if (xml_child(disk, "source"))
                complete_source(xml_child(disk, "source"));
        if (xml_attribute_is(disk, "type", "vhostuser"))
                set_default(disk, "snapshot", "no");
        if (!driver) {
                driver = xml_add(disk, "driver", NULL);
                if (disk->children != driver)
                        xmlAddPrevSibling(disk->children, driver);
        }
        if (xml_attribute_is(disk, "device", "cdrom"))
                add_default(disk, "readonly", NULL);
        set_default(driver, "name", "qemu");
        set_default(driver, "type", "raw");
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
                        set_default(xml_ensure_child(controller, "model"), "name", names[i][1]);
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
                if (xml_attribute_is(model, "type", sizes[i].type))
                        set_default(model, sizes[i].attribute, sizes[i].size);
        set_default(model, "heads", "1");
        if (first)
                set_default(model, "primary", "yes");
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

/* Where a display listens: at its port, or nowhere where it has none. */
static void complete_display(xmlNode *display) {
        bool vnc = xml_attribute_is(display, "type", "vnc"), spice = xml_attribute_is(display, "type", "spice");
        g_autofree char *old = xml_attribute(display, "listen"), *socket = xml_attribute(display, "socket");
        bool has_port = xmlHasProp(display, (const xmlChar *) "port") || xmlHasProp(display, (const xmlChar *) "tlsPort") ||
                        xml_attribute_is(display, "autoport", "yes");
        xmlNode *listen = xml_child(display, "listen");
        if (!(vnc || spice))
                return;
        if (vnc && xml_attribute_is(display, "port", "-1"))
                set_default(display, "autoport", "yes");
        if (spice && !has_port && xml_attribute_is(display, "autoport", "no"))
                remove_attribute(display, "autoport");
        if (listen) { /* as programs before there was <listen> read it */
                g_autofree char *address = xml_attribute(listen, "address"), *its_socket = xml_attribute(listen, "socket");
                if (address)
                        set_default(display, "listen", address);
                if (its_socket && vnc)
                        set_default(display, "socket", its_socket);
                return;
        }
        listen = xml_add(display, "listen", NULL);
        xml_set_attribute(listen, "type", socket ? "socket" : vnc || has_port || old ? "address" : "none");
        if (socket)
                xml_set_attribute(listen, "socket", socket);
        else if (old)
                xml_set_attribute(listen, "address", old);
        if (vnc && !socket && !has_port) {
                xml_set_attribute(display, "port", "-1");
                xml_set_attribute(display, "autoport", "yes");
        }
}

/* What a character device is connected to: a protocol on TCP, none on a socket of UNIX. */
static void complete_character(xmlNode *device) {
        xmlNode *source = xml_child(device, "source"), *protocol = xml_child(device, "protocol");
        if (xml_attribute_is(device, "type", "tcp")) {
                if (!protocol)
                        protocol = xml_add(device, "protocol", NULL);
                set_default(protocol, "type", "raw");
        } else if (xml_attribute_is(device, "type", "unix")) {
                if (protocol)
                        xml_remove(protocol);
                if (source && !xmlHasProp(source, (const xmlChar *) "path") && !xml_child(source, NULL))
                        xml_remove(source);
        }
}

/* What a filter says of any device is not said. */
static void complete_filter(xmlNode *filter) {
        static const char *const names[] = { "class", "vendor", "product", "version" };
        for (xmlNode *device = xml_child(filter, "usbdev"); device; device = xml_next(device, "usbdev"))
                for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                        if (xml_attribute_is(device, names[i], "-1"))
                                remove_attribute(device, names[i]);
}

static bool is_character(const xmlNode *device) {
        static const char *const kinds[] = { "serial", "parallel", "console", "channel", "redirdev", "smartcard", NULL };
        return g_strv_contains(kinds, (const char *) device->name);
}

static void complete_port(xmlNode *port) {
        static const char *const models[][2] = { { "isa-serial", "isa-serial" },
                                                 { "usb-serial", "usb-serial" },
                                                 { "pci-serial", "pci-serial" },
                                                 { "isa-debug", "isa-debugcon" } };
        xmlNode *target = xml_ensure_child(port, "target");
        set_default(target, "type", "isa-serial");
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (xml_attribute_is(target, "type", models[i][0]))
                        set_default(xml_ensure_child(target, "model"), "name", models[i][1]);
}

/* Ports of one kind are numbered in their order, after those that have a number. */
static void number_ports(xmlNode *devices, const char *kind) {
        unsigned next = 0;
        for (int round = 0; round < 2; round++) /* first those that have one */
                for (xmlNode *port = xml_child(devices, kind); port; port = xml_next(port, kind)) {
                        xmlNode *target = xml_ensure_child(port, "target");
                        g_autofree char *text = xml_attribute(target, "port");
                        if (text && round == 0)
                                next = MAX(next, (unsigned) MIN(strtoul(text, NULL, 10), G_MAXINT) + 1);
                        else if (!text && round == 1)
                                xml_set_number(target, "port", next++);
                }
}

static void complete_devices(xmlNode *devices) {
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL)) {
                if (is_character(device))
                        complete_character(device);
                if (xml_is(device, "rng") && xml_attribute_is(xml_child(device, "backend"), "model", "egd"))
                        complete_character(xml_child(device, "backend"));
                if (xml_is(device, "redirfilter"))
                        complete_filter(device);
                if (xml_is(device, "disk"))
                        complete_disk(device);
                else if (xml_is(device, "controller") && xml_attribute_is(device, "type", "pci"))
                        complete_pci_controller(device);
                else if (xml_is(device, "graphics"))
                        complete_display(device);
                else if (xml_is(device, "serial"))
                        complete_port(device);
                else if (xml_is(device, "filesystem"))
                        set_default(device, "accessmode", "passthrough");
                else if (xml_is(device, "watchdog"))
                        set_default(device, "action", "reset");
                else if (xml_is(device, "vsock"))
                        set_default(device, "model", "virtio");
                else if (xml_is(device, "hostdev")) {
                        if (!xml_attribute_is(device, "type", "scsi") || xmlHasProp(device, (const xmlChar *) "managed"))
                                set_default(device, "managed", "no");
                        if (xml_child(device, "source"))
                                complete_source(xml_child(device, "source"));
                }
        }
        complete_videos(devices);
        number_ports(devices, "serial");
        number_ports(devices, "console");
        number_ports(devices, "parallel");
}

void defaults_complete(xmlNode *root, const char *emulator) {
        xmlNode *devices = xml_child(root, "devices");
        complete_resources(root);
        complete_io_threads(root);
        complete_behaviour(root);
        complete_processor(root, emulator);
        complete_devices(devices);
        if (!xml_child(devices, "emulator")) {
                xmlNode *element = xml_add(devices, "emulator", emulator);
                if (devices->children != element)
                        xmlAddPrevSibling(devices->children, element);
        }
}
