/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writing arguments, or the commands that do the same in a guest that runs; and passing files and descriptors to QEMU. */

#include "qemu/command/builder.h"

typedef enum PropertyType {
        PROPERTY_STRING,
        PROPERTY_FLAG,   /* of yes and no in the document: true, false */
        PROPERTY_BOOL,   /* of on and off: true, false */
        PROPERTY_ON_OFF, /* of these: "on", "off" */
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

/* Passes a descriptor to QEMU, which is taken, and returns its name: its number, or what the monitor calls it. */
const char *builder_pass(Builder *builder, int fd);

/* A file that was opened for this element, as a name that QEMU can open; PATH to show. */
const char *builder_pass_as_file(Builder *builder, int *fd, const char *path);

/* A file that QEMU reads itself, past its function for such names. */
const char *builder_pass_to_read(Builder *builder, const xmlNode *element, const char *path);

File *builder_file(const Builder *builder, const xmlNode *element);

/* A secret that the document names, whose value QEMU reads from a descriptor; returns the ID of QEMU's object. */
const char *builder_add_secret(Builder *builder, const xmlNode *element, const char *id);

/* The object alone, of the secret that was fetched for an element. */
void builder_add_secret_object(Builder *builder, const xmlNode *element, const char *id);

/* Writes what is chosen for this run into the document. */
void builder_choose_now(xmlNode *element, const char *name, const char *value);
