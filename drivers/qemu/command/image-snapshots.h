/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The snapshots that are in an image, as its own table says, which a guest's QEMU, or a user, may have written.
 *
 * Format: QEMU's docs/interop/qcow2, "Snapshots". */

#include <glib.h>
#include <stdbool.h>

/* How many QEMU takes. */
#define IMAGE_SNAPSHOTS_MAX 65536

/* Whether one is in the open qcow2 image FD of that name, or, of NULL, any; PATH is for errors. */
bool image_snapshots_have(int fd, const char *path, const char *name, bool *have, GError **error);
