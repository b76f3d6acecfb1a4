/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/from-native.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "qemu/complete/pci-topology.h"

#define MIB (UINT64_C(1024) * 1024)

/* A back end that devices name: -drive, -blockdev, -netdev, -chardev, -object. Its properties are flat: "server.host". */
typedef struct Backend {
        GHashTable *properties;
        bool used;
} Backend;

typedef struct Reader {
        GError *error;
        xmlNode *root, *os, *devices, *cpu, *features;
        GHashTable *backends;    /* "kind:id" -> Backend */
        GHashTable *controllers; /* "type:id" -> its index + 1 */
        GHashTable *indices;     /* type -> set of the indices + 1 that are taken */
        bool kvm, acpi, q35, usb;
        const char *arch;
        unsigned n_disks[3]; /* virtio, IDE, SCSI */
} Reader;

static void fail(Reader *reader, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void fail(Reader *reader, VirtbusError code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        if (!reader->error)
                virtbus_error_set(&reader->error, code, "%s", text);
}

/* Properties: name=value,... or JSON */

static void flatten(GHashTable *properties, const char *prefix, JsonNode *node) {
        if (json_node_type(node) == JSON_OBJECT) {
                g_autoptr(GList) names = json_object_get_members(json_node_get_object(node));
                for (GList *link = names; link; link = link->next) {
                        g_autofree char *name = prefix[0] ? g_strdup_printf("%s.%s", prefix, (const char *) link->data)
                                                          : g_strdup(link->data);
                        flatten(properties, name, json_object_get_member(json_node_get_object(node), link->data));
                }
        } else if (json_node_is_basic(node)) {
                JsonType type = json_node_type(node);
                g_hash_table_insert(properties, g_strdup(prefix),
                                    type == JSON_BOOLEAN   ? g_strdup(json_node_get_boolean(node) ? "on" : "off")
                                    : type == JSON_INTEGER ? g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node))
                                    : type == JSON_STRING  ? g_strdup(json_node_get_string(node))
                                                           : g_strdup(""));
        }
}

/* FIRST is the name of a first value that has none. */
static GHashTable *parse(Reader *reader, const char *text, const char *first) {
        GHashTable *properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_autoptr(GError) error = NULL;
        if (text[0] == '{') {
                g_autoptr(JsonNode) node = json_parse(text, -1, &error);
                if (node)
                        flatten(properties, "", node);
                else
                        fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not JSON: %s", text, error->message);
                return properties;
        }
        g_autoptr(GString) part = g_string_new(NULL);
        for (const char *c = text;; c++) {
                if (*c == ',' && c[1] == ',') {
                        g_string_append_c(part, ',');
                        c++;
                        continue;
                }
                if (*c && *c != ',') {
                        g_string_append_c(part, *c);
                        continue;
                }
                char *equals = strchr(part->str, '=');
                if (equals)
                        g_hash_table_insert(properties, g_strndup(part->str, (gsize) (equals - part->str)), g_strdup(equals + 1));
                else if (first && part->len > 0)
                        g_hash_table_insert(properties, g_strdup(first), g_strdup(part->str));
                else if (part->len > 0)
                        g_hash_table_insert(properties, g_strdup(part->str), g_strdup("on"));
                first = NULL;
                g_string_truncate(part, 0);
                if (!*c)
                        return properties;
        }
}

/* Takes a property away; NULL where there is none. To be freed. */
static char *take(GHashTable *properties, const char *name) {
        char *key, *value;
        if (!g_hash_table_steal_extended(properties, name, (void **) &key, (void **) &value))
                return NULL;
        g_free(key);
        return value;
}

static bool is_on(const char *value) {
        return g_strcmp0(value, "on") == 0;
}

static void drop(GHashTable *properties, const char *names) {
        g_auto(GStrv) parts = g_strsplit(names, " ", -1);
        for (size_t i = 0; parts[i]; i++)
                g_hash_table_remove(properties, parts[i]);
}

static void check_empty(Reader *reader, GHashTable *properties, const char *option) {
        GHashTableIter iterator;
        void *name;
        g_hash_table_iter_init(&iterator, properties);
        if (g_hash_table_iter_next(&iterator, &name, NULL))
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "%s: its property '%.64s' has no counterpart in a document", option,
                     (const char *) name);
}

/* The document */

/* Nothing where there is no value. */
static void set(xmlNode *element, const char *name, const char *value) {
        if (value)
                xml_set_attribute(element, name, value);
}

static Backend *find_backend(Reader *reader, const char *kind, const char *id) {
        g_autofree char *key = g_strdup_printf("%s:%s", kind, id ? id : "");
        Backend *backend = g_hash_table_lookup(reader->backends, key);
        if (backend)
                backend->used = true;
        return backend;
}

static void keep_backend(Reader *reader, const char *kind, const char *text, const char *first, const char *id_name) {
        Backend *backend = g_new0(Backend, 1);
        backend->properties = parse(reader, text, first);
        g_autofree char *id = take(backend->properties, id_name);
        g_hash_table_insert(reader->backends, g_strdup_printf("%s:%s", kind, id ? id : ""), backend);
}

static void backend_free(Backend *backend) {
        g_hash_table_unref(backend->properties);
        g_free(backend);
}

/* Controllers and addresses */

/* Gives a controller its index. Its ID may tell it, as "pci.1" and "scsi1" do; what the machine has
 * by itself comes first. */
static unsigned keep_controller(Reader *reader, const char *type, const char *id) {
        bool is_pci = strcmp(type, "pci") == 0;
        unsigned first = is_pci || (reader->q35 && strcmp(type, "sata") == 0) ? 1 : 0, index = first, named;
        size_t length = strlen(type) + is_pci; /* "pci.1" has a point */
        GHashTable *taken = g_hash_table_lookup(reader->indices, type);
        if (!taken) {
                taken = g_hash_table_new(NULL, NULL);
                g_hash_table_insert(reader->indices, g_strdup(type), taken);
        }
        if (id && g_str_has_prefix(id, type) && strlen(id) > length && sscanf(id + length, "%3u", &named) == 1 && named >= first)
                index = named;
        while (!g_hash_table_add(taken, GUINT_TO_POINTER(index + 1)))
                index++;
        if (id)
                g_hash_table_insert(reader->controllers, g_strdup_printf("%s:%s", type, id), GUINT_TO_POINTER(index + 1));
        return index;
}

/* The index + 1 of the controller that was read whose bus this is: "ID.N", of PCI "ID"; 0 where there is none. *ID is set. */
static unsigned lookup_controller(Reader *reader, const char *type, const char *bus, char **id) {
        const char *dot = strcmp(type, "pci") == 0 ? NULL : strrchr(bus, '.');
        *id = dot ? g_strndup(bus, (gsize) (dot - bus)) : g_strdup(bus);
        g_autofree char *key = g_strdup_printf("%s:%s", type, *id);
        return GPOINTER_TO_UINT(g_hash_table_lookup(reader->controllers, key));
}

