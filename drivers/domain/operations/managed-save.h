/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The saved state that the next start of a domain goes on from: where it lies, which domains have one, and its removal when the
 * processors of its domain run: after that it would be an older state. */

#include "domain/domain.h"

char *save_managed_path(const Connection *connection, const char *uuid);

/* Before anything is served: which domains have one. What earlier drivers have left half-written in the folder of managed saves is
 * removed, in a worker: nobody else may be at work there, which the lock of the folder sees to. */
void save_find_managed(Connection *connection);

/* Removes it, in a worker; when it is gone, a managed save that waits for that begins (saving_go_on). */
void save_remove_managed(Domain *domain);

/* The same, and calls DONE when it has gone, at once where there is none. One at a time waits for that. */
void save_remove_managed_first(Domain *domain, void (*done)(void *data), void *data);
