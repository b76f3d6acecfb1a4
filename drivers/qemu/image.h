/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk's image and what it is backed by, opened by the driver so that QEMU needs leave for no path. Opening may hang (a
 * network file system): it is done by a worker. What a qcow2 header says is not trusted.
 *
 * Format: QEMU's docs/interop/qcow2. */

#include <glib.h>
#include <stdbool.h>

/* The longest chain of backing images. */
#define IMAGE_LAYERS_MAX 64

typedef struct ImageLayer {
        char *path;
        char *format; /* raw, qcow2 */
        int fd;
        bool is_device;
} ImageLayer;

/* Opens an image and its backing images, the top one first. The backing images are only read. */
GPtrArray *image_open(const char *path, const char *format, bool read_only, GError **error);