/* The index of a bus's controller: BUILTINS are the IDs of the one that the machine has by itself. */
static bool find_controller(Reader *reader, const char *type, const char *bus, const char *const *builtins,
                            unsigned *controller) {
        g_autofree char *id = NULL;
        unsigned found = lookup_controller(reader, type, bus, &id);
        if (found == 0 && !g_strv_contains(builtins, id)) {
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-device: there is no controller before it whose bus is '%.64s'", bus);
                return false;
        }
        *controller = found > 0 ? found - 1 : 0;
        return true;
}

static xmlNode *add_address(xmlNode *element, const char *type) {
        xmlNode *address = xml_add(element, "address", NULL);
        set(address, "type", type);
        return address;
}

/* "bus=pci.0,addr=0x3": the address, unless it is QEMU's own choice. */
static void read_pci_address(Reader *reader, GHashTable *properties, xmlNode *element) {
        g_autofree char *bus = take(properties, "bus"), *place = take(properties, "addr"),
                        *multifunction = take(properties, "multifunction");
        unsigned number = 0, slot = 0, function = 0;
        if ((bus && !find_controller(reader, "pci", bus, (const char *[]){ "pci.0", "pcie.0", NULL }, &number)) ||
            (!place && number == 0))
                return;
        if ((place && sscanf(place, "%x.%x", &slot, &function) < 1) || number > 255 || slot > 31 || function > 7) {
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-device: its place '%.32s' on bus '%.32s' has no counterpart",
                     place ? place : "", bus ? bus : "");
                return;
        }
        xmlNode *address = xml_add(element, "address", NULL);
        pci_set_address(address, number, slot, function);
        set(address, "multifunction", multifunction);
}

/* "bus=usb.0,port=1.2" */
static void read_usb_address(Reader *reader, GHashTable *properties, xmlNode *element) {
        g_autofree char *bus = take(properties, "bus"), *port = take(properties, "port");
        unsigned controller = 0;
        if ((bus && !find_controller(reader, "usb", bus, (const char *[]){ "usb", NULL }, &controller)) || !port)
                return;
        xmlNode *address = add_address(element, "usb");
        xml_set_number(address, "bus", controller);
        set(address, "port", port);
}

/* "bus=ide.1,unit=0", "bus=scsi0.0,channel=0,scsi-id=2,lun=0", or with scsi-id alone on an older controller. */
static void read_drive_address(Reader *reader, GHashTable *properties, const char *type, xmlNode *element) {
        g_autofree char *bus = take(properties, "bus"), *unit = take(properties, "unit"), *channel = take(properties, "channel"),
                        *id = take(properties, "scsi-id"), *lun = take(properties, "lun");
        unsigned controller = 0, number = 0;
        if (!bus)
                return;
        const char *dot = strrchr(bus, '.');
        if (!dot || sscanf(dot, ".%3u", &number) != 1) {
                fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device: '%.64s' is not a bus: its number is missing, as in ide.0",
                     bus);
                return;
        }
        if (!find_controller(reader, type, bus, (const char *[]){ strcmp(type, "scsi") == 0 ? "scsi" : "ide", NULL },
                             &controller) ||
            !(unit || id || strcmp(type, "sata") == 0))
                return;
        xmlNode *address = add_address(element, "drive");
        xml_set_number(address, "controller", controller);
        if (strcmp(type, "sata") == 0)
                xml_set_number(address, "unit", number);
        else if (strcmp(type, "ide") == 0) {
                xml_set_number(address, "bus", number);
                set(address, "unit", unit);
        } else {
                set(address, "bus", channel ? channel : "0");
                set(address, "target", lun ? id : "0");
                set(address, "unit", lun ? lun : id);
        }
}

/* Disks */

/* The next name on a bus: vda, vdb, ... */
static char *next_target(Reader *reader, const char *prefix, unsigned which) {
        unsigned n = reader->n_disks[which]++;
        return n < 26 ? g_strdup_printf("%s%c", prefix, 'a' + n)
                      : g_strdup_printf("%s%c%c", prefix, 'a' + n / 26 - 1, 'a' + n % 26);
}

/* What is below a block node, down to the file. */
static void read_image(Reader *reader, GHashTable *node, const char *write_cache, xmlNode *disk) {
        g_autofree char *driver = take(node, "driver"), *file = take(node, "file"), *read_only = take(node, "read-only");
        Backend *storage = file ? find_backend(reader, "block", file) : NULL;
        GHashTable *properties = storage ? storage->properties : node;
        g_autofree char *path = take(properties, "filename"), *how = storage ? take(properties, "driver") : NULL;
        xmlNode *element = xml_add(disk, "driver", NULL);
        set(element, "name", "qemu");
        set(element, "type", storage ? driver : "raw");
        if (!path || (how && strcmp(how, "file") != 0 && strcmp(how, "host_device") != 0))
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-blockdev: only files and block devices have a counterpart here");
        bool block = how && strcmp(how, "host_device") == 0;
        set(disk, "type", block ? "block" : "file");
        set(xml_add(disk, "source", NULL), block ? "dev" : "file", path);
        if (is_on(read_only))
                xml_add(disk, "readonly", NULL);
        g_autofree char *direct = take(node, "cache.direct"), *no_flush = take(node, "cache.no-flush");
        bool is_direct = is_on(direct) || g_strcmp0(direct, "true") == 0,
             is_unsafe = is_on(no_flush) || g_strcmp0(no_flush, "true") == 0, is_through = g_strcmp0(write_cache, "off") == 0;
        if (direct || no_flush || write_cache)
                set(element, "cache",
                    is_through  ? is_direct ? "directsync" : "writethrough"
                    : is_unsafe ? "unsafe"
                    : is_direct ? "none"
                                : "writeback");
        drop(properties, "discard read-only auto-read-only aio cache.direct cache.no-flush");
        g_autofree char *discard = take(node, "discard");
        set(element, "discard", storage ? discard : NULL);
        check_empty(reader, properties, "-blockdev");
        check_empty(reader, node, "-blockdev");
}

