/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Leases on the bus: an answer with all of them, and the signals of their network. */

#include "network/networks.h"

/* Answers a call with leases, Lease, of NETWORK. */
void lease_bus_answer(Call *call, const Network *network, const GPtrArray *leases);

/* Emits the signal of a change of NETWORK's; VTABLE is that of the interface that has it. */
void lease_bus_signal(const Network *network, const Vtable *vtable, LeaseChange change, const Lease *lease);
