/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Making empty images: for a worker.
 *
 * Format: QEMU's docs/interop/qcow2. */

#include "qemu/command/image.h"

/* Makes an image in an empty file: SIZE is the disk's, in bytes. BACKING and BACKING_FORMAT, which may be NULL, are written as
 * what it is backed by, of a qcow2. */
bool image_make(int fd, const char *path, const char *format, uint64_t size, const char *backing, const char *backing_format,
                GError **error);

/* Makes a qcow2 image in memory; -1 with an error. */
int image_make_in_memory(uint64_t size, GError **error);

/* An image that a disk of SIZE bytes is written into. */
typedef struct ImageTarget {
        const char *what; /* "copy", for errors */
        const char *path, *format;
        const char *backing, *backing_format; /* as of image_make */
        uint64_t size;
        bool reuse; /* it is there already, and as large; so must be a block device that is written raw */
        /* What has come of it, which is true also where it fails then. */
        int fd; /* -1: it could not be opened */
        bool is_made, is_device;
} ImageTarget;

bool image_open_target(ImageTarget *target, GError **error);

/* Whether a qcow2 that was made so is as it was made: nothing has been written into it. What cannot be read was written. */
bool image_is_unwritten(int fd);
