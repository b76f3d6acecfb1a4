/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finding a guest again that an earlier driver has started. */

#include "domain/operation.h"

extern const OperationClass reattach_class;

/* STATUS is what was written down of it; it is copied. */
Operation *reattach_new(xmlDoc *status);

/* What the hypervisor wrote into the status of a guest that is not reattached yet; NULL: there is none. */
xmlNode *reattach_waits(const Domain *domain);
