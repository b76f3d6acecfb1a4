/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command-line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "bus.h"
#include "image.h"
#include "json.h"
#include "network.h"
#include "unix-socket.h"

#define SOCKET_MODE 0660

/* Debian's and Fedora's places of UEFI: code, template of the variables. */
static const struct {
        const char *code, *variables;
} firmwares[] = {
        { "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd" },
        { "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd" },
        { "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
};

typedef struct Builder {
        const CommandLineContext *context;
        const Definition *definition;
        xmlNode *root;
        GPtrArray *files; /* NULL to check only */
        CommandLine *line;
        GString *machine; /* options of -machine */
        unsigned n_fdsets, n_videos;
        bool q35;
        bool order_by_kind; /* os/boot rather than boot order */
        unsigned order[4];  /* then: bootindex of hd, cdrom, network, fd; 0 for none */
        bool has_usb, has_scsi, has_sata, has_serial_bus, has_serial;
} Builder;

static bool unsupported(GError **error, const xmlNode *element, const char *what) {
        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "the QEMU driver does not know %s; leave it out", what);
}

/* Refuses child elements that are not in a list of names between blanks. */
static bool check_children(const xmlNode *element, const char *known, GError **error) {
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                g_autofree char *name = g_strdup_printf(" %s ", (const char *) child->name);
                if (child->ns || !strstr(known, name))
                        return unsupported(error, child, "this element here");
        }
        return true;
}

/* Arguments */

static void add(Builder *builder, const char *option, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void add(Builder *builder, const char *option, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_ptr_array_add(builder->line->arguments, g_strdup(option));
        if (format)
                g_ptr_array_add(builder->line->arguments, g_strdup_vprintf(format, arguments));
        va_end(arguments);
}

static void add_json(Builder *builder, const char *option, JsonObject *object) {
        g_ptr_array_add(builder->line->arguments, g_strdup(option));
        g_ptr_array_add(builder->line->arguments, json_text(object));
        json_object_unref(object);
}

/* Passes a descriptor to QEMU, which is taken, and returns its number. */
static int pass(Builder *builder, int fd) {
        if (fd >= 0)
                g_array_append_val(builder->line->fds, fd);
        return fd;
}

/* Passes a descriptor as a file that QEMU opens by this name. */
static char *pass_as_file(Builder *builder, int *fd) {
        unsigned set = ++builder->n_fdsets;
        add(builder, "-add-fd", "fd=%d,set=%u", pass(builder, steal_fd(fd)), set);
        return g_strdup_printf("/dev/fdset/%u", set);
}

/* Text in an option of the form name=value: a comma is written twice. */
static char *escape(const char *text) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        return g_strjoinv(",,", parts);
}

static File *find_file(Builder *builder, const xmlNode *element) {
        for (guint i = 0; builder->files && i < builder->files->len; i++)
                if (((File *) builder->files->pdata[i])->element == element)
                        return builder->files->pdata[i];
        return NULL;
}

/* Addresses */

static const char *root_bus(const Builder *builder) {
        return builder->q35 ? "pcie.0" : "pci.0";
}

/* Places a PCI device where the document says, else QEMU chooses. */
static bool add_pci_address(Builder *builder, JsonObject *device, const xmlNode *element, GError **error) {
        xmlNode *address = xml_child(element, "address");
        if (!address || !xml_attribute_is(address, "type", "pci"))
                return true;
        static const char *const names[] = { "domain", "bus", "slot", "function" };
        static const unsigned long limits[] = { 0, 255, 31, 7 };
        unsigned long values[4] = { 0 };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *text = xml_attribute(address, names[i]);
                char *end = NULL;
                if (text)
                        values[i] = strtoul(text, &end, 0);
                if (text && (*end || end == text || values[i] > limits[i]))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address, "%s is '%.16s'; it must be from 0 to %#lx",
                                        names[i], text, limits[i]);
        }
        g_autofree char *bus = values[1] == 0 ? g_strdup(root_bus(builder)) : g_strdup_printf("pci.%lu", values[1]);
        g_autofree char *place =
                        values[3] ? g_strdup_printf("0x%lx.0x%lx", values[2], values[3]) : g_strdup_printf("0x%lx", values[2]);
        json_add(device, "bus", 's', bus, "addr", 's', place, NULL);
        if (xml_attribute_is(address, "multifunction", "on"))
                json_add(device, "multifunction", 'b', TRUE, NULL);
        return true;
}

static void add_boot(Builder *builder, JsonObject *device, const DeviceDefinition *part, unsigned kind) {
        gint64 order = builder->order_by_kind ? builder->order[kind] : part->boot;
        if (builder->order_by_kind)
                builder->order[kind] = 0; /* the first of its kind */
        if (order > 0)
                json_add(device, "bootindex", 'i', order, NULL);
}

/* Makes a controller that the document has not, of the model that is libvirt's choice, once. */
static void ensure_controller(Builder *builder, bool *has, const char *driver, const char *id) {
        if (!*has)
                add_json(builder, "-device", json_make("driver", 's', driver, "id", 's', id, NULL));
        *has = true;
}

static void ensure_serial_bus(Builder *builder) {
        ensure_controller(builder, &builder->has_serial_bus, "virtio-serial-pci", "virtio-serial0");
}

/* Character devices */

static int make_socket(const char *path, GError **error) {
        int fd = unix_listen(path, SOCKET_MODE);
        if (fd == -ENAMETOOLONG)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "the path %.200s is too long for a socket: it may have %zu bytes", path, UNIX_PATH_BYTES_MAX);
        else if (fd < 0)
                virtbus_error_set_errno(error, -fd, "the socket %s cannot be made", path);
        return fd;
}

static bool build_unix(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        xmlNode *source = xml_ensure_child(element, "source");
        g_autofree char *given = xml_attribute(source, "path"), *mode = xml_attribute(source, "mode");
        if (g_strcmp0(mode, "connect") == 0) {
                if (!given)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, source, "its attribute path is missing");
                g_autofree char *path = escape(given);
                add(builder, "-chardev", "socket,id=char%s,path=%s", part->alias, path);
                return true;
        }
        int fd = -1;
        if (builder->files) {
                g_autofree char *path =
                                given ? g_strdup(given) : g_build_filename(builder->context->directory, part->alias, NULL);
                fd = make_socket(path, error);
                if (fd < 0)
                        return false;
                xml_set_attribute(source, "mode", "bind");
                xml_set_attribute(source, "path", path);
                g_ptr_array_add(builder->line->paths, g_steal_pointer(&path));
        }
        add(builder, "-chardev", "socket,id=char%s,fd=%d,server=on,wait=off", part->alias, pass(builder, fd));
        return true;
}

