/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files by which programs and firmware describe themselves, as QEMU's docs/interop/ has them: JSON, in a folder of the
 * administrator's and one of the system's. One of the same name in the first stands for that in the second, and an empty one
 * hides it; the first by name counts most. */

#include "base/json.h"

/* Those of a KIND, "firmware" or "vhost-user", in that order: JsonNode, or NULL for a file that is not a description. May take
 * its time. */
GPtrArray *descriptions_read(const char *kind);
