/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A command line of QEMU, as people write them, as a domain document that asks for the same machine. What has no counterpart is
 * refused by name; what only says how QEMU itself is run and watched is left out. */

#include "base/xml.h"

/* The longest command line, in bytes. */
#define NATIVE_BYTES_MAX (1024 * 1024)

xmlDoc *from_native(const char *text, GError **error);