static bool build_chardev(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        g_autofree char *type = xml_attribute(element, "type");
        if (g_strcmp0(type, "pty") == 0) {
                add(builder, "-chardev", "pty,id=char%s", part->alias);
                g_ptr_array_add(builder->line->consoles, g_strdup(part->alias));
                return true;
        }
        if (g_strcmp0(type, "null") == 0) {
                add(builder, "-chardev", "null,id=char%s", part->alias);
                return true;
        }
        if (g_strcmp0(type, "unix") == 0)
                return build_unix(builder, element, part, error);
        if (g_strcmp0(type, "file") != 0)
                return unsupported(error, element, "a console of this type");
        if (!xml_find(element, "source"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "<source path='...'/> is missing");
        File *file = find_file(builder, element);
        int none = -1;
        g_autofree char *path = pass_as_file(builder, file ? &file->fd : &none);
        add(builder, "-chardev", "file,id=char%s,path=%s,append=on", part->alias, path);
        return true;
}

static bool build_serial(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        xmlNode *target = xml_child(element, "target");
        if (!check_children(element, " source target alias address ", error) || !build_chardev(builder, element, part, error))
                return false;
        if (target && !xml_attribute_is(target, "type", "isa-serial") && !xml_attribute_is(target, "type", "serial") &&
            !xml_attribute_is(target, "type", NULL))
                return unsupported(error, target, "this kind of serial port");
        g_autofree char *chardev = g_strdup_printf("char%s", part->alias);
        builder->has_serial = true;
        add_json(builder, "-device",
                 json_make("driver", 's', "isa-serial", "id", 's', part->alias, "chardev", 's', chardev, "index", 'i',
                           (gint64) part->port, NULL));
        return true;
}

static bool is_first_console(const Builder *builder, const DeviceDefinition *part) {
        for (guint i = 0; i < builder->definition->devices->len; i++) {
                const DeviceDefinition *other = builder->definition->devices->pdata[i];
                if (strcmp(other->kind, "console") == 0)
                        return other == part;
        }
        return false;
}

static bool build_console(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        if (!check_children(element, " source target alias address ", error))
                return false;
        if (strcmp(part->target, "serial") == 0) {
                /* The first console of this kind is the first serial port under another name; libvirt's format says so. */
                if (!is_first_console(builder, part))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "only the first console can be a serial port");
                return builder->has_serial || build_serial(builder, element, part, error);
        }
        if (strcmp(part->target, "virtio") != 0)
                return unsupported(error, xml_child(element, "target"), "a console of this kind");
        if (!build_chardev(builder, element, part, error))
                return false;
        g_autofree char *chardev = g_strdup_printf("char%s", part->alias);
        ensure_serial_bus(builder);
        add_json(builder, "-device",
                 json_make("driver", 's', "virtconsole", "bus", 's', "virtio-serial0.0", "id", 's', part->alias, "chardev", 's',
                           chardev, NULL));
        return true;
}

static bool build_channel(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        xmlNode *target = xml_child(element, "target"), *address = xml_child(element, "address");
        g_autofree char *name = xml_attribute(target, "name"), *chardev = g_strdup_printf("char%s", part->alias);
        if (!check_children(element, " source target alias address ", error))
                return false;
        if (!xml_attribute_is(target, "type", "virtio"))
                return unsupported(error, target ? target : element, "a channel of this kind");
        if (!build_chardev(builder, element, part, error))
                return false;
        ensure_serial_bus(builder);
        JsonObject *device = json_make("driver", 's', "virtserialport", "bus", 's', "virtio-serial0.0", "id", 's', part->alias,
                                       "chardev", 's', chardev, "name", 's', name, NULL);
        uint64_t port = 0;
        bool fine = !address || xml_number_attribute(address, "port", 0, DEVICES_MAX, &port, error);
        if (port > 0)
                json_add(device, "nr", 'i', (gint64) port, NULL);
        add_json(builder, "-device", device);
        return fine;
}

/* Disks */

/* Makes the block nodes of an image and its backing images. Returns the name of the top one. */
static char *build_image(Builder *builder, const char *alias, GPtrArray *layers, const char *format, bool is_device,
                         bool read_only, const xmlNode *driver) {
        g_autofree char *below = NULL, *discard = xml_attribute(driver, "discard"),
                        *zeroes = xml_attribute(driver, "detect_zeroes"), *cache = xml_attribute(driver, "cache"),
                        *io = xml_attribute(driver, "io");
        bool direct = g_strcmp0(cache, "none") == 0 || g_strcmp0(cache, "directsync") == 0,
             no_flush = g_strcmp0(cache, "unsafe") == 0;
        for (guint n = layers ? layers->len : 1; n-- > 0;) {
                ImageLayer *layer = layers ? layers->pdata[n] : NULL;
                bool top = n == 0, fixed = read_only || !top;
                int none = -1;
                g_autofree char *file = pass_as_file(builder, layer ? &layer->fd : &none);
                g_autofree char *storage = g_strdup_printf("%s-%u-storage", alias, n),
                                *name = g_strdup_printf("%s-%u-format", alias, n);
                JsonObject *cache_options = json_make("direct", 'b', direct, "no-flush", 'b', no_flush, NULL);
                add_json(builder, "-blockdev",
                         json_make("driver", 's', (layer ? layer->is_device : is_device) ? "host_device" : "file", "node-name",
                                   's', storage, "filename", 's', file, "read-only", 'b', fixed, "aio", 's', io, "discard", 's',
                                   "unmap", "cache", 'o', cache_options, NULL));
                JsonObject *node = json_make("driver", 's', layer ? layer->format : format, "node-name", 's', name, "read-only",
                                             'b', fixed, "file", 's', storage, "discard", 's', top ? discard : NULL,
                                             "detect-zeroes", 's', top ? zeroes : NULL, NULL);
                if (below)
                        json_add(node, "backing", 's', below, NULL);
                else if (strcmp(layer ? layer->format : format, "qcow2") == 0)
                        json_add(node, "backing", 'n', NULL);
                add_json(builder, "-blockdev", node);
                g_free(below);
                below = g_steal_pointer(&name);
        }
        return g_steal_pointer(&below);
}

