/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ways through folders that others may write to. Whoever may write to a folder decides where a path through it leads, and may
 * change that at any time: so a path is walked part by part, by descriptors, and who could have put each part is looked at.
 * May wait for file systems: for a worker. */

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

typedef enum WalkTrust {
        WALK_TRUSTED, /* all of it is root's, or in a user's own driver that user's, and nobody else may change any of it */
        WALK_NO_LINKS /* it may lead through others' folders, but not from there by a link to anywhere else */
} WalkTrust;

/* Opens what PATH, which is absolute, leads to (O_PATH); -1 where there is nothing, or the way is not to be trusted:
 * InvalidArgument. */
int walk_open(const char *path, WalkTrust trust, struct stat *info, GError **error);

/* The same without WALK_TRUSTED's demands, and whether everybody may search each folder that it led through. */
int walk_open_public(const char *path, struct stat *info, bool *is_searchable, GError **error);

/* True where a file is one of the kernel's about processes: "self" is the driver there, whose memory it would be. */
bool walk_is_of_processes(int fd);
