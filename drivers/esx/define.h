/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Definitions, which are the hypervisor's own: a machine is registered by a file that is written into its datastore, changed
 * by a task, and taken off its list, which leaves its files. */

#include "domain/definitions.h"
#include "esx/session.h"

extern const Definitions define_definitions;

/* What was told is shown: changes that have waited for that are done. IS_LAST: nothing else has happened until now. */
void define_settle(Esx *esx, bool is_last);

/* The session is over: whoever waits is told ERROR. */
void define_end(Esx *esx, const GError *error);