/* How a disk is attached: the numbers are in its alias, which follows from its name or address. */
static bool build_disk_device(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *device,
                              GError **error) {
        bool cdrom = strcmp(part->type, "cdrom") == 0;
        unsigned a = 0, b = 0, c = 0, d = 0;
        g_autofree char *bus = NULL;
        bool named = g_str_has_prefix(part->alias, part->bus); /* by its place, not by its author */
        const char *place = named ? part->alias + strlen(part->bus) : "";
        if (strcmp(part->bus, "virtio") == 0) {
                if (cdrom)
                        return unsupported(error, xml_child(element, "target"),
                                           "a CD-ROM drive on the virtio bus: use sata or scsi");
                json_add(device, "driver", 's', "virtio-blk-pci", NULL);
                return add_pci_address(builder, device, element, error);
        }
        static const char *const buses[] = { "ide", "sata", "scsi", NULL };
        if (!g_strv_contains(buses, part->bus))
                return unsupported(error, xml_child(element, "target"), "a disk on this bus");
        xmlNode *address = xml_child(element, "address");
        if (address && xml_attribute_is(address, "type", "drive")) {
                static const char *const names[] = { "controller", "bus", "target", "unit" };
                unsigned *const values[] = { &a, &b, &c, &d };
                for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                        uint64_t value = 0;
                        if (!xml_number_attribute(address, names[i], 0, 255, &value, error))
                                return false;
                        *values[i] = (unsigned) value;
                }
        } else if (!named || (strcmp(part->bus, "scsi") == 0 ? sscanf(place, "%u-%u-%u-%u", &a, &b, &c, &d) != 4
                                                             : sscanf(place, "%u-%u-%u", &a, &b, &d) != 3))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "a disk with an alias of its own needs an <address type='drive'>");
        if (strcmp(part->bus, "ide") == 0) {
                if (builder->q35)
                        return unsupported(error, xml_child(element, "target"), "an IDE bus on machine q35: use sata");
                bus = g_strdup_printf("ide.%u", b);
                json_add(device, "driver", 's', cdrom ? "ide-cd" : "ide-hd", "bus", 's', bus, "unit", 'i', (gint64) d, NULL);
        } else if (strcmp(part->bus, "sata") == 0) {
                if (!builder->q35)
                        ensure_controller(builder, &builder->has_sata, "ahci", "sata0");
                bus = builder->q35 && a == 0 ? g_strdup_printf("ide.%u", d) : g_strdup_printf("sata%u.%u", a, d);
                json_add(device, "driver", 's', cdrom ? "ide-cd" : "ide-hd", "bus", 's', bus, NULL);
        } else {
                ensure_controller(builder, &builder->has_scsi, "lsi", "scsi0");
                bus = g_strdup_printf("scsi%u.0", a);
                json_add(device, "driver", 's', cdrom ? "scsi-cd" : "scsi-hd", "bus", 's', bus, "scsi-id", 'i',
                         (gint64) (c ? c : d), NULL);
                if (c)
                        json_add(device, "lun", 'i', (gint64) d, NULL);
        }
        return true;
}

static bool build_disk(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        static const char *const formats[] = { "raw", "qcow2", NULL };
        static const char *const caches[] = { "default", "none", "writethrough", "writeback", "directsync", "unsafe", NULL };
        static const char *const ios[] = { "threads", "native", "io_uring", NULL };
        static const char *const discards[] = { "ignore", "unmap", NULL };
        static const char *const zeroes[] = { "off", "on", "unmap", NULL };
        xmlNode *driver = xml_child(element, "driver");
        bool is_block = strcmp(part->source_type, "block") == 0;
        if (!check_children(element, " driver source target readonly shareable serial boot address alias backingStore ", error) ||
            !xml_one_of(driver, "type", formats, error) || !xml_one_of(driver, "cache", caches, error) ||
            !xml_one_of(driver, "io", ios, error) || !xml_one_of(driver, "discard", discards, error) ||
            !xml_one_of(driver, "detect_zeroes", zeroes, error))
                return false;
        if (!is_block && strcmp(part->source_type, "file") != 0)
                return unsupported(error, element, "a disk with a source of this type");
        if (xml_child(xml_child(element, "source"), NULL))
                return unsupported(error, xml_child(xml_child(element, "source"), NULL), "this element here");
        if (strcmp(part->type, "disk") != 0 && strcmp(part->type, "cdrom") != 0)
                return unsupported(error, element, "a disk device of this kind");
        if (!part->source[0] && strcmp(part->type, "cdrom") != 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "<source %s='...'/> is missing",
                                is_block ? "dev" : "file");

        g_autoptr(JsonObject) device = json_object_new();
        g_autofree char *serial = xml_text(xml_child(element, "serial")), *cache = xml_attribute(driver, "cache"), *node = NULL;
        if (!build_disk_device(builder, element, part, device, error))
                return false;
        File *file = find_file(builder, element);
        if (part->source[0])
                node = build_image(builder, part->alias, file ? file->layers : NULL, part->format, is_block, part->read_only,
                                   driver);
        json_add(device, "id", 's', part->alias, "drive", 's', node, "serial", 's', serial, NULL);
        if (g_strcmp0(cache, "writethrough") == 0 || g_strcmp0(cache, "directsync") == 0)
                json_add(device, "write-cache", 's', "off", NULL);
        if (xml_child(element, "shareable"))
                json_add(device, "share-rw", 'b', TRUE, NULL);
        add_boot(builder, device, part, strcmp(part->type, "cdrom") == 0 ? 1 : 0);
        add_json(builder, "-device", json_object_ref(device));
        return true;
}

/* Network interfaces */

