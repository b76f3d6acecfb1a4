/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Devices of the host that QEMU opens by their names, or that are opened for it: whether they are there and may be opened is
 * looked at before the start, so that what is told has its remedy. For a worker's thread. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Who QEMU runs as. */
typedef struct HostUser {
        uid_t uid;
        gid_t gid;
        const gid_t *groups;
        size_t n_groups;
        uid_t named; /* by whom it is called: the user whose groups it has */
} HostUser;

/* Fails where the device is not there, or where that user surely may not open it. */
bool host_access_check(const char *path, const HostUser *user, GError **error);

/* Opens a device for QEMU; -1 with the error. */
int host_access_open(const char *path, GError **error);

/* A file of memory that guests share: made where it is missing, with SIZE bytes; else it must have as many. It outlives them, so
 * it is not a guest's own: it is that of the user whose groups they have, and its group's. */
bool host_access_share(const char *path, uint64_t size, const HostUser *user, GError **error);
