/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connections to the bus: the one that calls come by, with an inlet before it, and the one that polkit is asked by,
 * and the bus who calls. */

#include "inlet.h"

/* Connects to the system bus, or to the user's, and attaches the connection to EVENT. Sets *BUS and *INLET; the inlet reads for
 * as long as the bus is used. Returns 0 or a negative errno. */
int connect_bus(bool user, sd_event *event, sd_bus **bus, Inlet **inlet);

/* The name of the connection that others are asked by, so that the bus's policy can keep others from sending to it. */
#define ASKING_NAME "org.virtbus1.Asking"

/* Connects to the system bus once more, to ask: the bus daemon drops an answer where more than its limit waits for who
 * is to have it, which whoever calls with much can bring about where the calls come by the same connection. */
int connect_bus_for_asking(sd_event *event, sd_bus **bus);

/* Connects to the first address of a list that is one of a Unix socket and can be connected to: as the D-Bus specification
 * writes them, "unix:path=/run/bus;unix:abstract=other". Returns a descriptor or a negative errno. */
int connect_to_address(const char *addresses);
