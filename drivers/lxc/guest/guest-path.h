/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Paths that a container decides on: what lies in its root is a stranger's. No link of the kernel's leads from one to what a
 * process has open, or to its program. -1 with errno. */

#include <stdbool.h>

/* Walks a path within ROOT; links lead to nothing outside of it. What is found is neither read nor written. */
int guest_path_find(int root, const char *path);

/* The same, of a folder that nothing but folders leads to. */
int guest_path_find_folder(int root, const char *path);

/* Opens a path of the calling process's root with open(2)'s FLAGS. */
int guest_path_open(const char *path, int flags);

/* Makes a folder the one that it works in; NULL: that stays. False with a failure. */
bool guest_path_enter(const char *path);
