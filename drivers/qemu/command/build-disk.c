/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-disk.h"

#include <string.h>

#include "qemu/command/build-nodes.h"
#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

/* Where on its bus a disk is, from its address. */
static void add_drive_address(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *device) {
        xmlNode *address = builder_element(builder, element, "address"), *target = builder_element(builder, element, "target");
        if (!builder_is(builder, address, "@type", "drive")) {
                builder_invalid(builder, address ? address : element,
                                "'%s' on bus %s has an address of type '%.16s'; it must be drive", part->target, part->bus,
                                builder_get(builder, address, "@type") ? builder_get(builder, address, "@type") : "none");
                return;
        }
        gint64 controller = (gint64) builder_number(builder, address, "@controller", 0, 255, 0),
               bus = (gint64) builder_number(builder, address, "@bus", 0, 255, 0),
               scsi_target = (gint64) builder_number(builder, address, "@target", 0, 255, 0),
               unit = (gint64) builder_number(builder, address, "@unit", 0, 16383, 0);
        if (strcmp(part->bus, "ide") == 0) {
                if (builder->kind->is_q35)
                        builder_unsupported(builder, target, "machine q35 has no IDE bus: use sata");
                json_add(device, "bus", 's', builder_format(builder, "ide.%" G_GINT64_FORMAT, bus), "unit", 'i', unit, NULL);
        } else if (strcmp(part->bus, "fdc") == 0)
                json_add(device, "unit", 'i', unit, NULL);
        else if (strcmp(part->bus, "sata") == 0)
                json_add(device, "bus", 's',
                         builder_format(builder, "%s.%" G_GINT64_FORMAT,
                                        builder_controller_bus(builder, address, "sata", (uint64_t) controller), unit),
                         NULL);
        else {
                xmlNode *owner = builder_controller_at(builder, "scsi", (uint64_t) controller);
                static const char *const narrow_models[] = { "lsilogic", "buslogic", "am53c974", "dc390" };
                bool narrow = false;
                for (size_t i = 0; owner && i < G_N_ELEMENTS(narrow_models); i++)
                        narrow |= xml_attribute_is(owner, "model", narrow_models[i]);
                json_add(device, "bus", 's',
                         builder_format(builder, "%s.0", builder_controller_bus(builder, address, "scsi", (uint64_t) controller)),
                         NULL);
                if (narrow) {
                        if (scsi_target != 0)
                                builder_unsupported(builder, address, "on this model of SCSI controller target must be 0");
                        json_add(device, "scsi-id", 'i', unit, NULL);
                } else
                        json_add(device, "channel", 'i', bus, "scsi-id", 'i', scsi_target, "lun", 'i', unit, NULL);
        }
}

/* The driver of each bus, by what stands in it. */
static const char *disk_driver(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *bus, *disk, *cdrom, *lun;
        } drivers[] = {
                { "ide", "ide-hd", "ide-cd", NULL },
                { "sata", "ide-hd", "ide-cd", NULL },
                { "scsi", "scsi-hd", "scsi-cd", "scsi-block" },
                { "usb", "usb-storage", "usb-storage", NULL },
                { "virtio", "virtio-blk", NULL, "virtio-blk" },
        };
        xmlNode *target = builder_element(builder, element, "target");
        if (strcmp(part->type, "floppy") == 0 || strcmp(part->bus, "fdc") == 0) {
                if (strcmp(part->type, "floppy") != 0 || strcmp(part->bus, "fdc") != 0)
                        builder_invalid(builder, target, "floppy drives are on bus fdc, and nothing else is");
                return "floppy";
        }
        for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++)
                if (strcmp(part->bus, drivers[i].bus) == 0) {
                        const char *driver = strcmp(part->type, "cdrom") == 0 ? drivers[i].cdrom
                                             : strcmp(part->type, "lun") == 0 ? drivers[i].lun
                                                                              : drivers[i].disk;
                        if (driver)
                                return driver;
                        builder_unsupported(builder, target, "bus %s has no %s; use scsi", part->bus, part->type);
                        return "none";
                }
        builder_unsupported(builder, target,
                            "the QEMU driver does not know the disk bus '%.16s'; use virtio, scsi, sata, ide or usb", part->bus);
        return "none";
}

