/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The programs that help a guest's devices, where this machine has them: helper.h runs them. */

#include <glib.h>
#include <stdbool.h>

#define PASST "/usr/bin/passt"

/* Whether it is there, and nobody but root could have put it there. For a worker. */
bool helper_program_check(const char *program, GError **error);
