/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that other programs of the host write, and that are not trusted to be what they should. */

#include <stddef.h>

/* What is read at the most, in bytes. */
#define FOREIGN_BYTES_MAX (1024 * 1024)

/* Reads a regular file, to be freed; NULL where there is none, or one that is larger. Does not follow a link, nor wait for a
 * pipe. */
char *foreign_read(const char *path);

/* The same of one that may have another size, in bytes. */
char *foreign_read_up_to(const char *path, size_t max);
