/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The leases of a run: told by dnsmasq's helper as they change, and read from dnsmasq's file where nobody may have listened. */

#include "network/run-state.h"

/* Reads the file: DONE is called when what the run knows is what dnsmasq does. */
void run_leases_read(NetworkRun *run, void (*done)(NetworkRun *run));

/* LeaseHeard, of Networks. */
void run_leases_hear(void *networks, const char *uuid, Lease *lease, bool is_over);
