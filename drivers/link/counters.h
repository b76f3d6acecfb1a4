/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the cards of guests have sent and received, as the host's end of each counts it. */

#include "domain/domain.h"

/* Tells, as statistics "interface.ALIAS", what the cards of an active domain have done whose <target dev=> is an interface of the
 * host's: as the guest sees it. The kernel answers at once. */
void counters_collect(Domain *domain);
