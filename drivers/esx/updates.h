/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What there is and what changes: a filter of the hypervisor's property collector, whose updates are waited for all the time.
 * The first ones are all that there is, in pages; then only what changes comes, as soon as it does. */

#include "esx/session.h"

/* How long it may have nothing to tell, in seconds, before it says so; and how much longer that may take, in microseconds: what
 * says nothing then is taken for gone. */
#define UPDATES_SILENCE 20
#define UPDATES_PATIENCE (10 * UINT64_C(1000000))

/* Of one page. */
#define UPDATES_OBJECTS_MAX 100

/* Begins: READY is called when all that there is is shown. */
void updates_begin(Esx *esx, void (*ready)(Esx *esx));

/* Reads an answer to WaitForUpdatesEx, as one that has come: for who tests that. */
bool updates_read(Esx *esx, const char *text, size_t length, GError **error);
