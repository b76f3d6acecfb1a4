/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's capabilities by the names that documents and LXC's configuration have for them: those of capabilities(7) in lower
 * case, without CAP_. */

#include <glib.h>

/* How many there are; a set of them is bits of 1 << number. */
#define CAPABILITY_COUNT 41

/* The number of one; -1: there is none of that name. */
int capability_number(const char *name);

/* The name of one below CAPABILITY_COUNT. */
const char *capability_name(unsigned number);
