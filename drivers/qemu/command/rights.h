/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a domain may have of the host that has the rights of its owner alone: whoever has defined it may be anybody. Nothing
 * that is not listed here. */

#include "qemu/command/command-line.h"

/* BEFORE, or NULL: what of it only an administrator may set may stay as it is there. AccessDenied with the element and its
 * line. */
bool rights_check_document(const xmlDoc *document, const xmlDoc *before, GError **error);

/* What QEMU itself may reach of the host by polkit's leave, which FILES ask for (FILE_LEAVE): paths, and folders. To be freed. */
char **rights_let(const GPtrArray *files);

/* That QEMU itself opens nothing of the host by a path but what is in LET (or NULL): LINE is of a guest whose own folder is
 * FOLDER, or a part of it for one that runs. FILES are those that it would be given open, where LINE is made to check only, for
 * RIGHTS_FOLDER; or NULL. */
#define RIGHTS_FOLDER "/run/virtbus-guest"
bool rights_check_line(const CommandLine *line, const char *folder, const GPtrArray *files, const char *const *let,
                       const xmlDoc *document, GError **error);
