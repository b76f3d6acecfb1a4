/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel knows of those beside this machine. It answers at once. */

#include <glib.h>

/* Adds the addresses that it knows of the card with this address (addresses.h). */
void neighbours_read(const char *mac, GArray *addresses);
