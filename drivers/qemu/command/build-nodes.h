/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds the block nodes of disks: for each image of a chain its source, and the format in it. */

#include "qemu/command/builder.h"

/* How disks are cached: what the block layer is told, and what the guest's device says of it. */
typedef struct CacheMode {
        const char *name;
        bool direct, no_flush, write_cache;
} CacheMode;

/* The mode of that name, or NULL. */
const CacheMode *cache_mode_find(const char *name);

/* The name of a disk's mode, or NULL where QEMU chooses. What several machines write at the same time is cached by none of them,
 * unless the document says how. */
const char *build_disk_cache(Builder *builder, xmlNode *disk);

/* A drive may be empty. */
bool build_disk_has_medium(const xmlNode *source, const DeviceDefinition *part);

/* Returns the name of the top one, or NULL where the disk has no medium. */
const char *build_disk_nodes(Builder *builder, xmlNode *element, const DeviceDefinition *part);

/* A flat image as a read-write or read-only node, such as firmware. */
const char *build_flat_node(Builder *builder, xmlNode *element, const char *name, const char *path, const char *format,
                            bool read_only, const File *file);
