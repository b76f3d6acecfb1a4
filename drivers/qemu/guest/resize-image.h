/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Another size for an image that is open and that no guest has: a QEMU without a guest gives it, as the user and in the
 * sandbox of guests' QEMUs, with nothing but that descriptor. Whoever has written the image reaches no more by its header than
 * by that of a guest's image. */

#include "domain/connection.h"

/* How long it may use a processor, in seconds. */
#define IMAGE_RESIZE_SECONDS 300

typedef struct ImageResize ImageResize;

/* The image is as it is described here, whatever its header says: it has no other below it. */
typedef struct ImageToResize {
        const char *emulator; /* that may be run */
        const char *path;     /* for messages */
        const char *format;   /* raw, qcow2 */
        int fd;               /* open for reading and writing; kept by the caller until DONE */
        uint64_t bytes;       /* its new size */
} ImageToResize;

/* DONE gets NULL, or why it has not been done, and owns the object then: it frees it. */
typedef void (*ImageResized)(void *data, const GError *error);
ImageResize *image_resize_new(Connection *connection, const ImageToResize *image, ImageResized done, void *data, GError **error);

/* Lets go of one, which is killed where it is at work. */
void image_resize_free(ImageResize *resize);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageResize, image_resize_free)
