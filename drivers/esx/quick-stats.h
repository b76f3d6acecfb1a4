/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What machines use now, as their hypervisor last measured it (QuickStats, every twenty seconds): read when somebody asks, of all
 * that are asked for at once. */

#include "domain/hypervisor.h"
#include "esx/session.h"

/* Machines that are asked for in one question. */
#define QUICK_STATS_MACHINES_MAX 500

extern const HypervisorStatistics quick_stats_functions;

void quick_stats_open(Esx *esx);
void quick_stats_close(Esx *esx);

/* The session is over: who waits is told what was known before. */
void quick_stats_end(Esx *esx);

/* Reads what is told of machines: a SoapEach of an Esx. */
bool quick_stats_take(void *esx, xmlNode *element, GError **error);
