/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the functions that make QEMU's arguments share: reading the document, and writing arguments.
 *
 * Each element and attribute that is read is marked as known. What no function has read by the end is refused by name, so
 * that nothing in a document is ever ignored. The first error stays in the builder; what follows it is harmless. */

#include "base/json.h"
#include "qemu/command/command-line.h"

typedef struct Builder {
        const CommandLineContext *context;
        const Definition *definition;
        xmlNode *root, *devices;
        GPtrArray *files; /* opened; NULL to check, or to show: names stand where descriptors would be */
        CommandLine *line;
        GError *error;
        const xmlNode *at;     /* the device that is being built */
        const char *alias;     /* its alias */
        GStringChunk *strings; /* what was read */
        GString *machine;      /* options of -machine */
        GString *cpu;          /* of -cpu, for what is said elsewhere */
        unsigned n_fdsets, n_tpms;
        bool q35, kvm;
        bool live;                 /* what is made are commands for a guest that runs */
        bool order_by_kind;        /* os/boot rather than boot order */
        unsigned order[4];         /* then: bootindex of hd, cdrom, network, fd; 0 for none */
        const xmlNode *first[4];   /* and which devices these are: the first of each kind */
        bool has_gl;               /* a display that QEMU draws with OpenGL */
        bool has_display;          /* -display is given */
        const char *default_audio; /* the ID of the first audio backend */
} Builder;

/* libvirt's namespace for what is QEMU's alone. */
#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

/* The size of shared memory where the document gives none. */
#define SHARED_MEMORY_DEFAULT (UINT64_C(4) << 20)