static bool build_interface(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        static const struct {
                const char *model, *driver;
        } models[] = {
                { "virtio", "virtio-net-pci" }, { "e1000", "e1000" }, { "e1000e", "e1000e" }, { "rtl8139", "rtl8139" },
                { "ne2k_pci", "ne2k_pci" },     { "pcnet", "pcnet" }, { "", "rtl8139" }, /* libvirt's default */
        };
        const char *driver = NULL;
        g_autofree char *netdev = g_strdup_printf("host%s", part->alias);
        JsonObject *backend = NULL;
        if (!check_children(element, " mac source model target boot address alias ", error))
                return false;
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (strcmp(part->model, models[i].model) == 0)
                        driver = models[i].driver;
        if (!driver)
                return unsupported(error, xml_child(element, "model"), "a network card of this model");
        if (strcmp(part->type, "user") == 0)
                backend = json_make("type", 's', "user", "id", 's', netdev, NULL);
        else if (strcmp(part->type, "bridge") == 0) {
                if (!part->source[0])
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "<source bridge='...'/> is missing");
                int fd = -1;
                if (builder->files) {
                        g_autofree char *name = NULL;
                        /* A name of the kernel's making is chosen anew at each start. */
                        fd = network_open_tap(g_str_has_prefix(part->target, "vnet") ? "" : part->target, part->source, part->mac,
                                              &name, error);
                        if (fd < 0)
                                return false;
                        xml_set_attribute(xml_ensure_child(element, "target"), "dev", name);
                }
                g_autofree char *number = g_strdup_printf("%d", pass(builder, fd));
                backend = json_make("type", 's', "tap", "fd", 's', number, "id", 's', netdev, NULL);
        } else
                return unsupported(error, element, "a network interface of this type");
        add_json(builder, "-netdev", backend);
        g_autoptr(JsonObject) device = json_make("driver", 's', driver, "netdev", 's', netdev, "id", 's', part->alias, "mac", 's',
                                                 part->mac, NULL);
        if (!add_pci_address(builder, device, element, error))
                return false;
        add_boot(builder, device, part, 2);
        add_json(builder, "-device", json_object_ref(device));
        return true;
}

/* Displays */

static bool build_graphics(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        xmlNode *listen = xml_child(element, "listen");
        g_autofree char *port = xml_attribute(element, "port"), *socket = g_strdup(part->source),
                        *address = xml_attribute(listen, "address");
        g_autoptr(GString) option = g_string_new(NULL);
        bool tcp = (port && strcmp(port, "-1") != 0) || xml_attribute_is(element, "autoport", "yes") ||
                   xml_attribute_is(listen, "type", "address") || xml_attribute_is(element, "listen", "127.0.0.1");
        if (!check_children(element, " listen alias ", error))
                return false;
        if (strcmp(part->type, "vnc") != 0)
                return unsupported(error, element, "a display of this type");
        if (listen && !xml_attribute_is(listen, "type", "socket") && !xml_attribute_is(listen, "type", "address") &&
            !xml_attribute_is(listen, "type", "none"))
                return unsupported(error, listen, "listening in this way");
        if (tcp && !socket[0]) {
                uint64_t number = 5900; /* RFC 6143: displays count from there */
                if (port && strcmp(port, "-1") != 0 && !xml_number(element, "port", port, 5900, 65535, &number, error))
                        return false;
                g_autofree char *host = escape(address ? address : "127.0.0.1");
                g_string_printf(option, "%s:%" PRIu64, host, number - 5900);
                if (!port || strcmp(port, "-1") == 0)
                        g_string_append(option, ",to=999");
        } else {
                if (!socket[0]) {
                        g_free(socket);
                        socket = g_build_filename(builder->context->directory, part->alias, NULL);
                }
                g_autofree char *path = escape(socket);
                g_string_printf(option, "unix:%s", path);
                if (builder->files) {
                        xml_set_attribute(element, "socket", socket);
                        g_ptr_array_add(builder->line->paths, g_strdup(socket));
                }
        }
        if (xmlHasProp(element, (const xmlChar *) "passwd")) {
                g_string_append(option, ",password=on");
                g_free(builder->line->vnc_password);
                builder->line->vnc_password = xml_attribute(element, "passwd");
        }
        add(builder, "-vnc", "%s", option->str);
        return true;
}

static bool build_video(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        static const struct {
                const char *model, *first, *other;
        } models[] = {
                { "vga", "VGA", "secondary-vga" },
                { "cirrus", "cirrus-vga", NULL },
                { "vmvga", "vmware-svga", NULL },
                { "virtio", "virtio-vga", "virtio-gpu-pci" },
                { "bochs", "bochs-display", "bochs-display" },
                { "ramfb", "ramfb", NULL },
                { "", "cirrus-vga", NULL }, /* libvirt's default */
        };
        if (!check_children(element, " model alias address ", error))
                return false;
        if (strcmp(part->model, "none") == 0)
                return true;
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
                const char *driver = builder->n_videos == 0 ? models[i].first : models[i].other;
                if (strcmp(part->model, models[i].model) != 0)
                        continue;
                if (!driver)
                        break;
                g_autoptr(JsonObject) device = json_make("driver", 's', driver, "id", 's', part->alias, NULL);
                if (strcmp(driver, "ramfb") != 0 && !add_pci_address(builder, device, element, error))
                        return false;
                builder->n_videos++;
                add_json(builder, "-device", json_object_ref(device));
                return true;
        }
        return unsupported(error, xml_child(element, "model"),
                           builder->n_videos ? "a second video card of this model" : "a video card of this model");
}

