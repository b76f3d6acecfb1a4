/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finding a guest again that an earlier driver has started. */

#include "domain/operation.h"

extern const OperationClass reattach_class;

/* STATUS is what was written down of it; it is copied. */
Operation *reattach_new(xmlDoc *status);
