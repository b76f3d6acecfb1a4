/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which of the host's processors a guest's threads run on: sched_setaffinity(2), by <vcpu cpuset>, <cputune><vcpupin> and
 * <emulatorpin>. */

#include "guest.h"

/* Whether a document asks for it. */
bool pinning_is_wanted(xmlDoc *document);

/* Does what it asks for; PROCESSORS is the answer of query-cpus-fast. */
bool pinning_apply(const Guest *guest, xmlDoc *document, JsonObject *processors, GError **error);