static bool build_input(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        static const struct {
                const char *type, *bus, *driver;
        } inputs[] = {
                { "mouse", "ps2", NULL }, /* part of the machine */
                { "keyboard", "ps2", NULL },
                { "mouse", "usb", "usb-mouse" },
                { "keyboard", "usb", "usb-kbd" },
                { "tablet", "usb", "usb-tablet" },
                { "mouse", "virtio", "virtio-mouse-pci" },
                { "keyboard", "virtio", "virtio-keyboard-pci" },
                { "tablet", "virtio", "virtio-tablet-pci" },
        };
        g_autofree char *type = xml_attribute(element, "type"), *bus = xml_attribute(element, "bus");
        if (!check_children(element, " address alias ", error))
                return false;
        if (!bus)
                bus = g_strdup(g_strcmp0(type, "tablet") == 0 ? "usb" : "ps2");
        for (size_t i = 0; i < G_N_ELEMENTS(inputs); i++) {
                if (g_strcmp0(type, inputs[i].type) != 0 || strcmp(bus, inputs[i].bus) != 0)
                        continue;
                if (!inputs[i].driver)
                        return true;
                g_autoptr(JsonObject) device = json_make("driver", 's', inputs[i].driver, "id", 's', part->alias, NULL);
                if (strcmp(bus, "usb") == 0) {
                        ensure_controller(builder, &builder->has_usb, builder->q35 ? "qemu-xhci" : "piix3-usb-uhci", "usb");
                        json_add(device, "bus", 's', "usb.0", NULL);
                } else if (!add_pci_address(builder, device, element, error))
                        return false;
                add_json(builder, "-device", json_object_ref(device));
                return true;
        }
        return unsupported(error, element, "an input device of this kind");
}

/* Others */

static bool build_rng(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        xmlNode *backend = xml_child(element, "backend"), *rate = xml_child(element, "rate");
        g_autofree char *object = g_strdup_printf("obj%s", part->alias), *path = xml_text(backend);
        uint64_t bytes = 0, period = 1000;
        if (!check_children(element, " backend rate address alias ", error) ||
            !xml_number_attribute(rate, "bytes", 1, UINT32_MAX, &bytes, error) ||
            !xml_number_attribute(rate, "period", 1, UINT32_MAX, &period, error))
                return false;
        if (!xml_attribute_is(element, "model", "virtio"))
                return unsupported(error, element, "a random number generator of this model");
        if (xml_attribute_is(backend, "model", "builtin"))
                add_json(builder, "-object", json_make("qom-type", 's', "rng-builtin", "id", 's', object, NULL));
        else if (xml_attribute_is(backend, "model", "random"))
                add_json(builder, "-object",
                         json_make("qom-type", 's', "rng-random", "id", 's', object, "filename", 's',
                                   path && *path ? path : "/dev/random", NULL));
        else
                return unsupported(error, backend ? backend : element, "this source of random numbers");
        g_autoptr(JsonObject) device =
                        json_make("driver", 's', "virtio-rng-pci", "rng", 's', object, "id", 's', part->alias, NULL);
        if (bytes > 0)
                json_add(device, "max-bytes", 'i', (gint64) bytes, "period", 'i', (gint64) period, NULL);
        if (!add_pci_address(builder, device, element, error))
                return false;
        add_json(builder, "-device", json_object_ref(device));
        return true;
}

static bool build_memballoon(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        if (!check_children(element, " address alias ", error))
                return false;
        if (xml_attribute_is(element, "model", "none"))
                return true;
        if (!xml_attribute_is(element, "model", "virtio"))
                return unsupported(error, element, "a memory balloon of this model");
        g_autoptr(JsonObject) device = json_make("driver", 's', "virtio-balloon-pci", "id", 's', part->alias, NULL);
        if (!add_pci_address(builder, device, element, error))
                return false;
        add_json(builder, "-device", json_object_ref(device));
        return true;
}

/* Controllers: the device of each model, NULL for those that the machine has anyway. The first of a type is its default. */
static const struct {
        const char *type, *model, *driver;
} controllers[] = {
        { "pci", "pci-root", NULL },
        { "pci", "pcie-root", NULL },
        { "pci", "pcie-root-port", "pcie-root-port" },
        { "pci", "pci-bridge", "pci-bridge" },
        { "pci", "pcie-to-pci-bridge", "pcie-pci-bridge" },
        { "ide", NULL, NULL },
        { "fdc", NULL, NULL },
        { "sata", NULL, "ahci" },
        { "virtio-serial", NULL, "virtio-serial-pci" },
        { "scsi", "lsilogic", "lsi" },
        { "scsi", "virtio-scsi", "virtio-scsi-pci" },
        { "scsi", "lsisas1068", "mptsas1068" },
        { "scsi", "vmpvscsi", "pvscsi" },
        { "usb", "piix3-uhci", "piix3-usb-uhci" },
        { "usb", "piix4-uhci", "piix4-usb-uhci" },
        { "usb", "ehci", "usb-ehci" },
        { "usb", "nec-xhci", "nec-usb-xhci" },
        { "usb", "qemu-xhci", "qemu-xhci" },
};

static bool build_controller(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error) {
        g_autofree char *type = xml_attribute(element, "type"), *id = g_strdup(part->alias);
        uint64_t index = 0;
        size_t found = G_N_ELEMENTS(controllers);
        if (!check_children(element, " address alias master target ", error) ||
            !xml_number_attribute(element, "index", 0, 255, &index, error))
                return false;
        if (strcmp(type, "usb") == 0 && strcmp(part->model, "none") == 0) {
                builder->has_usb = true;
                return true;
        }
        for (size_t i = 0; found == G_N_ELEMENTS(controllers) && i < G_N_ELEMENTS(controllers); i++)
                if (strcmp(type, controllers[i].type) == 0 &&
                    (!part->model[0] || g_strcmp0(part->model, controllers[i].model) == 0 || !controllers[i].model))
                        found = i;
        if (found == G_N_ELEMENTS(controllers))
                return unsupported(error, element, "a controller of this kind");
        const char *driver = controllers[found].driver;
        if (!driver || (strcmp(type, "sata") == 0 && index == 0 && builder->q35))
                return true;
        if (strcmp(type, "usb") == 0 && index == 0) { /* libvirt's name for the first one */
                g_free(id);
                id = g_strdup("usb");
                builder->has_usb = true;
        }
        builder->has_scsi |= strcmp(type, "scsi") == 0;
        builder->has_sata |= strcmp(type, "sata") == 0;
        builder->has_serial_bus |= strcmp(type, "virtio-serial") == 0;
        g_autoptr(JsonObject) device = json_make("driver", 's', driver, "id", 's', id, NULL);
        if (strcmp(driver, "pcie-root-port") == 0) {
                uint64_t chassis = index, port = 0;
                xmlNode *target = xml_child(element, "target");
                g_autofree char *port_text = xml_attribute(target, "port");
                if (!xml_number_attribute(target, "chassis", 0, 255, &chassis, error))
                        return false;
                port = port_text ? strtoul(port_text, NULL, 0) & 0xff : index;
                json_add(device, "chassis", 'i', (gint64) chassis, "port", 'i', (gint64) port, NULL);
        } else if (strcmp(driver, "pci-bridge") == 0)
                json_add(device, "chassis_nr", 'i', (gint64) index, NULL);
        if (!add_pci_address(builder, device, element, error))
                return false;
        add_json(builder, "-device", json_object_ref(device));
        return true;
}

