/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Processors of the host, and nodes of its memory, as documents list them. */

#include <sched.h>
#include <stdbool.h>

/* Reads a list like 0-3,^2,8; false where it is not a list, or names a processor that cannot exist. */
bool cpu_set_read(const char *text, cpu_set_t *set);
