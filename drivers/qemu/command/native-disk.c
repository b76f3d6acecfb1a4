/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-disk.h"

#include <string.h>

#include "qemu/command/native-address.h"

/* Disks */

/* The next name on a bus: vda, vdb, ... */
static char *next_target(NativeReader *reader, const char *prefix, unsigned which) {
        unsigned n = reader->n_disks[which]++;
        return n < 26 ? g_strdup_printf("%s%c", prefix, 'a' + n)
                      : g_strdup_printf("%s%c%c", prefix, 'a' + n / 26 - 1, 'a' + n % 26);
}

/* What is below a block node, down to the file. */
static void read_image(NativeReader *reader, GHashTable *node, const char *write_cache, xmlNode *disk) {
        g_autofree char *driver = native_take(node, "driver"), *file = native_take(node, "file"),
                        *read_only = native_take(node, "read-only");
        NativeBackend *storage = file ? native_find_backend(reader, "block", file) : NULL;
        GHashTable *properties = storage ? storage->properties : node;
        bool within = !storage && g_hash_table_contains(node, "file.filename");
        g_autofree char *path = native_take(properties, within ? "file.filename" : "filename"),
                        *how = storage  ? native_take(properties, "driver")
                               : within ? native_take(properties, "file.driver")
                                        : NULL;
        xmlNode *element = xml_add(disk, "driver", NULL);
        native_set(element, "name", "qemu");
        native_set(element, "type", storage || within ? driver : "raw");
        if (!path || (how && strcmp(how, "file") != 0 && strcmp(how, "host_device") != 0))
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-blockdev: only files and block devices have a counterpart here");
        bool block = how && strcmp(how, "host_device") == 0;
        native_set(disk, "type", block ? "block" : "file");
        native_set(xml_add(disk, "source", NULL), block ? "dev" : "file", path);
        if (native_is_on(read_only))
                xml_add(disk, "readonly", NULL);
        g_autofree char *direct = native_take(node, "cache.direct"), *no_flush = native_take(node, "cache.no-flush");
        bool is_direct = native_is_on(direct) || g_strcmp0(direct, "true") == 0,
             is_unsafe = native_is_on(no_flush) || g_strcmp0(no_flush, "true") == 0,
             is_through = g_strcmp0(write_cache, "off") == 0;
        if (direct || no_flush || write_cache)
                native_set(element, "cache",
                           is_through  ? is_direct ? "directsync" : "writethrough"
                           : is_unsafe ? "unsafe"
                           : is_direct ? "none"
                                       : "writeback");
        native_drop(properties, "file.aio file.discard file.node-name file.cache.direct file.cache.no-flush discard read-only "
                                "auto-read-only aio cache.direct cache.no-flush");
        g_autofree char *discard = native_take(node, "discard");
        native_set(element, "discard", storage ? discard : NULL);
        native_check_empty(reader, properties, "-blockdev");
        native_check_empty(reader, node, "-blockdev");
}

/* "nbd://HOST:10809/NAME", "rbd:POOL/IMAGE": what is reached by a network. */
static bool read_network_source(NativeReader *reader, const char *path, xmlNode *disk) {
        static const char *const protocols[] = { "nbd", "http", "https", "ftp", "ftps", "iscsi", "gluster", "ssh", NULL };
        const char *colon = strchr(path, ':'), *slash = strchr(path, '/');
        if (!colon || (slash && slash < colon))
                return false;
        g_autofree char *protocol = g_strndup(path, (gsize) (colon - path));
        g_autoptr(GUri) uri = g_strv_contains(protocols, protocol) ? g_uri_parse(path, G_URI_FLAGS_NONE, NULL) : NULL;
        bool is_rbd = strcmp(protocol, "rbd") == 0 && !strchr(colon + 1, ':');
        if (!is_rbd && (!uri || !g_uri_get_host(uri) || g_uri_get_query(uri) || g_uri_get_userinfo(uri))) {
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-drive: file '%.128s' has no counterpart here; write the <source> of a disk of type network", path);
                return true;
        }
        native_set(disk, "type", "network");
        xmlNode *source = xml_add(disk, "source", NULL);
        native_set(source, "protocol", protocol);
        const char *name = is_rbd ? colon + 1 : g_uri_get_path(uri);
        native_set(source, "name", *name == '/' ? name + 1 : *name ? name : NULL);
        if (!is_rbd) {
                xmlNode *host = xml_add(source, "host", NULL);
                native_set(host, "name", g_uri_get_host(uri));
                if (g_uri_get_port(uri) > 0)
                        xml_set_number(host, "port", g_uri_get_port(uri));
        }
        return true;
}