typedef bool (*BuildDevice)(Builder *builder, xmlNode *element, const DeviceDefinition *part, GError **error);

/* Device kinds, in the order in which QEMU must meet them. */
static const struct {
        const char *kind;
        BuildDevice build;
} kinds[] = {
        { "controller", build_controller }, { "disk", build_disk },
        { "interface", build_interface },   { "serial", build_serial },
        { "console", build_console },       { "channel", build_channel },
        { "graphics", build_graphics },     { "video", build_video },
        { "input", build_input },           { "rng", build_rng },
        { "memballoon", build_memballoon },
};

static bool build_devices(Builder *builder, GError **error) {
        bool known;
        for (xmlNode *element = definition_first_device(builder->context->document); element;
             element = definition_next_device(element)) {
                known = false;
                for (size_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++)
                        known |= xml_is(element, kinds[kind].kind);
                if (!known)
                        return unsupported(error, element, "this device");
        }
        for (size_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++) {
                guint i = 0;
                for (xmlNode *element = definition_first_device(builder->context->document); element;
                     element = definition_next_device(element), i++)
                        if (xml_is(element, kinds[kind].kind) &&
                            !kinds[kind].build(builder, element, builder->definition->devices->pdata[i], error))
                                return false;
        }
        return true;
}

/* The machine */

static void build_memory_and_cpus(Builder *builder) {
        const Definition *definition = builder->definition;
        xmlNode *topology = xml_find(builder->root, "cpu/topology");
        g_autoptr(GString) smp = g_string_new(NULL);
        add(builder, "-m", "size=%" PRIu64 "k", definition->max_memory / 1024);
        g_string_printf(smp, "%u", definition->vcpus);
        if (definition->max_vcpus != definition->vcpus)
                g_string_append_printf(smp, ",maxcpus=%u", definition->max_vcpus);
        static const char *const levels[] = { "sockets", "dies", "cores", "threads" };
        for (size_t i = 0; topology && i < G_N_ELEMENTS(levels); i++) {
                g_autofree char *number = xml_attribute(topology, levels[i]);
                if (number && strspn(number, "0123456789") == strlen(number))
                        g_string_append_printf(smp, ",%s=%s", levels[i], number);
        }
        add(builder, "-smp", "%s", smp->str);
}

static bool is_cpu_name(const char *name) {
        return *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(name);
}

static bool build_cpu(Builder *builder, GError **error) {
        xmlNode *cpu = xml_child(builder->root, "cpu");
        g_autofree char *mode = xml_attribute(cpu, "mode"), *model = xml_text(xml_child(cpu, "model"));
        bool kvm = strcmp(builder->definition->type, "kvm") == 0;
        g_autoptr(GString) option = g_string_new(NULL);
        if (!cpu)
                return true;
        if (!check_children(cpu, " model topology feature ", error))
                return false;
        if (g_strcmp0(mode, "host-passthrough") == 0) {
                if (!kvm)
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, cpu, "host-passthrough needs <domain type='kvm'>");
                g_string_append(option, "host");
        } else if (g_strcmp0(mode, "host-model") == 0)
                g_string_append(option, kvm ? "host" : "max");
        else if (g_strcmp0(mode, "maximum") == 0)
                g_string_append(option, "max");
        else if (model && is_cpu_name(model))
                g_string_append(option, model);
        else if (model)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(cpu, "model"), "'%.64s' cannot be a processor's name",
                                model);
        else if (xml_child(cpu, "feature"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, cpu, "features need a <model>");
        for (xmlNode *feature = xml_child(cpu, "feature"); feature; feature = xml_next(feature, "feature")) {
                g_autofree char *name = xml_attribute(feature, "name"), *policy = xml_attribute(feature, "policy");
                if (!name || !is_cpu_name(name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, feature, "its attribute name is missing, or no name");
                bool off = g_strcmp0(policy, "disable") == 0 || g_strcmp0(policy, "forbid") == 0;
                g_string_append_printf(option, ",%s=%s", name, off ? "off" : "on");
        }
        if (option->len > 0)
                add(builder, "-cpu", "%s", option->str);
        return true;
}

static bool build_features(Builder *builder, GError **error) {
        /* On unless the element is missing, as libvirt has it; of the others the element says by itself. */
        xmlNode *features = xml_child(builder->root, "features");
        if (!check_children(features, " acpi apic pae vmport smm ", error))
                return false;
        g_string_append_printf(builder->machine, ",acpi=%s", xml_child(features, "acpi") ? "on" : "off");
        static const char *const states[] = { "vmport", "smm" };
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
                xmlNode *feature = xml_child(features, states[i]);
                if (feature)
                        g_string_append_printf(builder->machine, ",%s=%s", states[i],
                                               xml_attribute_is(feature, "state", "off") ? "off" : "on");
        }
        return true;
}

static bool build_clock(Builder *builder, GError **error) {
        static const char *const offsets[] = { "utc", "localtime", "timezone", "variable", "absolute", NULL };
        xmlNode *clock = xml_child(builder->root, "clock");
        g_autoptr(GString) rtc = g_string_new("base=");
        if (!clock)
                g_string_append(rtc, "utc");
        else {
                if (!xml_one_of(clock, "offset", offsets, error) || !check_children(clock, " timer ", error))
                        return false;
                if (xmlHasProp(clock, (const xmlChar *) "offset") && !xml_attribute_is(clock, "offset", "utc") &&
                    !xml_attribute_is(clock, "offset", "localtime"))
                        return unsupported(error, clock, "this offset: use utc or localtime");
                g_string_append(rtc, xml_attribute_is(clock, "offset", "localtime") ? "localtime" : "utc");
        }
        for (xmlNode *timer = xml_child(clock, "timer"); timer; timer = xml_next(timer, "timer")) {
                bool absent = xml_attribute_is(timer, "present", "no");
                if (xml_attribute_is(timer, "name", "rtc") && xml_attribute_is(timer, "tickpolicy", "catchup"))
                        g_string_append(rtc, ",driftfix=slew");
                else if (xml_attribute_is(timer, "name", "pit") && xml_attribute_is(timer, "tickpolicy", "delay"))
                        add(builder, "-global", "kvm-pit.lost_tick_policy=delay");
                else if (xml_attribute_is(timer, "name", "hpet"))
                        g_string_append_printf(builder->machine, ",hpet=%s", absent ? "off" : "on");
                else if (!xml_attribute_is(timer, "name", "rtc"))
                        return unsupported(error, timer, "this timer");
        }
        add(builder, "-rtc", "%s", rtc->str);
        return true;
}

