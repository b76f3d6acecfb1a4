/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What calls that change a domain or a device say besides: where it takes effect, how long it may take; and lists of limits. */

#include <systemd/sd-bus.h>

#include "domain/operations/device-edit.h"

/* Options besides "live" and "config". */
enum {
        CHANGE_HAS_TIMEOUT = 1,
        CHANGE_HAS_FORCE = 2, /* and "fds" */
        CHANGE_HAS_FDS = 4,
        CHANGE_HAS_GROUP = 8, /* "fdgroup", "fds" and "force" */
};

/* Reads the options of a change; NULL with an error. */
DeviceChange *change_options_read(sd_bus_message *options, unsigned flags, GError **error);

/* Takes one limit; false where there is none of this name. */
typedef bool (*TakeLimit)(const char *name, uint64_t value, void *data);

/* Reads limits by their names and has each taken. Returns a negative errno where the message is not one; where a name is refused,
 * ERROR says so and names the member whose documentation has the list. */
int change_options_read_limits(sd_bus_message *arguments, const char *member, TakeLimit take, void *data, GError **error);

/* Puts one limit of a domain into the change, DATA: a TakeLimit. */
bool change_options_edit_limit(const char *name, uint64_t value, void *data);
