/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The programs that help a guest's devices, where this machine has them: helper.h runs them. */

#include <glib.h>
#include <stdbool.h>

#define PASST "/usr/bin/passt"

/* Makes who runs it root where only that user's own rights count: of util-linux. */
#define UNSHARE "/usr/bin/unshare"

/* Whether it is there, and nobody but root could have put it there. REMEDY: what to do where it is not. For a worker. */
bool helper_program_check(const char *program, const char *remedy, GError **error);

/* Of those that describe themselves as what shares folders (virtiofsd), the one at the path NAMED, or, where that is empty, the
 * first; NULL with an error. To be freed. For a worker; whether there is one at all, for anybody. */
char *helper_program_find_virtiofsd(const char *named, GError **error);
bool helper_program_has_virtiofsd(void);
