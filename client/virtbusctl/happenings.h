/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest or its devices do, which signals tell of: in words. */

#include <glib.h>

/* NULL for a signal that is none of these; to be freed. */
char *happenings_text(const char *signal, GVariant *arguments);