/* UEFI: code and variables as block nodes that the machine maps as flash. */
static bool build_firmware(Builder *builder, GError **error) {
        xmlNode *os = xml_child(builder->root, "os"), *loader = xml_child(os, "loader"), *nvram = xml_child(os, "nvram");
        static const char *const loaders[] = { "pflash", "rom", NULL };
        if (!xml_one_of(loader, "type", loaders, error))
                return false;
        if (xml_attribute_is(loader, "secure", "yes"))
                return unsupported(error, loader, "secure boot");
        bool efi = xml_attribute_is(os, "firmware", "efi"), pflash = xml_attribute_is(loader, "type", "pflash");
        if (xmlHasProp(os, (const xmlChar *) "firmware") && !efi && !xml_attribute_is(os, "firmware", "bios"))
                return unsupported(error, os, "this firmware");
        g_autofree char *path = xml_text(loader);
        if (loader && !pflash && path && *path) {
                g_autofree char *bios = escape(path);
                add(builder, "-bios", "%s", bios);
                return true;
        }
        if (!efi && !pflash)
                return true;
        File *code = find_file(builder, os), *variables = find_file(builder, nvram ? nvram : loader ? loader : builder->root);
        g_autofree char *code_node = build_image(builder, "pflash0", code ? code->layers : NULL, "raw", false, true, NULL);
        g_string_append_printf(builder->machine, ",pflash0=%s", code_node);
        if (!builder->files || variables) {
                g_autofree char *node =
                                build_image(builder, "pflash1", variables ? variables->layers : NULL, "raw", false, false, NULL);
                g_string_append_printf(builder->machine, ",pflash1=%s", node);
        }
        return true;
}

/* A kernel and the like: read by QEMU through the descriptor's name. */
static void build_kernel_file(Builder *builder, const char *option, const char *path) {
        xmlNode *element = xml_find(builder->root, path);
        File *file = find_file(builder, element);
        if (!element)
                return;
        int fd = file ? steal_fd(&file->fd) : -1;
        add(builder, option, "/proc/self/fd/%d", pass(builder, fd));
}

static bool build_boot(Builder *builder, GError **error) {
        static const char *const devices[] = { "hd", "cdrom", "network", "fd" };
        xmlNode *os = xml_child(builder->root, "os"), *menu = xml_child(os, "bootmenu");
        g_autoptr(GString) boot = g_string_new("strict=on");
        g_autofree char *cmdline = xml_text(xml_child(os, "cmdline"));
        unsigned order = 0;
        if (!check_children(os, " type loader nvram kernel initrd cmdline dtb boot bootmenu ", error))
                return false;
        for (xmlNode *element = xml_child(os, "boot"); element; element = xml_next(element, "boot")) {
                size_t i = 0;
                while (i < G_N_ELEMENTS(devices) && !xml_attribute_is(element, "dev", devices[i]))
                        i++;
                if (i == G_N_ELEMENTS(devices))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "dev must be one of: hd, cdrom, network, fd");
                builder->order_by_kind = true;
                if (builder->order[i] == 0)
                        builder->order[i] = ++order;
        }
        if (menu && xml_attribute_is(menu, "enable", "yes")) {
                uint64_t timeout = 0;
                g_string_append(boot, ",menu=on");
                if (!xml_number_attribute(menu, "timeout", 0, 65535, &timeout, error))
                        return false;
                if (timeout > 0)
                        g_string_append_printf(boot, ",splash-time=%" PRIu64, timeout);
        }
        add(builder, "-boot", "%s", boot->str);
        build_kernel_file(builder, "-kernel", "os/kernel");
        build_kernel_file(builder, "-initrd", "os/initrd");
        build_kernel_file(builder, "-dtb", "os/dtb");
        if (cmdline && *cmdline)
                add(builder, "-append", "%s", cmdline);
        return true;
}

static bool build_machine(Builder *builder, GError **error) {
        const Definition *definition = builder->definition;
        xmlNode *type = xml_find(builder->root, "os/type"), *vcpu = xml_child(builder->root, "vcpu");
        static const char known[] =
                        " name uuid title description metadata memory currentMemory vcpu os features cpu clock on_poweroff "
                        "on_reboot on_crash devices ";
        if (!check_children(builder->root, known, error))
                return false;
        if (strcmp(definition->type, "kvm") != 0 && strcmp(definition->type, "qemu") != 0)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, builder->root, "type '%.32s' is not QEMU's; use kvm or qemu",
                                definition->type);
        if (xmlHasProp(vcpu, (const xmlChar *) "cpuset"))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, vcpu, "the QEMU driver does not know cpuset; leave it out");
        if (strcmp(definition->os_type, "hvm") != 0)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, type, "type '%.32s' is not QEMU's; use hvm",
                                definition->os_type);
        if (definition->machine[0] && !is_cpu_name(definition->machine))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, type, "'%.64s' cannot be a machine's name",
                                definition->machine);
        builder->q35 = strstr(definition->machine, "q35") != NULL;
        g_string_append(builder->machine, definition->machine[0] ? definition->machine : "pc");
        g_string_append_printf(builder->machine, ",accel=%s,usb=off,dump-guest-core=off",
                               strcmp(definition->type, "kvm") == 0 ? "kvm" : "tcg");
        return build_features(builder, error) && build_clock(builder, error) && build_firmware(builder, error) &&
               build_cpu(builder, error);
}

