/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk's image and what it is backed by, opened by the driver so that QEMU needs leave for no path. Opening may hang (a network
 * file system): it is done by a worker. What a qcow2 header says is not trusted: a QEMU that a guest has taken over may have
 * written it.
 *
 * Format: QEMU's docs/interop/qcow2. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The longest chain of backing images. */
#define IMAGE_LAYERS_MAX 64

typedef struct ImageLayer {
        char *path;
        char *group;  /* of descriptors that were handed over, one of which it is; or NULL */
        char *format; /* raw, qcow2 */
        int fd;
        bool is_device;
} ImageLayer;

/* How long the name of a backing image may be, in a header. */
#define IMAGE_BACKING_NAME_MAX 1023

/* Opens an image to be written that was opened before, or with CREATE makes a new file. BY is the image whose header alone names
 * it, or NULL: it lies beside that, then, or is refused, as a guest could have written that name. Returns -1 with an error. */
int image_open_to_write(const char *path, const char *by, GError **error);
int image_create(const char *path, GError **error);

/* Opens one to be read, whatever is in it; -1 with an error. */
int image_open_to_look(const char *path, GError **error);

/* How the header of one names the image BELOW it: by a relative path where OLD, which it named before, was one and that is right.
 * OLD may be NULL. To be freed. */
char *image_choose_name(const char *of, const char *old, const char *below);

/* What the header of an open qcow2 image names as what it is backed by; NULL: nothing, or it cannot be read. */
char *image_backing_name(int fd);

/* The disk's size, in bytes, as a qcow2's header or a raw file says. */
bool image_size(int fd, const char *path, const char *format, uint64_t *size, GError **error);

/* The backing images that a document names, which are opened instead of what the headers say. */
typedef struct ImageBacking {
        GPtrArray *layers; /* ImageLayer, not opened: from the image's own on */
        bool ends;         /* there is no other below them */
} ImageBacking;

ImageBacking *image_backing_new(void);
void image_backing_add(ImageBacking *backing, const char *path, const char *format, const char *group);
void image_backing_free(ImageBacking *backing);

/* What is to be opened. */
typedef struct ImageSource {
        const char *path, *format;
        const char *group;           /* of descriptors, one of which it is; or NULL */
        const GPtrArray *handed;     /* FdGroup: what was handed over; or NULL */
        const ImageBacking *backing; /* or NULL */
        bool read_only;
        bool foreign_user; /* QEMU is another user than this */
} ImageSource;

/* Opens an image and its backing images, the top one first. The backing images are only read. What only a header names must be
 * what everybody may read, or lie in the folder of the image that names it, where QEMU is a foreign user; and an image that was
 * handed over may name none so: its header is of whoever did that. */
GPtrArray *image_open(const ImageSource *source, GError **error);

/* Opens one that is backed by nothing, to be written to; InvalidArgument where its header says that it is. */
GPtrArray *image_open_whole(const char *path, const char *format, GError **error);