static void read_drive_source(GHashTable *drive, xmlNode *disk) {
        static const char *const attributes[][2] = {
                { "cache", "cache" }, { "aio", "io" }, { "discard", "discard" }, { "detect-zeroes", "detect_zeroes" }
        };
        g_autofree char *path = take(drive, "file"), *format = take(drive, "format"), *read_only = take(drive, "readonly"),
                        *serial = take(drive, "serial");
        xmlNode *driver = xml_add(disk, "driver", NULL);
        set(driver, "name", "qemu");
        set(driver, "type", format ? format : "raw");
        for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
                g_autofree char *value = take(drive, attributes[i][0]);
                set(driver, attributes[i][1], value);
        }
        bool block = path && g_str_has_prefix(path, "/dev/");
        set(disk, "type", block ? "block" : "file");
        if (path && *path)
                set(xml_add(disk, "source", NULL), block ? "dev" : "file", path);
        if (is_on(read_only))
                xml_add(disk, "readonly", NULL);
        if (serial)
                xml_add(disk, "serial", serial);
}

static void set_target(xmlNode *disk, char *name, const char *bus) {
        xmlNode *target = xml_add(disk, "target", NULL);
        set(target, "dev", name);
        set(target, "bus", bus);
        g_free(name);
}

/* -drive with its own device, -hda, -cdrom. */
static void read_drive(Reader *reader, GHashTable *drive) {
        g_autofree char *interface = take(drive, "if"), *media = take(drive, "media");
        bool cdrom = g_strcmp0(media, "cdrom") == 0, virtio = g_strcmp0(interface, "virtio") == 0,
             floppy = g_strcmp0(interface, "floppy") == 0, scsi = g_strcmp0(interface, "scsi") == 0;
        g_autofree char *index = take(drive, "index");
        if (g_strcmp0(interface, "pflash") == 0) {
                g_autofree char *path = take(drive, "file"), *read_only = take(drive, "readonly");
                bool code = is_on(read_only);
                xmlNode *element = xml_add(reader->os, code ? "loader" : "nvram", path);
                if (code) {
                        set(element, "readonly", "yes");
                        set(element, "type", "pflash");
                }
                drop(drive, "format unit");
                check_empty(reader, drive, "-drive");
                return;
        }
        xmlNode *disk = xml_add(reader->devices, "disk", NULL);
        set(disk, "device", cdrom ? "cdrom" : floppy ? "floppy" : "disk");
        read_drive_source(drive, disk);
        unsigned which = virtio ? 0 : scsi ? 2 : 1;
        if (index && strspn(index, "0123456789") == strlen(index))
                reader->n_disks[which] = MAX(reader->n_disks[which], (unsigned) MIN(strtoul(index, NULL, 10), 25));
        else if (cdrom && which == 1)
                reader->n_disks[1] = MAX(reader->n_disks[1], 2); /* hdc, as ever */
        set_target(disk,
                   floppy ? g_strdup("fda")
                          : next_target(reader,
                                        virtio ? "vd"
                                        : scsi ? "sd"
                                               : "hd",
                                        which),
                   virtio   ? "virtio"
                   : floppy ? "fdc"
                   : scsi   ? "scsi"
                            : "ide");
        check_empty(reader, drive, "-drive");
}

/* Whether what QEMU calls IDE is SATA: on q35, and at an AHCI controller. */
static bool is_on_sata(Reader *reader, GHashTable *device) {
        const char *bus = g_hash_table_lookup(device, "bus");
        g_autofree char *id = NULL;
        return (bus && lookup_controller(reader, "sata", bus, &id) > 0) || (reader->q35 && (!bus || strcmp(id, "ide") == 0));
}

/* A disk as -device, with -drive if=none or -blockdev behind. */
static void read_disk_device(Reader *reader, GHashTable *device, const char *driver) {
        static const struct {
                const char *driver, *device, *bus, *prefix;
                unsigned which;
        } kinds[] = {
                { "virtio-blk-pci", "disk", "virtio", "vd", 0 },
                { "virtio-blk", "disk", "virtio", "vd", 0 },
                { "ide-hd", "disk", "ide", "hd", 1 },
                { "ide-cd", "cdrom", "ide", "hd", 1 },
                { "scsi-hd", "disk", "scsi", "sd", 2 },
                { "scsi-cd", "cdrom", "scsi", "sd", 2 },
                { "usb-storage", "disk", "usb", "sd", 2 },
        };
        g_autofree char *id = take(device, "drive"), *boot = take(device, "bootindex"), *serial = take(device, "serial"),
                        *write_cache = take(device, "write-cache");
        Backend *drive = id ? find_backend(reader, "drive", id) : NULL,
                *node = id && !drive ? find_backend(reader, "block", id) : NULL;
        xmlNode *disk = xml_add(reader->devices, "disk", NULL);
        size_t kind = 0;
        while (strcmp(kinds[kind].driver, driver) != 0)
                kind++;
        set(disk, "device", kinds[kind].device);
        if (drive && write_cache)
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-device %s: write-cache has no counterpart here; write cache= in -drive",
                     driver);
        if (drive)
                read_drive_source(drive->properties, disk);
        else if (node)
                read_image(reader, node->properties, write_cache, disk);
        else if (id)
                fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: there is no drive '%.64s'", driver, id);
        else
                set(disk, "type", "file");
        bool is_sata = kinds[kind].which == 1 && is_on_sata(reader, device);
        const char *bus = is_sata ? "sata" : kinds[kind].bus;
        unsigned which = is_sata ? 2 : kinds[kind].which;
        set_target(disk, next_target(reader, is_sata ? "sd" : kinds[kind].prefix, which), bus);
        if (serial)
                xml_add(disk, "serial", serial);
        if (boot)
                set(xml_add(disk, "boot", NULL), "order", boot);
        if (strcmp(bus, "virtio") == 0)
                read_pci_address(reader, device, disk);
        else if (strcmp(bus, "usb") == 0)
                read_usb_address(reader, device, disk);
        else
                read_drive_address(reader, device, bus, disk);
        g_autofree char *removable = take(device, "removable");
        set(xml_child(disk, "target"), "removable", strcmp(bus, "usb") == 0 ? removable : NULL);
        drop(device, "device_id");
        if (drive) {
                drop(drive->properties, "if media");
                check_empty(reader, drive->properties, "-drive");
        }
}

/* Network cards */

static void read_network(Reader *reader, GHashTable *backend, xmlNode *interface) {
        g_autofree char *type = take(backend, "type"), *bridge = take(backend, "br"), *tap = take(backend, "ifname");
        if (g_strcmp0(type, "bridge") == 0) {
                set(interface, "type", "bridge");
                set(xml_add(interface, "source", NULL), "bridge", bridge ? bridge : "br0");
        } else if (g_strcmp0(type, "tap") == 0) {
                set(interface, "type", "ethernet");
                if (tap)
                        set(xml_add(interface, "target", NULL), "dev", tap);
        } else if (g_strcmp0(type, "user") == 0)
                set(interface, "type", "user");
        else
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-netdev: type '%.32s' has no counterpart here", type ? type : "");
        drop(backend, "script downscript fd helper");
        check_empty(reader, backend, "-netdev");
}

