/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk's image and what it is backed by, opened by the driver so that QEMU needs leave for no path. Opening may hang (a network
 * file system): it is done by a worker. What a qcow2 header says is not trusted: a QEMU that a guest has taken over may have
 * written it.
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

/* The backing images that a document names, which are opened instead of what the headers say. */
typedef struct ImageBacking {
        GPtrArray *layers; /* ImageLayer, not opened: from the image's own on */
        bool ends;         /* there is no other below them */
} ImageBacking;

ImageBacking *image_backing_new(void);
void image_backing_add(ImageBacking *backing, const char *path, const char *format);
void image_backing_free(ImageBacking *backing);

/* Opens an image and its backing images, the top one first. The backing images are only read. BACKING may be NULL. Where QEMU is
 * a FOREIGN_USER, what only a header names must be what everybody may read, or lie in the folder of the image that names it. */
GPtrArray *image_open(const char *path, const char *format, bool read_only, const ImageBacking *backing, bool foreign_user,
                      GError **error);
