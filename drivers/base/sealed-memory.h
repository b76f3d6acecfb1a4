/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory that is a file, and whose bytes nobody can change: what is secret is passed on in it by its descriptor. */

#include <glib.h>

/* A descriptor, at the beginning of these bytes; or -1. */
int sealed_memory_new(const char *name, const void *bytes, gsize size, GError **error);
