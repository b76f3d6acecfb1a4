/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.virtbus1.NetworkPort and HostPort; and Network.AddPort and HostPorts.AddPort, which answer one. */

#include "network/port.h"

extern const Vtable *const port_vtables[], *const port_vtables_of_host[];

/* org.virtbus1.HostPorts, of a Ports. */
extern const Vtable *const port_vtables_of_ports[];

/* Adds the port that a call's options ask for, and answers it. */
void port_bus_add(Call *call, Network *network, const char *domain_name, const char *domain_uuid, const char *mac,
                  sd_bus_message *options);