/* What has the back end is, in QEMU, a part of the device for some buses. */
static const char *block_device(Builder *builder, const DeviceDefinition *part) {
        if (strcmp(part->bus, "virtio") == 0)
                return builder_format(builder, "/machine/peripheral/%s/virtio-backend", part->alias);
        if (strcmp(part->bus, "usb") == 0)
                return builder_format(builder, "/machine/peripheral/%s/%s.0/legacy[0]", part->alias, part->alias);
        return part->alias;
}

/* Limits on input and output are set by a command once QEMU is there. */
void build_io_limits(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *name, *member;
                bool required;
        } limits[] = {
                { "total_bytes_sec", "bps", true },
                { "read_bytes_sec", "bps_rd", true },
                { "write_bytes_sec", "bps_wr", true },
                { "total_iops_sec", "iops", true },
                { "read_iops_sec", "iops_rd", true },
                { "write_iops_sec", "iops_wr", true },
                { "total_bytes_sec_max", "bps_max", false },
                { "read_bytes_sec_max", "bps_rd_max", false },
                { "write_bytes_sec_max", "bps_wr_max", false },
                { "total_iops_sec_max", "iops_max", false },
                { "read_iops_sec_max", "iops_rd_max", false },
                { "write_iops_sec_max", "iops_wr_max", false },
                { "total_bytes_sec_max_length", "bps_max_length", false },
                { "read_bytes_sec_max_length", "bps_rd_max_length", false },
                { "write_bytes_sec_max_length", "bps_wr_max_length", false },
                { "total_iops_sec_max_length", "iops_max_length", false },
                { "read_iops_sec_max_length", "iops_rd_max_length", false },
                { "write_iops_sec_max_length", "iops_wr_max_length", false },
                { "size_iops_sec", "iops_size", false },
        };
        static const char *const exclusive[][3] = {
                { "total_bytes_sec", "read_bytes_sec", "write_bytes_sec" },
                { "total_iops_sec", "read_iops_sec", "write_iops_sec" },
                { "total_bytes_sec_max", "read_bytes_sec_max", "write_bytes_sec_max" },
                { "total_iops_sec_max", "read_iops_sec_max", "write_iops_sec_max" },
        };
        xmlNode *tune = builder_element(builder, element, "iotune");
        for (size_t i = 0; i < G_N_ELEMENTS(exclusive); i++)
                if (builder_number(builder, tune, exclusive[i][0], 0, G_MAXINT64, 0) > 0 &&
                    (builder_number(builder, tune, exclusive[i][1], 0, G_MAXINT64, 0) > 0 ||
                     builder_number(builder, tune, exclusive[i][2], 0, G_MAXINT64, 0) > 0))
                        builder_invalid(builder, tune, "%s excludes %s and %s: leave it out, or those", exclusive[i][0],
                                        exclusive[i][1], exclusive[i][2]);
        JsonObject *arguments = json_make("id", 's', block_device(builder, part), "group", 's',
                                          builder_get(builder, tune, "group_name"), NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
                gint64 value = (gint64) builder_number(builder, tune, limits[i].name, 0, 1000000000000000, 0);
                if (value > 0 || limits[i].required)
                        json_add(arguments, limits[i].member, 'i', value, NULL);
        }
        builder_add_command(builder, "block_set_io_throttle", arguments);
}

static void add_geometry(Builder *builder, xmlNode *element, JsonObject *device) {
        static const Property properties[] = {
                { "blockio/@logical_block_size", "logical_block_size", PROPERTY_NUMBER },
                { "blockio/@physical_block_size", "physical_block_size", PROPERTY_NUMBER },
                { "blockio/@discard_granularity", "discard_granularity", PROPERTY_NUMBER },
                { "geometry/@cyls", "cyls", PROPERTY_NUMBER },
                { "geometry/@heads", "heads", PROPERTY_NUMBER },
                { "geometry/@secs", "secs", PROPERTY_NUMBER },
                { "geometry/@trans", "bios-chs-trans", PROPERTY_STRING },
                { "driver/@queues", "num-queues", PROPERTY_NUMBER },
                { "driver/@queue_size", "queue-size", PROPERTY_NUMBER },
                { "driver/@ioeventfd", "ioeventfd", PROPERTY_BOOL },
                { "driver/@event_idx", "event_idx", PROPERTY_BOOL },
                { "target/@rotation_rate", "rotation_rate", PROPERTY_NUMBER },
        };
        builder_copy_properties(builder, element, device, properties, G_N_ELEMENTS(properties));
}

