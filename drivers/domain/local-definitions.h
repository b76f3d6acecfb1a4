/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Definitions on our disk, for hypervisors that keep nothing; and beside them what is known of running domains: base/store.h. */

#include "domain/definitions.h"

extern const Definitions local_definitions;
