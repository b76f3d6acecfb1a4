/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The images that an internal snapshot is in: those of the disks that its domain had when it was made, whatever it has now. */

#include <sys/stat.h>

#include "domain/domain.h"
#include "domain/snapshot-definition.h"

typedef struct SnapshotImage {
        char *target, *path, *format;
        bool is_handed; /* see DeviceDefinition */
} SnapshotImage;

/* Finds them; NULL with an error where what the snapshot says of its domain cannot be read. SnapshotImage; to be unreferenced. */
GPtrArray *snapshot_images_find(const Domain *domain, const SnapshotDefinition *definition, GError **error);

/* The disk of DEFINITION that has an image, or NULL. */
const DeviceDefinition *snapshot_images_disk(const Definition *definition, const char *path);

/* The traces of one that is being made (tree.h): which file each image is. What is not one of these has nothing of ours, whatever
 * it holds. */
void snapshot_traces_add(GString *traces, const char *target, uint64_t device, uint64_t inode);

/* Whether an image is that file; TRACES of NULL: of a snapshot that is known, whose files are whatever its domain calls so. */
bool snapshot_traces_have(const char *traces, const char *target, uint64_t device, uint64_t inode);
