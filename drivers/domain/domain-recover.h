/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The domains that ran when an earlier driver ended, from what it has written of them (domain-status.h). */

#include "domain/domain.h"

/* Makes the active domain of a UUID that a status document describes, where nothing of that is missing or unknown; operations_run
 * has the hypervisor find it. */
bool domain_restore(Connection *connection, xmlDoc *status, const char *uuid, GError **error);

/* Takes a guest over whose status is lost, but which runs: with its definition or, where it has none, with nothing but its type
 * and name. It is reattached as others are. */
bool domain_adopt(Connection *connection, const char *type, const char *uuid, const char *name, uint64_t start_time,
                  GError **error);
