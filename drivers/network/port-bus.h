/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.virtbus1.NetworkPort; and Network.AddPort, which answers one. */

#include "network/port.h"

extern const Vtable *const port_vtables[];

/* Adds the port that a call's options ask for, and answers it. */
void port_bus_add(Call *call, Network *network, const char *domain_name, const char *domain_uuid, const char *mac,
                  sd_bus_message *options);