/* "throttling.bps-total=1000000", or as it was: "bps=1000000". */
static void read_limits(GHashTable *drive, xmlNode *disk) {
        static const char *const limits[][3] = {
                { "throttling.bps-total", "bps", "total_bytes_sec" },    { "throttling.bps-read", "bps_rd", "read_bytes_sec" },
                { "throttling.bps-write", "bps_wr", "write_bytes_sec" }, { "throttling.iops-total", "iops", "total_iops_sec" },
                { "throttling.iops-read", "iops_rd", "read_iops_sec" },  { "throttling.iops-write", "iops_wr", "write_iops_sec" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
                g_autofree char *now = native_take(drive, limits[i][0]), *before = native_take(drive, limits[i][1]);
                if (now || before)
                        xml_add(xml_ensure_child(disk, "iotune"), limits[i][2], now ? now : before);
        }
}

static void read_drive_source(NativeReader *reader, GHashTable *drive, xmlNode *disk) {
        static const char *const attributes[][2] = { { "cache", "cache" },
                                                     { "aio", "io" },
                                                     { "discard", "discard" },
                                                     { "detect-zeroes", "detect_zeroes" },
                                                     { "copy-on-read", "copy_on_read" },
                                                     { "rerror", "rerror_policy" } };
        g_autofree char *path = native_take(drive, "file"), *format = native_take(drive, "format"),
                        *read_only = native_take(drive, "readonly"), *serial = native_take(drive, "serial"),
                        *errors = native_take(drive, "werror"), *snapshot = native_take(drive, "snapshot");
        xmlNode *driver = xml_add(disk, "driver", NULL);
        native_set(driver, "name", "qemu");
        native_set(driver, "type", format ? format : "raw");
        for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++)
                native_move(drive, attributes[i][0], driver, attributes[i][1]);
        native_set(driver, "error_policy", g_strcmp0(errors, "enospc") == 0 ? "enospace" : errors);
        bool block = path && g_str_has_prefix(path, "/dev/");
        if (!path || !read_network_source(reader, path, disk)) {
                native_set(disk, "type", block ? "block" : "file");
                if (path && *path)
                        native_set(xml_add(disk, "source", NULL), block ? "dev" : "file", path);
        }
        if (native_is_on(read_only))
                xml_add(disk, "readonly", NULL);
        if (native_is_on(snapshot))
                xml_add(disk, "transient", NULL);
        if (serial)
                xml_add(disk, "serial", serial);
        read_limits(drive, disk);
}

static void set_target(xmlNode *disk, char *name, const char *bus) {
        xmlNode *target = xml_add(disk, "target", NULL);
        native_set(target, "dev", name);
        native_set(target, "bus", bus);
        g_free(name);
}

/* -drive with its own device, -hda, -cdrom. */
/* Firmware: its code, which may not be written, or its variables. */
static void read_flash(NativeReader *reader, GHashTable *drive) {
        g_autofree char *path = native_take(drive, "file"), *read_only = native_take(drive, "readonly");
        bool code = native_is_on(read_only) || !xml_child(reader->os, "loader");
        xmlNode *element = xml_add(reader->os, code ? "loader" : "nvram", path);
        if (code) {
                native_set(element, "readonly", native_yes(read_only ? read_only : "off"));
                native_set(element, "type", "pflash");
        }
        native_drop(drive, "format unit index size");
        native_check_empty(reader, drive, "-drive");
}

