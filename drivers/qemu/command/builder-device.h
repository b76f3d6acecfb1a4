/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Devices: their driver, ID, address, boot order and options that all have. */

#include "qemu/command/builder.h"

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

/* Builds a device of one element: a row of the table in command-line.c. */
typedef void (*BuildDevice)(Builder *builder, xmlNode *element, const DeviceDefinition *part);
