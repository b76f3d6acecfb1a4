/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The saved state that the next start of a domain goes on from: where it lies, which domains have one, and its removal when the
 * processors of its domain run: after that it would be an older state. */

#include "domain.h"

char *save_managed_path(const Connection *connection, const char *uuid);
void save_find_managed(Connection *connection);

/* Removes it, in a worker; when it is gone, a managed save that waits for that begins (saving_go_on). */
void save_remove_managed(Domain *domain);
