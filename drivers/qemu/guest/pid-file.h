/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which process is a guest's QEMU, in a file of its own: a status file may be lost, or damaged, and no second QEMU is started
 * then. */

#include "qemu/guest/guest.h"

/* Writes it down; false where that cannot be written, which is logged. */
bool pid_file_write(const Guest *guest);

/* What a file says; NAME, which may be NULL, is "" where it was written by an earlier version. */
bool pid_file_read(const char *path, int *pid, uint64_t *start_time, char **name);

/* The QEMU that a driver has started for this domain, where it still runs; or NULL. */
Process *pid_file_find(Guest *guest, ProcessEnded ended);
