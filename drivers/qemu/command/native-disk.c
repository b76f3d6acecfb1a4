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
        g_autofree char *path = native_take(properties, "filename"), *how = storage ? native_take(properties, "driver") : NULL;
        xmlNode *element = xml_add(disk, "driver", NULL);
        native_set(element, "name", "qemu");
        native_set(element, "type", storage ? driver : "raw");
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
        native_drop(properties, "discard read-only auto-read-only aio cache.direct cache.no-flush");
        g_autofree char *discard = native_take(node, "discard");
        native_set(element, "discard", storage ? discard : NULL);
        native_check_empty(reader, properties, "-blockdev");
        native_check_empty(reader, node, "-blockdev");
}

static void read_drive_source(GHashTable *drive, xmlNode *disk) {
        static const char *const attributes[][2] = {
                { "cache", "cache" }, { "aio", "io" }, { "discard", "discard" }, { "detect-zeroes", "detect_zeroes" }
        };
        g_autofree char *path = native_take(drive, "file"), *format = native_take(drive, "format"),
                        *read_only = native_take(drive, "readonly"), *serial = native_take(drive, "serial");
        xmlNode *driver = xml_add(disk, "driver", NULL);
        native_set(driver, "name", "qemu");
        native_set(driver, "type", format ? format : "raw");
        for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
                g_autofree char *value = native_take(drive, attributes[i][0]);
                native_set(driver, attributes[i][1], value);
        }
        bool block = path && g_str_has_prefix(path, "/dev/");
        native_set(disk, "type", block ? "block" : "file");
        if (path && *path)
                native_set(xml_add(disk, "source", NULL), block ? "dev" : "file", path);
        if (native_is_on(read_only))
                xml_add(disk, "readonly", NULL);
        if (serial)
                xml_add(disk, "serial", serial);
}

static void set_target(xmlNode *disk, char *name, const char *bus) {
        xmlNode *target = xml_add(disk, "target", NULL);
        native_set(target, "dev", name);
        native_set(target, "bus", bus);
        g_free(name);
}

/* -drive with its own device, -hda, -cdrom. */
static void read_drive(NativeReader *reader, GHashTable *drive) {
        g_autofree char *interface = native_take(drive, "if"), *media = native_take(drive, "media");
        bool cdrom = g_strcmp0(media, "cdrom") == 0, virtio = g_strcmp0(interface, "virtio") == 0,
             floppy = g_strcmp0(interface, "floppy") == 0, scsi = g_strcmp0(interface, "scsi") == 0;
        g_autofree char *index = native_take(drive, "index");
        if (g_strcmp0(interface, "pflash") == 0) {
                g_autofree char *path = native_take(drive, "file"), *read_only = native_take(drive, "readonly");
                bool code = native_is_on(read_only);
                xmlNode *element = xml_add(reader->os, code ? "loader" : "nvram", path);
                if (code) {
                        native_set(element, "readonly", "yes");
                        native_set(element, "type", "pflash");
                }
                native_drop(drive, "format unit");
                native_check_empty(reader, drive, "-drive");
                return;
        }
        xmlNode *disk = xml_add(reader->devices, "disk", NULL);
        native_set(disk, "device", cdrom ? "cdrom" : floppy ? "floppy" : "disk");
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
                read_drive_source(drive->properties, disk);
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
        native_drop(device, "device_id");
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

void native_disk_cdrom(NativeReader *reader, const char *text) {
        read_disk_file(reader, text, "2", "cdrom");
}
