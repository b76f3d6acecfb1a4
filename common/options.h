/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Arguments of methods: paths, and the options (a{sv}) that are the last argument of each method that may get more of them. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

/* Reads the options at a message's position into variables. Each allowed option is a name (const char *), a basic type
 * (int) and where its value goes: bool * for 'b', uint32_t * for 'u', uint64_t * for 't', const char ** for 's' (borrowed
 * from the message), GPtrArray ** for OPTION_FDS (fd-groups.h; to be freed, also where this fails); NULL ends them.
 * A variable whose option is not given keeps its value.
 *
 * Returns false, with InvalidArgument, for an option that is unknown, given twice, or of another type. */
#define OPTION_FDS 'h'
bool options_read(sd_bus_message *message, GError **error, ...) G_GNUC_NULL_TERMINATED;

/* Refuses, with InvalidArgument, a path that is not absolute: it would be one of the driver's own folder. */
bool path_check(const char *path, GError **error);
