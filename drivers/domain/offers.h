/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a hypervisor lacks: see the groups in domain/hypervisor.h. */

#include <glib.h>

#include "domain/domain.h"

/* Sets Unsupported where a connection's hypervisor has not what WHAT, a method, needs. */
bool offers_check(const Connection *connection, bool has, const char *what, GError **error);
bool offers_check_domain(const Domain *domain, bool has, const char *what, GError **error); /* with the domain's name */

/* The same where it takes no descriptors and a caller hands some over: FDS is not NULL. */
bool offers_check_fds(const Connection *connection, const GPtrArray *fds, GError **error);