static void finish_interface(xmlNode *interface, const char *mac, const char *model) {
        if (mac)
                set(xml_add(interface, "mac", NULL), "address", mac);
        set(xml_add(interface, "model", NULL), "type", model);
}

static const char *card_model(const char *driver) {
        static const char *const models[][2] = {
                { "virtio-net-pci", "virtio" }, { "virtio-net", "virtio" }, { "virtio", "virtio" },
                { "e1000", "e1000" },           { "e1000e", "e1000e" },     { "rtl8139", "rtl8139" },
                { "ne2k_pci", "ne2k_pci" },     { "pcnet", "pcnet" },       { "vmxnet3", "vmxnet3" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (strcmp(driver, models[i][0]) == 0)
                        return models[i][1];
        return NULL;
}

static void read_card(Reader *reader, GHashTable *device, const char *driver) {
        g_autofree char *id = take(device, "netdev"), *mac = take(device, "mac"), *boot = take(device, "bootindex");
        Backend *backend = find_backend(reader, "netdev", id);
        xmlNode *interface = xml_add(reader->devices, "interface", NULL);
        if (backend)
                read_network(reader, backend->properties, interface);
        else
                fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: there is no -netdev '%.64s'", driver, id ? id : "");
        finish_interface(interface, mac, card_model(driver));
        if (boot)
                set(xml_add(interface, "boot", NULL), "order", boot);
        read_pci_address(reader, device, interface);
}

static void read_nic(Reader *reader, const char *text) {
        g_autoptr(GHashTable) properties = parse(reader, text, "type");
        g_autofree char *type = take(properties, "type"), *mac = take(properties, "mac"), *model = take(properties, "model");
        if (g_strcmp0(type, "none") == 0)
                return;
        g_hash_table_insert(properties, g_strdup("type"), g_strdup(type ? type : ""));
        xmlNode *interface = xml_add(reader->devices, "interface", NULL);
        read_network(reader, properties, interface);
        const char *known = card_model(model ? model : "e1000"); /* QEMU's own choice for a PC */
        if (!known)
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-nic: model '%.32s' has no counterpart here", model);
        finish_interface(interface, mac, known);
}

/* Character devices */

static void read_character(Reader *reader, xmlNode *element, GHashTable *properties, const char *what) {
        g_autofree char *type = take(properties, "backend"), *path = take(properties, "path"),
                        *server = take(properties, "server");
        bool listens = is_on(server);
        if (g_strcmp0(type, "pty") == 0 || g_strcmp0(type, "null") == 0 || g_strcmp0(type, "stdio") == 0) {
                /* Whoever sits at QEMU's own terminal has a console of the service's then. */
                set(element, "type", strcmp(type, "stdio") == 0 ? "pty" : type);
                drop(properties, "signal mux");
        } else if (g_strcmp0(type, "file") == 0 || (g_strcmp0(type, "socket") == 0 && path)) {
                set(element, "type", strcmp(type, "file") == 0 ? "file" : "unix");
                xmlNode *source = xml_add(element, "source", NULL);
                if (strcmp(type, "socket") == 0)
                        set(source, "mode", listens ? "bind" : "connect");
                set(source, "path", path);
                drop(properties, "wait append");
        } else
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "%s: type '%.32s' has no counterpart here", what, type ? type : "");
        check_empty(reader, properties, what);
}

static void read_character_device(Reader *reader, GHashTable *device, const char *driver) {
        g_autofree char *id = take(device, "chardev"), *name = take(device, "name");
        Backend *backend = find_backend(reader, "chardev", id);
        bool channel = strcmp(driver, "virtserialport") == 0, console = strcmp(driver, "virtconsole") == 0;
        xmlNode *element = xml_add(reader->devices, channel ? "channel" : console ? "console" : "serial", NULL);
        if (backend)
                read_character(reader, element, backend->properties, "-chardev");
        else
                fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: there is no -chardev '%.64s'", driver, id ? id : "");
        if (channel || console) {
                xmlNode *target = xml_add(element, "target", NULL);
                set(target, "type", "virtio");
                set(target, "name", name);
                g_autofree char *bus = take(device, "bus"), *port = take(device, "nr");
                unsigned controller = 0;
                if (bus &&
                    find_controller(reader, "virtio-serial", bus, (const char *[]){ "virtio-serial", NULL }, &controller) &&
                    port) {
                        xmlNode *address = add_address(element, "virtio-serial");
                        xml_set_number(address, "controller", controller);
                        set(address, "port", port);
                }
        }
        drop(device, "index");
}

static void read_serial(Reader *reader, const char *text) {
        g_autoptr(GHashTable) properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        bool file = g_str_has_prefix(text, "file:"), mixed = g_str_has_prefix(text, "mon:");
        if (strcmp(text, "none") == 0)
                return;
        g_hash_table_insert(properties, g_strdup("backend"), g_strdup(file ? "file" : mixed ? text + strlen("mon:") : text));
        if (file)
                g_hash_table_insert(properties, g_strdup("path"), g_strdup(text + strlen("file:")));
        read_character(reader, xml_add(reader->devices, "serial", NULL), properties, "-serial");
}

/* Other devices */

static void read_controller(Reader *reader, GHashTable *device, xmlNode *element, const char *driver, const char *id) {
        static const char *const targets[][2] = {
                { "chassis", "chassis" }, { "chassis_nr", "chassisNr" }, { "port", "port" }, { "hotplug", "hotplug" }
        };
        g_autofree char *type = xml_attribute(element, "type");
        xml_set_number(element, "index", keep_controller(reader, type, id));
        if (strcmp(driver, "ioh3420") == 0)
                set(xml_add(element, "model", NULL), "name", driver);
        for (size_t i = 0; strcmp(type, "pci") == 0 && i < G_N_ELEMENTS(targets); i++) {
                g_autofree char *value = take(device, targets[i][0]);
                if (value)
                        set(xml_ensure_child(element, "target"), targets[i][1], value);
        }
}

static void read_simple_device(Reader *reader, GHashTable *device, const char *driver, const char *id) {
        static const struct {
                const char *driver, *element, *attributes; /* name=value, '|' between */
        } kinds[] = {
                { "usb-tablet", "input", "type=tablet|bus=usb" },
                { "usb-mouse", "input", "type=mouse|bus=usb" },
                { "usb-kbd", "input", "type=keyboard|bus=usb" },
                { "usb-hub", "hub", "type=usb" },
                { "virtio-tablet-pci", "input", "type=tablet|bus=virtio" },
                { "virtio-keyboard-pci", "input", "type=keyboard|bus=virtio" },
                { "virtio-mouse-pci", "input", "type=mouse|bus=virtio" },
                { "virtio-balloon-pci", "memballoon", "model=virtio" },
                { "virtio-balloon", "memballoon", "model=virtio" },
                { "i6300esb", "watchdog", "model=i6300esb" },
                { "ib700", "watchdog", "model=ib700" },
                { "AC97", "sound", "model=ac97" },
                { "intel-hda", "sound", "model=ich6" },
                { "ich9-intel-hda", "sound", "model=ich9" },
                { "piix3-usb-uhci", "controller", "type=usb|model=piix3-uhci" },
                { "nec-usb-xhci", "controller", "type=usb|model=nec-xhci" },
                { "qemu-xhci", "controller", "type=usb|model=qemu-xhci" },
                { "usb-ehci", "controller", "type=usb|model=ehci" },
                { "virtio-serial-pci", "controller", "type=virtio-serial" },
                { "virtio-scsi-pci", "controller", "type=scsi|model=virtio-scsi" },
                { "ich9-ahci", "controller", "type=sata" },
                { "ahci", "controller", "type=sata" },
                { "lsi", "controller", "type=scsi|model=lsilogic" },
                { "pcie-root-port", "controller", "type=pci|model=pcie-root-port" },
                { "ioh3420", "controller", "type=pci|model=pcie-root-port" },
                { "pci-bridge", "controller", "type=pci|model=pci-bridge" },
                { "i82801b11-bridge", "controller", "type=pci|model=dmi-to-pci-bridge" },
                { "pcie-pci-bridge", "controller", "type=pci|model=pcie-to-pci-bridge" },
                { "x3130-upstream", "controller", "type=pci|model=pcie-switch-upstream-port" },
                { "xio3130-downstream", "controller", "type=pci|model=pcie-switch-downstream-port" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                if (strcmp(driver, kinds[i].driver) != 0)
                        continue;
                xmlNode *element = xml_add(reader->devices, kinds[i].element, NULL);
                g_auto(GStrv) attributes = g_strsplit(kinds[i].attributes, "|", -1);
                for (size_t j = 0; attributes[j]; j++) {
                        char *equals = strchr(attributes[j], '=');
                        *equals = '\0';
                        set(element, attributes[j], equals + 1);
                }
                bool is_controller = strcmp(kinds[i].element, "controller") == 0;
                if (is_controller)
                        read_controller(reader, device, element, driver, id);
                if (g_str_has_prefix(driver, "usb-") && !is_controller)
                        read_usb_address(reader, device, element);
                else
                        read_pci_address(reader, device, element);
                drop(device, "audiodev bus");
                return;
        }
        fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-device: the device '%.64s' has no counterpart here", driver);
}

static void read_video(Reader *reader, GHashTable *device, const char *driver, const char *model) {
        static const struct {
                const char *property, *attribute;
                guint64 unit; /* bytes; 0: a number */
        } properties[] = {
                { "ram_size", "ram", 1 },           { "vram_size", "vram", 1 },    { "vram64_size_mb", "vram64", 1 << 20 },
                { "vgamem_mb", "vgamem", 1 << 20 }, { "max_outputs", "heads", 0 },
        };
        xmlNode *video = xml_add(reader->devices, "video", NULL), *element = xml_add(video, "model", NULL);
        set(element, "type", model);
        for (size_t i = 0; device && i < G_N_ELEMENTS(properties); i++) {
                g_autofree char *text = take(device, properties[i].property);
                guint64 value = 0, unit = MAX(properties[i].unit, 1);
                if (!text)
                        continue;
                if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32 / unit, &value, NULL)) {
                        fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: %s is not '%.32s'", driver,
                             properties[i].property, text);
                        return;
                }
                g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, properties[i].unit ? value * unit / 1024 : value);
                bool is_vram = strcmp(model, "qxl") != 0 && strcmp(properties[i].attribute, "vgamem") == 0;
                if (value > 0) /* 0 is QEMU's own choice */
                        set(element, is_vram ? "vram" : properties[i].attribute, number);
        }
        if (device)
                read_pci_address(reader, device, video);
}

