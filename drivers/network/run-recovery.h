/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a driver does with the networks when it begins. */

#include "network/networks.h"

/* Takes up the runs of an earlier driver: when all definitions have been read. */
void runs_recover(Networks *networks);

/* Starts what is to be started with the machine, once in its run. */
void runs_autostart(Networks *networks);