static void read_drive(NativeReader *reader, GHashTable *drive) {
        static const struct {
                const char *interface, *bus, *prefix;
                unsigned which;
        } kinds[] = { { "ide", "ide", "hd", 1 },
                      { "virtio", "virtio", "vd", 0 },
                      { "scsi", "scsi", "sd", 2 },
                      { "floppy", "fdc", "fd", 3 },
                      { "sata", "sata", "sd", 2 } };
        bool is_pc = strcmp(reader->arch, "x86_64") == 0 || strcmp(reader->arch, "i686") == 0;
        g_autofree char *given = native_take(drive, "if"), *media = native_take(drive, "media"),
                        *index = native_take(drive, "index");
        const char *interface = given ? given : is_pc ? "ide" : "virtio"; /* QEMU's own choice */
        bool cdrom = g_strcmp0(media, "cdrom") == 0;
        if (strcmp(interface, "pflash") == 0) {
                read_flash(reader, drive);
                return;
        }
        if (strcmp(interface, "ide") == 0 && reader->q35)
                interface = "sata";
        size_t kind = 0;
        while (kind < G_N_ELEMENTS(kinds) && strcmp(kinds[kind].interface, interface) != 0)
                kind++;
        if (kind == G_N_ELEMENTS(kinds)) {
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-drive: if '%.32s' has no counterpart here", interface);
                return;
        }
        xmlNode *disk = xml_add(reader->devices, "disk", NULL);
        unsigned which = kinds[kind].which;
        native_set(disk, "device", cdrom ? "cdrom" : which == 3 ? "floppy" : "disk");
        read_drive_source(reader, drive, disk);
        uint64_t number = 0;
        if (index && g_ascii_string_to_unsigned(index, 10, 0, 25, &number, NULL))
                reader->n_disks[which] = MAX(reader->n_disks[which], (unsigned) number);
        else if (cdrom && (which == 1 || strcmp(interface, "sata") == 0))
                reader->n_disks[which] = MAX(reader->n_disks[which], 2); /* hdc, as ever */
        set_target(disk, next_target(reader, kinds[kind].prefix, which), kinds[kind].bus);
        native_check_empty(reader, drive, "-drive");
}

/* Whether what QEMU calls IDE is SATA: on q35, and at an AHCI controller. */
static bool is_on_sata(NativeReader *reader, GHashTable *device) {
        const char *bus = g_hash_table_lookup(device, "bus");
        g_autofree char *id = NULL;
        return (bus && native_lookup_controller(reader, "sata", bus, &id) > 0) ||
               (reader->q35 && (!bus || strcmp(id, "ide") == 0));
}