static void read_rng(Reader *reader, GHashTable *device) {
        g_autofree char *id = take(device, "rng");
        Backend *object = find_backend(reader, "object", id);
        g_autofree char *type = object ? take(object->properties, "qom-type") : NULL,
                        *path = object ? take(object->properties, "filename") : NULL;
        xmlNode *rng = xml_add(reader->devices, "rng", NULL), *backend = xml_add(rng, "backend", path);
        set(rng, "model", "virtio");
        set(backend, "model", type && strcmp(type, "rng-random") == 0 ? "random" : "builtin");
        read_pci_address(reader, device, rng);
}

static void read_device(Reader *reader, GHashTable *device) {
        static const char *const disks[] = { "virtio-blk-pci", "virtio-blk", "ide-hd",      "ide-cd",
                                             "scsi-hd",        "scsi-cd",    "usb-storage", NULL };
        static const char *const characters[] = { "isa-serial", "virtserialport", "virtconsole", NULL };
        static const char *const videos[][2] = { { "VGA", "vga" },           { "cirrus-vga", "cirrus" },
                                                 { "qxl-vga", "qxl" },       { "virtio-vga", "virtio" },
                                                 { "vmware-svga", "vmvga" }, { "bochs-display", "bochs" } };
        g_autofree char *driver = take(device, "driver"), *id = take(device, "id");
        for (size_t i = 0; driver && i < G_N_ELEMENTS(videos); i++)
                if (strcmp(driver, videos[i][0]) == 0) {
                        read_video(reader, device, driver, videos[i][1]);
                        check_empty(reader, device, driver);
                        return;
                }
        if (!driver)
                fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device: its driver is missing");
        else if (g_strv_contains(disks, driver))
                read_disk_device(reader, device, driver);
        else if (card_model(driver))
                read_card(reader, device, driver);
        else if (g_strv_contains(characters, driver))
                read_character_device(reader, device, driver);
        else if (strcmp(driver, "virtio-rng-pci") == 0)
                read_rng(reader, device);
        else if (!g_str_has_prefix(driver, "hda-")) /* which its card has by itself */
                read_simple_device(reader, device, driver, id);
        else
                g_hash_table_remove_all(device);
        check_empty(reader, device, driver ? driver : "-device");
}

/* The machine */

static uint64_t parse_size(Reader *reader, const char *text, uint64_t unit) {
        char *end;
        guint64 number = g_ascii_strtoull(text, &end, 10);
        uint64_t factor = !*end                          ? unit
                          : g_ascii_toupper(*end) == 'K' ? 1024
                          : g_ascii_toupper(*end) == 'M' ? MIB
                          : g_ascii_toupper(*end) == 'G' ? 1024 * MIB
                                                         : 0;
        if (end == text || factor == 0 || number > (UINT64_C(1) << 50) / factor) {
                fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.32s' is not a size", text);
                return 0;
        }
        return number * factor;
}

