/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds character devices: serial and parallel ports, consoles, channels, and what else has their back ends: smart cards,
 * redirected USB, random numbers, TPMs. */

#include "qemu/command/builder-device.h"

void build_serial(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_parallel(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_console(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_channel(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_smartcard(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_redirdev(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_rng(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_tpm(Builder *builder, xmlNode *element, const DeviceDefinition *part);

/* The backend of a character device; its ID is "char" and the alias. */
void build_chardev(Builder *builder, xmlNode *element, const DeviceDefinition *part);
const char *build_chardev_id(Builder *builder, const DeviceDefinition *part);

/* The path of the socket that the driver makes for a character device of type unix: its document's, or one in DIRECTORY; NULL
 * where QEMU is to connect to a socket of somebody else's. */
char *build_chardev_socket(const xmlNode *element, const char *directory, const char *alias);
