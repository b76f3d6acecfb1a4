/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The saved state that the next start of a domain goes on from: where it lies, which domains have one, and its removal when the
 * processors of its domain run: after that it would be an older state. */

#include "domain/domain.h"

char *managed_save_path(const Connection *connection, const char *uuid);

/* Before anything is served: which domains have one. What earlier drivers have left half-written in the folder of managed
 * saves is removed, in a worker: nobody else may be at work there, which the lock of the folder sees to. */
void managed_saves_find(Connection *connection);

/* Removes it, in a worker; when it is gone, the operation at work is told (save_removed). */
void managed_save_remove(Domain *domain);

/* The same, and calls DONE when it has gone, at once where there is none. One at a time waits for that. */
void managed_save_remove_first(Domain *domain, void (*done)(void *data), void *data);

/* It goes when the processors of its domain run. */
extern const DomainListener managed_save_listener;

/* Removes a file that a save has left, or has been writing, in a worker. Where the driver is ending, the file stays: its
 * successor removes what the status of a domain names, and all that is not whole in the folder of managed saves. */
void managed_save_forget(const Connection *connection, const char *path);

/* Until it is renamed, a state lies beside its file, under that name with "." and this many random hexadecimal digits behind
 * it. */
#define SAVE_NUMBER_DIGITS 8