static void read_machine(Reader *reader, const char *text) {
        g_autoptr(GHashTable) properties = parse(reader, text, "type");
        g_autofree char *type = take(properties, "type"), *accelerator = take(properties, "accel"),
                        *acpi = take(properties, "acpi"), *smm = take(properties, "smm"), *vmport = take(properties, "vmport"),
                        *usb = take(properties, "usb"), *memory = take(properties, "memory-backend");
        Backend *backend = memory ? find_backend(reader, "object", memory) : NULL;
        const char *memory_type = backend ? g_hash_table_lookup(backend->properties, "qom-type") : NULL;
        if (memory && (g_strcmp0(memory_type, "memory-backend-ram") != 0 || g_hash_table_size(backend->properties) > 2))
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-machine: memory of a kind of its own ('%.64s') has no counterpart here",
                     memory);
        reader->usb |= is_on(usb);
        set(xml_ensure_child(reader->os, "type"), "machine", type);
        reader->kvm |= accelerator && g_str_has_prefix(accelerator, "kvm");
        reader->acpi = g_strcmp0(acpi, "off") != 0;
        if (smm)
                set(xml_add(reader->features, "smm", NULL), "state", smm);
        if (vmport)
                set(xml_add(reader->features, "vmport", NULL), "state", vmport);
        drop(properties, "dump-guest-core graphics");
        check_empty(reader, properties, "-machine");
}

static void read_memory(Reader *reader, const char *text) {
        g_autoptr(GHashTable) properties = parse(reader, text, "size");
        g_autofree char *size = take(properties, "size");
        g_autofree char *kib = g_strdup_printf("%" PRIu64, parse_size(reader, size ? size : "128", MIB) / 1024);
        xmlNode *memory = xml_ensure_child(reader->root, "memory");
        xmlNodeSetContent(memory, (const xmlChar *) kib);
        set(memory, "unit", "KiB");
        check_empty(reader, properties, "-m");
}

static void read_processors(Reader *reader, const char *text) {
        static const char *const names[] = { "sockets", "dies", "cores", "threads" };
        g_autoptr(GHashTable) properties = parse(reader, text, "cpus");
        g_autofree char *cpus = take(properties, "cpus"), *max = take(properties, "maxcpus");
        xmlNode *vcpu = xml_ensure_child(reader->root, "vcpu"), *topology = NULL;
        xmlNodeSetContent(vcpu, (const xmlChar *) (max ? max : cpus ? cpus : "1"));
        if (max && cpus)
                set(vcpu, "current", cpus);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *value = take(properties, names[i]);
                if (!value)
                        continue;
                if (!topology)
                        topology = xml_add(reader->cpu, "topology", NULL);
                set(topology, names[i], value);
        }
        if (topology) /* all of them, or none */
                for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                        if (!xmlHasProp(topology, (const xmlChar *) names[i]))
                                set(topology, names[i], "1");
        check_empty(reader, properties, "-smp");
}

static void read_cpu(Reader *reader, const char *text) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        bool host = g_strcmp0(parts[0], "host") == 0, max = g_strcmp0(parts[0], "max") == 0;
        set(reader->cpu, "mode", host ? "host-passthrough" : max ? "maximum" : "custom");
        if (!host && !max && parts[0]) {
                set(reader->cpu, "match", "exact");
                xml_add(reader->cpu, "model", parts[0]);
        }
        for (size_t i = 1; parts[0] && parts[i]; i++) {
                char *equals = strchr(parts[i], '=');
                bool off = parts[i][0] == '-' || (equals && strcmp(equals, "=off") == 0),
                     on = parts[i][0] == '+' || (equals && strcmp(equals, "=on") == 0);
                if (!on && !off) {
                        fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-cpu: '%.64s' has no counterpart in a document", parts[i]);
                        continue;
                }
                if (equals)
                        *equals = '\0';
                xmlNode *feature = xml_add(reader->cpu, "feature", NULL);
                set(feature, "policy", off ? "disable" : "require");
                set(feature, "name", parts[i] + (parts[i][0] == '+' || parts[i][0] == '-'));
        }
}

static void read_boot(Reader *reader, const char *text) {
        static const char *const devices[][2] = { { "a", "fd" }, { "c", "hd" }, { "d", "cdrom" }, { "n", "network" } };
        g_autoptr(GHashTable) properties = parse(reader, text, "order");
        g_autofree char *order = take(properties, "order"), *menu = take(properties, "menu");
        for (const char *c = order; c && *c; c++)
                for (size_t i = 0; i < G_N_ELEMENTS(devices); i++)
                        if (*c == devices[i][0][0])
                                set(xml_add(reader->os, "boot", NULL), "dev", devices[i][1]);
        if (menu)
                set(xml_add(reader->os, "bootmenu", NULL), "enable", strcmp(menu, "on") == 0 ? "yes" : "no");
        drop(properties, "strict");
        check_empty(reader, properties, "-boot");
}

static void read_vnc(Reader *reader, const char *text) {
        g_autoptr(GHashTable) properties = parse(reader, text, "at");
        g_autofree char *at = take(properties, "at"), *path = take(properties, "unix");
        xmlNode *graphics = xml_add(reader->devices, "graphics", NULL);
        const char *colon = at ? strrchr(at, ':') : NULL;
        set(graphics, "type", "vnc");
        if (at && g_str_has_prefix(at, "unix:"))
                set(graphics, "socket", at + strlen("unix:"));
        else if (colon) {
                g_autofree char *port = g_strdup_printf("%lu", strtoul(colon + 1, NULL, 10) + 5900),
                                *host = g_strndup(at, (gsize) (colon - at));
                set(graphics, "port", port);
                set(graphics, "autoport", "no");
                if (*host)
                        set(graphics, "listen", host);
        } else if (at && strcmp(at, "none") == 0)
                set(xml_add(graphics, "listen", NULL), "type", "none");
        drop(properties, "audiodev to");
        check_empty(reader, properties, "-vnc");
}

static void read_vga(Reader *reader, const char *text) {
        static const char *const models[][2] = { { "std", "vga" },       { "cirrus", "cirrus" }, { "qxl", "qxl" },
                                                 { "virtio", "virtio" }, { "vmware", "vmvga" },  { "none", "none" } };
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (strcmp(text, models[i][0]) == 0) {
                        read_video(reader, NULL, text, models[i][1]);
                        return;
                }
        fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-vga: '%.32s' has no counterpart here", text);
}

