/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Snapshots of machines: they are made, reverted to and deleted by tasks, and shown as the hypervisor tells them. */

#include "domain/hypervisor.h"
#include "esx/session.h"

extern const HypervisorOwnSnapshots snapshot_task_functions;

/* What was told is shown; IS_LAST: nothing else has happened until now. Operations that are done end. */
void snapshot_task_settle(Esx *esx, bool is_last);

/* The session is over: who waits is told ERROR. */
void snapshot_task_end(Esx *esx, const GError *error);
