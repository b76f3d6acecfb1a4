/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What virtbusd keeps for this driver's next start: descriptors by name. They are here too, as virtbusd may be restarted. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include <glib.h>

typedef struct DriverKept DriverKept;

DriverKept *driver_kept_new(void);
void driver_kept_free(DriverKept *kept);

/* PEER: virtbusd, or NULL while it is not there. FD is taken; -1: none any more. */
void driver_kept_set(DriverKept *kept, sd_bus *peer, const char *name, int fd);

/* Tells a virtbusd that has just come all of it. */
int driver_kept_send(DriverKept *kept, sd_bus *peer);