static void read_rtc(Reader *reader, const char *text) {
        g_autoptr(GHashTable) properties = parse(reader, text, "base");
        g_autofree char *base = take(properties, "base"), *drift = take(properties, "driftfix");
        xmlNode *clock = xml_ensure_child(reader->root, "clock");
        bool known = !base || strcmp(base, "utc") == 0 || strcmp(base, "localtime") == 0;
        set(clock, "offset", known && base ? base : "utc");
        if (!known)
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-rtc: base '%.32s' has no counterpart here; use utc or localtime", base);
        if (g_strcmp0(drift, "slew") == 0) {
                xmlNode *timer = xml_add(clock, "timer", NULL);
                set(timer, "name", "rtc");
                set(timer, "tickpolicy", "catchup");
        }
        drop(properties, "clock");
        check_empty(reader, properties, "-rtc");
}

static void read_name(Reader *reader, const char *text) {
        g_autoptr(GHashTable) properties = parse(reader, text, "guest");
        g_autofree char *name = take(properties, "guest");
        xmlNodeSetContent(xml_ensure_child(reader->root, "name"), (const xmlChar *) (name ? name : ""));
}

static void read_file(Reader *reader, const char *element, const char *text) {
        xml_add(reader->os, element, text);
}

static void read_kernel(Reader *reader, const char *text) {
        read_file(reader, "kernel", text);
}

static void read_initrd(Reader *reader, const char *text) {
        read_file(reader, "initrd", text);
}

static void read_append(Reader *reader, const char *text) {
        read_file(reader, "cmdline", text);
}

static void read_bios(Reader *reader, const char *text) {
        read_file(reader, "loader", text);
}

static void read_uuid(Reader *reader, const char *text) {
        xml_add(reader->root, "uuid", text);
}

static void read_acceleration(Reader *reader, const char *text) {
        reader->kvm |= g_str_has_prefix(text, "kvm");
}

static void read_drive_option(Reader *reader, const char *text) {
        g_autoptr(GHashTable) drive = parse(reader, text, NULL);
        g_autofree char *id = take(drive, "id");
        if (g_strcmp0(g_hash_table_lookup(drive, "if"), "none") != 0)
                read_drive(reader, drive);
}

static void read_disk_file(Reader *reader, const char *file, const char *index, const char *media) {
        g_autoptr(GHashTable) drive = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_hash_table_insert(drive, g_strdup("file"), g_strdup(file));
        g_hash_table_insert(drive, g_strdup("index"), g_strdup(index));
        if (media)
                g_hash_table_insert(drive, g_strdup("media"), g_strdup(media));
        read_drive(reader, drive);
}

static void read_hda(Reader *reader, const char *text) {
        read_disk_file(reader, text, "0", NULL);
}

static void read_hdb(Reader *reader, const char *text) {
        read_disk_file(reader, text, "1", NULL);
}

static void read_cdrom(Reader *reader, const char *text) {
        read_disk_file(reader, text, "2", "cdrom");
}

/* Power states; what else -global sets is the machine's inside. */
static void read_global(Reader *reader, const char *text) {
        static const char *const states[][2] = { { "disable_s3=", "suspend-to-mem" }, { "disable_s4=", "suspend-to-disk" } };
        const char *dot = strchr(text, '.');
        for (size_t i = 0; dot && i < G_N_ELEMENTS(states); i++)
                if (g_str_has_prefix(dot + 1, states[i][0]) &&
                    (g_str_has_prefix(text, "PIIX4_PM.") || g_str_has_prefix(text, "ICH9-LPC."))) {
                        xmlNode *pm = xml_ensure_child(reader->root, "pm");
                        set(xml_add(pm, states[i][1], NULL), "enabled", g_str_has_suffix(text, "=0") ? "yes" : "no");
                        return;
                }
        fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-global %.64s has no counterpart here", text);
}

static void read_device_option(Reader *reader, const char *text) {
        g_autoptr(GHashTable) device = parse(reader, text, "driver");
        read_device(reader, device);
}

static void enable_usb(Reader *reader, const char *text) {
        (void) text;
        reader->usb = true;
}

static void forbid_reboot(Reader *reader, const char *text) {
        (void) text;
        xml_add(reader->root, "on_reboot", "destroy");
}

static void read_monitor(Reader *reader, const char *text) {
        g_autoptr(GHashTable) properties = parse(reader, text, "chardev");
        find_backend(reader, "chardev", g_hash_table_lookup(properties, "chardev")); /* the driver has a monitor of its own */
}

static void read_display(Reader *reader, const char *text) {
        if (strcmp(text, "none") != 0)
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-display %.64s has no counterpart here; leave it out, or use -vnc",
                     text);
}

static void read_audio(Reader *reader, const char *text) {
        g_autoptr(GHashTable) properties = parse(reader, text, "driver");
        g_autofree char *driver = take(properties, "driver"), *id = take(properties, "id");
        if (g_strcmp0(driver, "none") != 0)
                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-audiodev %.64s has no counterpart here; use none",
                     driver ? driver : "");
}

static void ignore(Reader *reader, const char *text) {
        (void) reader;
        (void) text;
}

static void enable_kvm(Reader *reader, const char *text) {
        (void) text;
        reader->kvm = true;
}

static void disable_acpi(Reader *reader, const char *text) {
        (void) text;
        reader->acpi = false;
}

/* Options; those without a function say how QEMU is run and watched, or are back ends that were read before. */
static const struct {
        const char *name;
        bool has_value;
        void (*read)(Reader *reader, const char *text);
} options[] = {
        { "name", true, read_name },
        { "uuid", true, read_uuid },
        { "machine", true, read_machine },
        { "M", true, read_machine },
        { "accel", true, read_acceleration },
        { "enable-kvm", false, enable_kvm },
        { "no-acpi", false, disable_acpi },
        { "m", true, read_memory },
        { "smp", true, read_processors },
        { "cpu", true, read_cpu },
        { "kernel", true, read_kernel },
        { "initrd", true, read_initrd },
        { "append", true, read_append },
        { "bios", true, read_bios },
        { "boot", true, read_boot },
        { "drive", true, read_drive_option },
        { "hda", true, read_hda },
        { "hdb", true, read_hdb },
        { "cdrom", true, read_cdrom },
        { "nic", true, read_nic },
        { "device", true, read_device_option },
        { "global", true, read_global },
        { "serial", true, read_serial },
        { "vnc", true, read_vnc },
        { "vga", true, read_vga },
        { "rtc", true, read_rtc },
        { "netdev", true, ignore },
        { "chardev", true, ignore },
        { "blockdev", true, ignore },
        { "object", true, ignore },
        { "audiodev", true, read_audio },
        { "S", false, ignore },
        { "no-user-config", false, ignore },
        { "nodefaults", false, ignore },
        { "nographic", false, ignore },
        { "daemonize", false, ignore },
        { "no-shutdown", false, ignore },
        { "no-reboot", false, forbid_reboot },
        { "usb", false, enable_usb },
        { "pidfile", true, ignore },
        { "monitor", true, ignore },
        { "qmp", true, ignore },
        { "mon", true, read_monitor },
        { "msg", true, ignore },
        { "sandbox", true, ignore },
        { "display", true, read_display },
        { "action", true, ignore },
        { "overcommit", true, ignore },
        { "runas", true, ignore },
        { "add-fd", true, ignore },
        { "D", true, ignore },
};

