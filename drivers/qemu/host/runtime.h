/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where what guests need while they run lies: in the connection's runtime directory a folder for each, by its UUID, which is the
 * driver's alone, with the sockets that the driver makes; and in that, for displays, one that QEMU's user may write to. In the
 * latter, the driver touches nothing by a path.
 *
 * What a guest leaves is put aside at once, and removed by a worker. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "domain/connection.h"

/* The part of a guest's folder that QEMU's user may write to. */
#define RUNTIME_QEMU "qemu"

/* Makes the folder of the runtime directory that what is left is put aside in. */
bool runtime_open(const char *runtime, GError **error);

/* Makes a guest's folder, and, where HAS_DISPLAY, QEMU's in it, for that user; -1: for ourselves. */
bool runtime_make(const char *directory, bool has_display, uid_t uid, gid_t gid, GError **error);

/* Puts a guest's folder aside; returns where it lies then, or NULL where there is none. */
char *runtime_put_aside(const char *runtime, const char *uuid);

/* Puts all aside that are of no domain that IS_HELD: a driver was killed before it could write down that their guests start. */
void runtime_put_lost_aside(const Connection *connection, bool (*is_held)(const Connection *connection, const char *uuid));

/* Removes a folder that was put aside, whatever somebody has put into it; all such. For a worker. */
void runtime_remove(const char *path);
void runtime_sweep(const char *runtime);
