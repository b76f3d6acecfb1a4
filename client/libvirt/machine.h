/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files of the kernel's that say what the machine is and has; anybody may read them. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* What is in a file; NULL where it cannot be read; to be freed. The path is made as printf does. */
char *machine_text(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The number that a file begins with; false where it cannot be read. */
bool machine_number(uint64_t *number, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The number after NAME in a text of lines such as /proc/meminfo; false where it is not there. */
bool machine_value(const char *text, const char *name, uint64_t *value);

/* How many NUMA nodes there are, from 1. */
int32_t machine_nodes(void);
