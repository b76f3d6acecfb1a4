/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An active run that becomes one of another definition of the same bridge and blocks, while guests go on: its rules in one
 * transaction, dnsmasq's hosts and names by its reading them again, what else dnsmasq is told by its starting again. */

#include "network/run-state.h"

/* What it runs with is written down first: a driver that is killed meanwhile finishes it when it is there again. On failure the
 * run is what it was. DEFINITION is taken. DONE may be called before this has returned; not where the driver ends. */
void run_update(NetworkRun *run, NetworkDefinition *definition, void (*done)(void *data, const GError *error), void *data);

/* Forgets one that is not done, as the driver ends. */
void run_update_abandon(NetworkRun *run);