/* Errors: the first one counts. */
void builder_fail(Builder *builder, VirtbusError code, const xmlNode *element, const char *format, ...) G_GNUC_PRINTF(4, 5);
void builder_invalid(Builder *builder, const xmlNode *element, const char *format, ...) G_GNUC_PRINTF(3, 4);
void builder_unsupported(Builder *builder, const xmlNode *element, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* What can be said to QEMU, but needs something that this driver does not do yet: shown, and refused when it is defined. */
void builder_not_here(Builder *builder, const xmlNode *element, const char *what);

/* Reading. A path is names with '/' between, the last one an attribute where it begins with '@': "driver/@cache". */

/* The text at a path, which lives as long as the builder, or NULL. */
const char *builder_get(Builder *builder, const xmlNode *element, const char *path);

/* The text at a path that must be there, "" otherwise. */
const char *builder_require(Builder *builder, const xmlNode *element, const char *path);

/* The element at a path, or NULL; the next one of the same name. */
xmlNode *builder_element(Builder *builder, const xmlNode *element, const char *path);
xmlNode *builder_next(Builder *builder, const xmlNode *element);
#define for_each(builder, child, element, path) \
        for (xmlNode *child = builder_element(builder, element, path); child; child = builder_next(builder, child))

bool builder_is(Builder *builder, const xmlNode *element, const char *path, const char *value);

/* on, yes: 1; off, no: 0; missing: -1. */
int builder_flag(Builder *builder, const xmlNode *element, const char *path);

/* The text at a path, one of those between the blanks of CHOICES, or NULL. */
const char *builder_choose(Builder *builder, const xmlNode *element, const char *path, const char *choices);

/* A number (0x for hexadecimal ones), OTHERWISE where it is missing. */
uint64_t builder_number(Builder *builder, const xmlNode *element, const char *path, uint64_t min, uint64_t max,
                        uint64_t otherwise);

/* A size in bytes; UNIT where the document gives none. */
uint64_t builder_size(Builder *builder, const xmlNode *element, const char *path, const char *unit, uint64_t otherwise);

/* Marks what has no effect on QEMU, by paths between blanks, with all that is below. */
void builder_know(Builder *builder, const xmlNode *element, const char *paths);

/* Marks a device that the document turns off: what is said of it has no effect, by its model 'none'. */
void builder_know_turned_off(Builder *builder, xmlNode *element);

/* Fails with what was not read. */
void builder_refuse_unknown(Builder *builder, const xmlNode *element);

/* Writing */

typedef enum PropertyType {
        PROPERTY_STRING,
        PROPERTY_BOOL,   /* true, false */
        PROPERTY_ON_OFF, /* "on", "off" */
        PROPERTY_NUMBER,
} PropertyType;

/* A property of QEMU's that says the same as a place in the document. */
typedef struct Property {
        const char *path, *name;
        PropertyType type;
} Property;

void builder_copy_properties(Builder *builder, const xmlNode *element, JsonObject *object, const Property *properties, size_t n);

void builder_add(Builder *builder, const char *option, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* -device, -object, -blockdev, -netdev, -audiodev as JSON; -chardev and others as name=value. The object is taken. */
void builder_add_json(Builder *builder, const char *option, JsonObject *object);
void builder_add_options(Builder *builder, const char *option, JsonObject *object);

/* A command for the monitor, before the processors run. ARGUMENTS is taken, and FD, or -1. */
void builder_add_command(Builder *builder, const char *name, JsonObject *arguments);
void builder_add_command_with_fd(Builder *builder, const char *name, JsonObject *arguments, int fd);

/* Text in an option of the form name=value: a comma is written twice. Lives as long as the builder. */
const char *builder_escape(Builder *builder, const char *text);
const char *builder_format(Builder *builder, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A device with driver and id. */
JsonObject *builder_device_new(const char *driver, const DeviceDefinition *part);

/* One of virtio: its driver's name from "virtio-net" and the like, by model attribute and bus, with the options of <driver>. */
JsonObject *builder_virtio_device_new(Builder *builder, const xmlNode *element, const DeviceDefinition *part, const char *name);

/* The same without driver and id: where virtio options are another device's. */
void builder_add_virtio_options(Builder *builder, const xmlNode *element, JsonObject *device);

/* Adds address, boot order, ROM; writes it, and takes it. */
void builder_add_device(Builder *builder, const xmlNode *element, JsonObject *device);

/* The bus that a controller makes: "usb.0", "scsi0.0". */
const char *builder_controller_bus(Builder *builder, const xmlNode *element, const char *type, uint64_t index);
xmlNode *builder_controller_at(const Builder *builder, const char *type, uint64_t index);

/* os/boot: the place of the first device of its kind; 0 hd, 1 cdrom, 2 network, 3 fd. */
void builder_add_boot(Builder *builder, const xmlNode *element, JsonObject *device, const DeviceDefinition *part, unsigned kind);

/* The object of the I/O thread whose number is at a path, which must be there; NULL where the document names none. */
const char *builder_io_thread(Builder *builder, const xmlNode *element, const char *path);

/* Passes a descriptor to QEMU, which is taken, and returns its name: its number, or what the monitor calls it. */
const char *builder_pass(Builder *builder, int fd);

/* A file that was opened for this element, as a name that QEMU can open; PATH to show. */
const char *builder_pass_as_file(Builder *builder, int *fd, const char *path);

/* A file that QEMU reads itself, past its function for such names. */
const char *builder_pass_to_read(Builder *builder, const xmlNode *element, const char *path);

File *builder_file(const Builder *builder, const xmlNode *element);

/* A secret that the document names, whose value QEMU reads from a descriptor; returns the ID of QEMU's object. */
const char *builder_add_secret(Builder *builder, const xmlNode *element, const char *id);

/* A backend for a character device; its ID is "char" and the alias. */
void build_chardev(Builder *builder, xmlNode *element, const DeviceDefinition *part);
const char *build_chardev_id(Builder *builder, const DeviceDefinition *part);

/* Writes what is chosen for this run into the document. */
void builder_choose_now(xmlNode *element, const char *name, const char *value);

/* One function for each part. */
typedef void (*BuildDevice)(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_disk(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_controller(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_hub(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_interface(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_serial(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_parallel(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_console(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_channel(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_smartcard(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_redirdev(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_rng(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_tpm(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_graphics(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_video(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_audio(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_sound(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_input(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_hostdev(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_filesystem(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_memory_device(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_memballoon(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_shmem(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_watchdog(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_panic(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_crypto(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_lease(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_vsock(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_iommu(Builder *builder, xmlNode *element, const DeviceDefinition *part);

/* Checks <bandwidth> of an interface's element. */
void build_bandwidth_check(Builder *builder, xmlNode *element);

void build_machine(Builder *builder);
void build_memory(Builder *builder);
void build_cpus(Builder *builder);
void build_numa(Builder *builder);
void build_firmware(Builder *builder);
void build_boot(Builder *builder);
void build_passthrough_arguments(Builder *builder);

/* The disk's block nodes; returns the name of the top one, or NULL where it has no medium. */
const char *build_disk_nodes(Builder *builder, xmlNode *element, const DeviceDefinition *part);

/* The command that sets a disk's limits; all 0 where it has none. */
void build_io_limits(Builder *builder, xmlNode *element, const DeviceDefinition *part);

/* A flat image as a read-write or read-only node, such as firmware. */
const char *build_flat_node(Builder *builder, xmlNode *element, const char *name, const char *path, const char *format,
                            bool read_only, const File *file);

/* The node of a source of a host device (iSCSI). */
const char *build_iscsi_node(Builder *builder, xmlNode *source, const char *name, bool read_only);

/* A memory backend of -object: for NUMA node NODE, -1 for none; ELEMENT is the memory device or the cell, or NULL. */
void build_memory_backend(Builder *builder, const char *id, const xmlNode *element, uint64_t size, int node, bool is_device);