static void add_error_policy(Builder *builder, xmlNode *element, JsonObject *device) {
        const char *write = builder_choose(builder, element, "driver/@error_policy", "default stop report ignore enospace"),
                   *read = builder_choose(builder, element, "driver/@rerror_policy", "default stop report ignore");
        if (g_strcmp0(write, "default") == 0)
                write = NULL;
        if (g_strcmp0(read, "default") == 0)
                read = NULL;
        json_add(device, "werror", 's', g_strcmp0(write, "enospace") == 0 ? "enospc" : write, "rerror", 's',
                 read                                ? read
                 : g_strcmp0(write, "enospace") == 0 ? NULL
                                                     : write,
                 NULL);
}

static void add_cache(Builder *builder, xmlNode *element, JsonObject *device) {
        const CacheMode *cache = cache_mode_find(build_disk_cache(builder, element));
        if (cache)
                json_add(device, "write-cache", 's', cache->write_cache ? "on" : "off", NULL);
}

/* What a SCSI disk tells of itself. */
static void add_scsi_identity(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *device) {
        const char *vendor = builder_get(builder, element, "vendor"), *product = builder_get(builder, element, "product"),
                   *serial = builder_get(builder, element, "serial");
        bool scsi = strcmp(part->bus, "scsi") == 0, lun = strcmp(part->type, "lun") == 0;
        if ((vendor || product) && (!scsi || lun))
                builder_unsupported(builder, builder_element(builder, element, vendor ? "vendor" : "product"),
                                    "only disks on bus scsi have a vendor and a product");
        json_add(device, "vendor", 's', vendor, "product", 's', product, NULL);
        if (scsi && !lun)
                json_add(device, "device_id", 's', serial && *serial ? serial : builder_format(builder, "drive-%s", part->alias),
                         NULL);
        const char *wwn = builder_get(builder, element, "wwn");
        char *end = NULL;
        const char *digits = wwn && g_str_has_prefix(wwn, "0x") ? wwn + 2 : wwn;
        guint64 value = wwn ? g_ascii_strtoull(digits, &end, 16) : 0;
        if (wwn && (*end || strlen(digits) != 16))
                builder_invalid(builder, builder_element(builder, element, "wwn"),
                                "'%.32s' is not a WWN: use 16 hexadecimal digits", wwn);
        else if (wwn)
                json_add(device, "wwn", 'i', (gint64) value, NULL);
}

static void check_lun(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        bool is_iscsi = strcmp(part->source_type, "network") == 0 && builder_is(builder, element, "source/@protocol", "iscsi");
        if (strcmp(part->source_type, "block") != 0 && strcmp(part->source_type, "volume") != 0 && !is_iscsi)
                builder_invalid(builder, element, "device='lun' needs a source of type block, not '%.32s'", part->source_type);
        if (strcmp(part->format, "raw") != 0)
                builder_invalid(builder, element, "device='lun' needs format raw");
        builder_know(builder, element, "@sgio");
        if (builder_flag(builder, element, "@rawio") == 1)
                builder_not_here(builder, element, "raw I/O of a disk, which needs CAP_SYS_RAWIO: leave out rawio");
}

/* A back end of another process. */
static void build_vhost_user_disk(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *chardev = builder_format(builder, "chr-vu-%s", part->alias);
        JsonObject *backend = json_make("backend", 's', "socket", "id", 's', chardev, "path", 's',
                                        builder_require(builder, element, "source/@path"), NULL);
        builder_choose(builder, element, "source/@type", "unix");
        builder_know(builder, element, "driver/@name driver/@type target/@dev target/@bus");
        if (builder_flag(builder, element, "source/reconnect/@enabled") == 1)
                json_add(backend, "reconnect", 'i',
                         (gint64) builder_number(builder, element, "source/reconnect/@timeout", 0, 86400, 0), NULL);
        builder_add_options(builder, "-chardev", backend);
        JsonObject *device = builder_virtio_device_new(builder, element, part, "vhost-user-blk");
        add_geometry(builder, element, device);
        json_add(device, "chardev", 's', chardev, NULL);
        builder_add_boot(builder, element, device, part, 0);
        builder_add_device(builder, element, device);
}