static void build_process(Builder *builder, const char *emulator) {
        const Definition *definition = builder->definition;
        g_autofree char *name = escape(definition->name);
        g_ptr_array_add(builder->line->arguments, g_strdup(emulator));
        add(builder, "-name", "guest=%s,debug-threads=on", name);
        add(builder, "-uuid", "%s", definition->uuid);
        add(builder, "-S", NULL);
        add(builder, "-no-user-config", NULL);
        add(builder, "-nodefaults", NULL);
        add(builder, "-display", "none");
        add(builder, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
        add(builder, "-chardev", "socket,id=monitor,fd=%d,server=on,wait=off", builder->context->monitor);
        add(builder, "-mon", "chardev=monitor,mode=control");
        add(builder, "-msg", "timestamp=on");
        /* What follows from these is the driver's to do: the machine waits. */
        add(builder, "-action", "shutdown=pause,panic=pause,reboot=%s",
            definition->on_reboot == ACTION_DESTROY ? "shutdown" : "reset");
}

char *command_line_emulator(const Definition *definition) {
        return definition->emulator[0] ? g_strdup(definition->emulator)
                                       : g_strdup_printf("/usr/bin/qemu-system-%s", definition->architecture);
}

char *command_line_nvram(Connection *connection, const char *uuid) {
        return g_strdup_printf("%s/nvram/%s.fd", connection->state_directory, uuid);
}

CommandLine *command_line_build(const CommandLineContext *context, GPtrArray *files, GError **error) {
        CommandLine *line = g_new0(CommandLine, 1);
        line->arguments = g_ptr_array_new_with_free_func(g_free);
        line->fds = g_array_new(FALSE, FALSE, sizeof(int));
        line->consoles = g_ptr_array_new_with_free_func(g_free);
        line->paths = g_ptr_array_new_with_free_func(g_free);
        Builder builder = {
                .context = context,
                .definition = context->definition,
                .root = xmlDocGetRootElement(context->document),
                .files = files,
                .line = line,
                .machine = g_string_new(NULL),
        };
        g_autofree char *emulator = command_line_emulator(context->definition);
        build_process(&builder, emulator);
        bool fine = build_machine(&builder, error) && build_boot(&builder, error);
        if (fine) {
                build_memory_and_cpus(&builder);
                fine = build_devices(&builder, error);
        }
        add(&builder, "-machine", "%s", builder.machine->str);
        g_ptr_array_add(line->arguments, NULL);
        g_string_free(builder.machine, TRUE);
        if (fine)
                return line;
        command_line_free(line, false);
        return NULL;
}

void command_line_free(CommandLine *line, bool keep_paths) {
        for (guint i = 0; i < line->fds->len; i++)
                close(g_array_index(line->fds, int, i));
        for (guint i = 0; !keep_paths && i < line->paths->len; i++)
                unlink(line->paths->pdata[i]);
        g_ptr_array_unref(line->arguments);
        g_array_unref(line->fds);
        g_ptr_array_unref(line->consoles);
        g_ptr_array_unref(line->paths);
        g_free(line->vnc_password);
        g_free(line);
}

/* Files */

static void file_free(File *file) {
        g_free(file->path);
        g_free(file->format);
        g_free(file->template);
        if (file->layers)
                g_ptr_array_unref(file->layers);
        autofd_close(&file->fd);
        g_free(file);
}

static File *plan(GPtrArray *files, FilePurpose purpose, const xmlNode *element, const char *path) {
        File *file = g_new0(File, 1);
        *file = (File){ .purpose = purpose, .element = element, .path = g_strdup(path), .format = g_strdup("raw"), .fd = -1 };
        g_ptr_array_add(files, file);
        return file;
}

static void plan_firmware(GPtrArray *files, const CommandLineContext *context, xmlNode *root) {
        xmlNode *os = xml_child(root, "os"), *loader = xml_child(os, "loader"), *nvram = xml_child(os, "nvram");
        g_autofree char *code = xml_text(loader), *variables = xml_text(nvram), *template = xml_attribute(nvram, "template");
        const char *found = NULL;
        if (!xml_attribute_is(os, "firmware", "efi") && !xml_attribute_is(loader, "type", "pflash"))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(firmwares) && !found; i++)
                if (code && *code ? strcmp(code, firmwares[i].code) == 0 : access(firmwares[i].code, R_OK) == 0) {
                        found = firmwares[i].code;
                        if (!template)
                                template = g_strdup(firmwares[i].variables);
                }
        plan(files, FILE_IMAGE, os, code && *code ? code : found ? found : firmwares[0].code)->read_only = true;
        if (!template && !(variables && *variables))
                return; /* a loader without variables of its own */
        g_autofree char *own = command_line_nvram(context->connection, context->definition->uuid);
        plan(files, FILE_NVRAM,
             nvram    ? nvram
             : loader ? loader
                      : root,
             variables && *variables ? variables : own)
                        ->template = g_steal_pointer(&template);
}

GPtrArray *command_line_plan(const CommandLineContext *context) {
        static const char *const kernel_files[] = { "os/kernel", "os/initrd", "os/dtb" };
        GPtrArray *files = g_ptr_array_new_with_free_func((GDestroyNotify) file_free);
        xmlNode *root = xmlDocGetRootElement(context->document);
        for (size_t i = 0; i < G_N_ELEMENTS(kernel_files); i++) {
                xmlNode *element = xml_find(root, kernel_files[i]);
                g_autofree char *path = xml_text(element);
                if (element)
                        plan(files, FILE_READ, element, path);
        }
        plan_firmware(files, context, root);
        guint i = 0;
        for (xmlNode *element = definition_first_device(context->document); element;
             element = definition_next_device(element), i++) {
                const DeviceDefinition *part = context->definition->devices->pdata[i];
                if (part->device_class == DEVICE_DISK && part->source[0]) {
                        File *file = plan(files, FILE_IMAGE, element, part->source);
                        g_free(file->format);
                        file->format = g_strdup(part->format);
                        file->read_only = part->read_only;
                } else if (part->device_class == DEVICE_CONSOLE && strcmp(part->type, "file") == 0)
                        plan(files, FILE_APPEND, element, part->source);
        }
        return files;
}
