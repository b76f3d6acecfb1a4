/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Images that a caller hands over as descriptors (fd-groups.h) for <source fdgroup='NAME'/>: nothing is opened by a path, so that
 * whoever hands one over gains no file that they had not. */

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/* What a disk's is, for a message about one of a domain that is off. */
#define IMAGE_IS_HANDED "is a descriptor that is handed over when the domain starts"

/* Takes a copy of the descriptor of GROUP in GROUPS that is for what is to be read, or read and written: of a file or a block
 * device, and opened for that. PATH is what the document calls it. -1 with InvalidArgument where there is none. May wait for file
 * systems: for a worker. */
int handed_image_take(const GPtrArray *groups, const char *group, const char *path, bool read_only, struct stat *info,
                      GError **error);