/* A disk as -device, with -drive if=none or -blockdev behind. */
void native_disk_device(NativeReader *reader, GHashTable *device, const char *driver) {
        static const struct {
                const char *driver, *device, *bus, *prefix;
                unsigned which;
        } kinds[] = {
                { "virtio-blk-pci", "disk", "virtio", "vd", 0 },
                { "virtio-blk", "disk", "virtio", "vd", 0 },
                { "virtio-blk-device", "disk", "virtio", "vd", 0 },
                { "virtio-blk-ccw", "disk", "virtio", "vd", 0 },
                { "ide-hd", "disk", "ide", "hd", 1 },
                { "ide-cd", "cdrom", "ide", "hd", 1 },
                { "scsi-hd", "disk", "scsi", "sd", 2 },
                { "scsi-cd", "cdrom", "scsi", "sd", 2 },
                { "usb-storage", "disk", "usb", "sd", 2 },
        };
        g_autofree char *id = native_take(device, "drive"), *boot = native_take(device, "bootindex"),
                        *serial = native_take(device, "serial"), *write_cache = native_take(device, "write-cache");
        NativeBackend *drive = id ? native_find_backend(reader, "drive", id) : NULL,
                      *node = id && !drive ? native_find_backend(reader, "block", id) : NULL;
        xmlNode *disk = xml_add(reader->devices, "disk", NULL);
        size_t kind = 0;
        while (strcmp(kinds[kind].driver, driver) != 0)
                kind++;
        native_set(disk, "device", kinds[kind].device);
        if (drive && write_cache)
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-device %s: write-cache has no counterpart here; write cache= in -drive", driver);
        if (drive)
                read_drive_source(reader, drive->properties, disk);
        else if (node)
                read_image(reader, node->properties, write_cache, disk);
        else if (id)
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: there is no drive '%.64s'", driver, id);
        else
                native_set(disk, "type", "file");
        bool is_sata = kinds[kind].which == 1 && is_on_sata(reader, device);
        const char *bus = is_sata ? "sata" : kinds[kind].bus;
        unsigned which = is_sata ? 2 : kinds[kind].which;
        set_target(disk, next_target(reader, is_sata ? "sd" : kinds[kind].prefix, which), bus);
        if (serial)
                xml_add(disk, "serial", serial);
        if (boot)
                native_set(xml_add(disk, "boot", NULL), "order", boot);
        if (strcmp(bus, "virtio") == 0)
                native_pci_address(reader, device, disk);
        else if (strcmp(bus, "usb") == 0)
                native_usb_address(reader, device, disk);
        else
                native_drive_address(reader, device, bus, disk);
        g_autofree char *removable = native_take(device, "removable");
        native_set(xml_child(disk, "target"), "removable", strcmp(bus, "usb") == 0 ? removable : NULL);
        static const char *const parts[][3] = { { "num-queues", "driver", "queues" },
                                                { "queue-size", "driver", "queue_size" },
                                                { "packed", "driver", "packed" },
                                                { "rotation_rate", "target", "rotation_rate" },
                                                { "logical_block_size", "blockio", "logical_block_size" },
                                                { "physical_block_size", "blockio", "physical_block_size" } };
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                native_move_below(device, parts[i][0], disk, parts[i][1], parts[i][2]);
        g_autofree char *wwn = native_take(device, "wwn"), *shared = native_take(device, "share-rw");
        if (wwn)
                xml_add(disk, "wwn", g_str_has_prefix(wwn, "0x") ? wwn + 2 : wwn);
        if (native_is_on(shared))
                xml_ensure_child(disk, "shareable");
        native_drop(device, "device_id scsi config-wce");
        if (drive) {
                native_drop(drive->properties, "if media");
                native_check_empty(reader, drive->properties, "-drive");
        }
}

void native_disk_option(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) drive = native_parse(reader, text, NULL);
        g_autofree char *id = native_take(drive, "id");
        if (g_strcmp0(g_hash_table_lookup(drive, "if"), "none") != 0)
                read_drive(reader, drive);
}

static void read_disk_file(NativeReader *reader, const char *file, const char *index, const char *media) {
        g_autoptr(GHashTable) drive = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_hash_table_insert(drive, g_strdup("file"), g_strdup(file));
        g_hash_table_insert(drive, g_strdup("index"), g_strdup(index));
        if (media)
                g_hash_table_insert(drive, g_strdup("media"), g_strdup(media));
        read_drive(reader, drive);
}

void native_disk_hda(NativeReader *reader, const char *text) {
        read_disk_file(reader, text, "0", NULL);
}

void native_disk_hdb(NativeReader *reader, const char *text) {
        read_disk_file(reader, text, "1", NULL);
}

void native_disk_hdc(NativeReader *reader, const char *text) {
        read_disk_file(reader, text, "2", NULL);
}

void native_disk_hdd(NativeReader *reader, const char *text) {
        read_disk_file(reader, text, "3", NULL);
}

static void read_with_interface(NativeReader *reader, const char *file, const char *interface, const char *index) {
        g_autoptr(GHashTable) drive = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_hash_table_insert(drive, g_strdup("file"), g_strdup(file));
        g_hash_table_insert(drive, g_strdup("if"), g_strdup(interface));
        g_hash_table_insert(drive, g_strdup("index"), g_strdup(index));
        read_drive(reader, drive);
}

void native_disk_fda(NativeReader *reader, const char *text) {
        read_with_interface(reader, text, "floppy", "0");
}

void native_disk_fdb(NativeReader *reader, const char *text) {
        read_with_interface(reader, text, "floppy", "1");
}

void native_disk_pflash(NativeReader *reader, const char *text) {
        read_with_interface(reader, text, "pflash", "0");
}

void native_disk_cdrom(NativeReader *reader, const char *text) {
        read_disk_file(reader, text, "2", "cdrom");
}
