/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The object of the service itself, org.virtbus1.Manager at /org/virtbus1: the one object whose methods are answered here. */

#include "drivers.h"

/* Puts the manager's properties into the mirror, or what has changed of them. Returns 0 or a negative errno. */
int manager_update(sd_bus *bus, Mirror *mirror, Drivers *drivers);

/* The path of the connection that a call of OpenConnection names; NULL for other calls, and where there is none. */
const char *manager_connection(Drivers *drivers, sd_bus_message *call);

/* The driver that opens what a call of OpenConnection names, where that is elsewhere; NULL for other calls, and where there is
 * none. */
Driver *manager_opener(Drivers *drivers, sd_bus_message *call);

/* Whether a call is one of OpenConnection that only looks something up, or fails: everybody may do that. */
bool manager_is_lookup(Drivers *drivers, sd_bus_message *call);

/* What polkit's rules are told of such a call: names and values of what the URI names, which has no object yet. NULL for other
 * calls. */
GStrv manager_details(Drivers *drivers, sd_bus_message *call);

/* Whether a call of org.virtbus1.Manager asks for leave to manage. */
bool manager_is_manage(sd_bus_message *call);

/* Answers a method call of org.virtbus1.Manager. */
int manager_call(Drivers *drivers, sd_bus_message *call);
