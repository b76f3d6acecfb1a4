/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The programs of others that this driver runs. */

#include <glib.h>

/* How much of what one says goes into an error, in bytes. */
#define PROGRAM_SAID_MAX 1024

/* Where one is; NULL with an error that names the package to install. To be freed. */
char *program_find(const char *name, const char *package, GError **error);

/* What one has written into its log, on one line; to be freed. */
char *program_said(int log);