/* The boot order of a floppy is its controller's property. */
static bool add_floppy_boot(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        JsonObject *boot = json_object_new();
        bool is_floppy = strcmp(part->bus, "fdc") == 0;
        builder_add_boot(builder, element, boot, part, 3);
        if (is_floppy && json_object_has_member(boot, "bootindex"))
                builder_add(builder, "-global", "isa-fdc.bootindex%c=%" G_GINT64_FORMAT,
                            builder_number(builder, element, "address/@unit", 0, 1, 0) ? 'B' : 'A',
                            json_int(boot, "bootindex", 0));
        json_object_unref(boot);
        return is_floppy;
}

/* Whether a start goes on without the file: files.c finds that it is missing. */
static void check_startup_policy(Builder *builder, xmlNode *element, const DeviceDefinition *part, bool removable) {
        const char *policy = builder_choose(builder, element, "source/@startupPolicy", "mandatory requisite optional");
        if (!policy)
                return;
        if (strcmp(part->source_type, "file") != 0 && strcmp(part->source_type, "block") != 0)
                builder_unsupported(builder, element, "a source of type '%.16s' has no startupPolicy: leave it out",
                                    part->source_type);
        if (strcmp(policy, "requisite") == 0 && !removable)
                builder_invalid(builder, element, "startupPolicy 'requisite' is for CD-ROM and floppy drives: use optional");
}

void build_disk(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        bool cdrom = strcmp(part->type, "cdrom") == 0, floppy = strcmp(part->type, "floppy") == 0,
             lun = strcmp(part->type, "lun") == 0, usb = strcmp(part->bus, "usb") == 0, virtio = strcmp(part->bus, "virtio") == 0;
        builder_know(builder, element,
                     "@type @device @model @snapshot driver/@name target/@dev target/@bus target/@tray readonly boot mirror "
                     "source/@index");
        if (strcmp(part->source_type, "vhostuser") == 0) {
                build_vhost_user_disk(builder, element, part);
                return;
        }
        if (builder_element(builder, element, "transient")) {
                builder_know(builder, element, "transient");
                builder_not_here(builder, element, "a transient disk");
        }
        if (lun)
                check_lun(builder, element, part);
        check_startup_policy(builder, element, part, cdrom || floppy);
        const File *file = builder_file(builder, element);
        if (file && file->missing && !cdrom && !floppy) { /* the guest does without */
                builder_choose_now(xml_child(element, "source"), "missing", "yes");
                builder_know_turned_off(builder, element);
                return;
        }
        if (!build_disk_has_medium(xml_child(element, "source"), part) && !cdrom && !floppy)
                builder_invalid(builder, element, "<source> is missing");
        const char *driver = disk_driver(builder, element, part), *node = build_disk_nodes(builder, element, part);
        JsonObject *device =
                        virtio ? builder_virtio_device_new(builder, element, part, driver) : builder_device_new(driver, part);
        if (virtio && lun)
                json_add(device, "scsi", 'b', TRUE, NULL);
        if (usb)
                json_add(device, "removable", 'b', builder_switch(builder, element, "target/@removable") == 1, NULL);
        else if (!virtio)
                add_drive_address(builder, element, part, device);
        const char *thread = builder_io_thread(builder, element, "driver/@iothread");
        if (thread && !virtio)
                builder_unsupported(builder, builder_element(builder, element, "driver"), "only virtio disks have an iothread");
        json_add(device, "iothread", 's', thread, NULL);
        add_geometry(builder, element, device);
        add_scsi_identity(builder, element, part, device);
        add_error_policy(builder, element, device);
        add_cache(builder, element, device);
        json_add(device, "drive", 's', node, "serial", 's', builder_get(builder, element, "serial"), NULL);
        if (builder_element(builder, element, "shareable"))
                json_add(device, "share-rw", 'b', TRUE, NULL);
        if (!floppy || !add_floppy_boot(builder, element, part))
                builder_add_boot(builder, element, device, part, cdrom ? 1 : 0);
        builder_add_device(builder, element, device);
        if (xml_child(element, "iotune"))
                build_io_limits(builder, element, part);
}
