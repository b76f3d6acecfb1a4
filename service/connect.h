/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connection to the bus, with an inlet before it. */

#include "inlet.h"

/* Connects to the system bus, or to the user's, and attaches the connection to EVENT. Sets *BUS and *INLET; the inlet reads for
 * as long as the bus is used. Returns 0 or a negative errno. */
int connect_bus(bool user, sd_event *event, sd_bus **bus, Inlet **inlet);

/* Connects to the first address of a list that is one of a Unix socket and can be connected to: as the D-Bus specification
 * writes them, "unix:path=/run/bus;unix:abstract=other". Returns a descriptor or a negative errno. */
int connect_to_address(const char *addresses);