/* An option without its dashes: one or two; -1 where there is no such option. */
static int find_option(const char *word) {
        const char *name = word + (word[1] == '-' ? 2 : 1);
        for (size_t i = 0; word[0] == '-' && i < G_N_ELEMENTS(options); i++)
                if (strcmp(name, options[i].name) == 0)
                        return (int) i;
        return -1;
}

/* Calls FUNCTION for each option. */
static void each_option(Reader *reader, char **words, void (*function)(Reader *reader, size_t option, const char *value)) {
        for (size_t i = 1; words[i] && !reader->error; i++) {
                int option = find_option(words[i]);
                if (option < 0) {
                        if (words[i][0] == '-')
                                fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "the option %.64s has no counterpart in a document",
                                     words[i]);
                        else
                                fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                     "'%.64s' stands where an option should: write -drive file=...", words[i]);
                        return;
                }
                if (options[option].has_value && !words[i + 1]) {
                        fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "the option %s has no value", words[i]);
                        return;
                }
                function(reader, (size_t) option, options[option].has_value ? words[++i] : NULL);
        }
}

static void keep_if_backend(Reader *reader, size_t option, const char *value) {
        static const struct {
                const char *option, *kind, *first, *id;
        } kinds[] = { { "netdev", "netdev", "type", "id" },
                      { "chardev", "chardev", "backend", "id" },
                      { "blockdev", "block", "driver", "node-name" },
                      { "object", "object", "qom-type", "id" },
                      { "drive", "drive", NULL, "id" } };
        reader->q35 |= (strcmp(options[option].name, "machine") == 0 || strcmp(options[option].name, "M") == 0) &&
                       strstr(value, "q35") != NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (strcmp(options[option].name, kinds[i].option) == 0)
                        keep_backend(reader, kinds[i].kind, value, kinds[i].first, kinds[i].id);
}

static void read_option(Reader *reader, size_t option, const char *value) {
        options[option].read(reader, value);
}

/* What no device that was carried over uses would be lost. */
static void check_used(Reader *reader) {
        GHashTableIter iterator;
        void *key, *value;
        g_hash_table_iter_init(&iterator, reader->backends);
        while (g_hash_table_iter_next(&iterator, &key, &value)) {
                const Backend *backend = value;
                if (!backend->used && !g_str_has_prefix(key, "drive:"))
                        fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "the %.80s is used by nothing that has a counterpart here",
                             (const char *) key);
        }
}

/* What a document has unless it says otherwise, and this command line has not. */
static void leave_out_defaults(Reader *reader) {
        bool has_balloon = xml_child(reader->devices, "memballoon") != NULL, has_usb = reader->usb;
        for (xmlNode *element = xml_child(reader->devices, NULL); element; element = xml_next(element, NULL))
                has_usb |= xml_attribute_is(element, "type", "usb") || xml_attribute_is(element, "bus", "usb") ||
                           xml_attribute_is(xml_child(element, "target"), "bus", "usb");
        if (!has_balloon)
                set(xml_add(reader->devices, "memballoon", NULL), "model", "none");
        if (!has_usb) {
                xmlNode *controller = xml_add(reader->devices, "controller", NULL);
                set(controller, "type", "usb");
                set(controller, "model", "none");
        }
}

static void finish(Reader *reader, const char *emulator) {
        xmlNode *type = xml_ensure_child(reader->os, "type");
        set(reader->root, "type", reader->kvm ? "kvm" : "qemu");
        set(type, "arch", reader->arch);
        xmlNodeSetContent(type, (const xmlChar *) "hvm");
        if (reader->acpi)
                xml_add(reader->features, "acpi", NULL);
        if (!reader->cpu->children && !reader->cpu->properties) {
                xmlUnlinkNode(reader->cpu);
                xmlFreeNode(reader->cpu);
        }
        if (emulator[0] == '/') {
                xmlNode *element =
                                xmlNewDocNode(reader->root->doc, NULL, (const xmlChar *) "emulator", (const xmlChar *) emulator);
                if (reader->devices->children)
                        xmlAddPrevSibling(reader->devices->children, element);
                else
                        xmlAddChild(reader->devices, element);
        }
        leave_out_defaults(reader);
        check_used(reader);
        if (!xml_child(reader->root, "memory"))
                read_memory(reader, "128"); /* QEMU's own */
}

xmlDoc *from_native(const char *text, GError **error) {
        g_auto(GStrv) words = NULL;
        g_autoptr(GError) failure = NULL;
        if (strlen(text) > NATIVE_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the command line has more than %d bytes",
                                  NATIVE_BYTES_MAX);
                return NULL;
        }
        if (!g_shell_parse_argv(text, NULL, &words, &failure)) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "this is not a command line: %s", failure->message);
                return NULL;
        }
        char **command = words;
        while (*command && strchr(*command, '=') && (*command)[0] != '/' && (*command)[0] != '-')
                command++; /* variables of the shell */
        const char *name = *command ? strrchr(*command, '/') : NULL, *program = name ? name + 1 : *command ? *command : "";
        if (!g_str_has_prefix(program, "qemu-system-") && strcmp(program, "kvm") != 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "a command line begins with a QEMU, such as qemu-system-x86_64, not with '%.64s'", program);
                return NULL;
        }
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        Reader reader = { .acpi = true, .kvm = strcmp(program, "kvm") == 0 };
        reader.arch = strcmp(program, "qemu-system-i386") == 0 ? "i686"
                      : strcmp(program, "kvm") == 0            ? "x86_64"
                                                               : program + strlen("qemu-system-");
        reader.root = xmlNewDocNode(document, NULL, (const xmlChar *) "domain", NULL);
        xmlDocSetRootElement(document, reader.root);
        xml_add(reader.root, "name", "unnamed");
        reader.os = xml_add(reader.root, "os", NULL);
        reader.features = xml_add(reader.root, "features", NULL);
        reader.cpu = xml_add(reader.root, "cpu", NULL);
        reader.devices = xml_add(reader.root, "devices", NULL);
        reader.controllers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        reader.indices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
        reader.backends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) backend_free);
        each_option(&reader, command, keep_if_backend);
        each_option(&reader, command, read_option);
        finish(&reader, *command);
        g_hash_table_unref(reader.backends);
        g_hash_table_unref(reader.controllers);
        g_hash_table_unref(reader.indices);
        if (!reader.error)
                return g_steal_pointer(&document);
        g_propagate_error(error, reader.error);
        return NULL;
}
