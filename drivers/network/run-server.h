/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The dnsmasq of a run: begun, found again, told of another definition, and ended; what becomes of it is told once to who has
 * begun that, and else is in the network's way. */

#include "network/run-state.h"

/* ERROR is NULL where it is done. It may be called before the function has returned that it was given to. */
typedef void (*RunServerDone)(NetworkRun *run, const GError *error);

/* Finds the one that is written down, or starts one, so that it does what the run's definition says; nothing where that needs
 * none. */
void run_server_provide(NetworkRun *run, RunServerDone done);

/* Ends it, where there is one. */
void run_server_end(NetworkRun *run, RunServerDone done);
