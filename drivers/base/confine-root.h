/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The root that a confined child has (confine.h): a few empty folders and files over which the system is mounted to read, a few
 * device nodes, and what is shown to it. For a child: only what signal-safety(7) allows, and no heap. */

#include "base/confine.h"

/* Fills it and enters it, in a mount namespace of its own; NULL, or what has failed, by errno. */
const char *confine_root_make(const Confinement *confinement);

/* Shows further paths to a process, by its pidfd, that has such a root; 0, or an errno. */
int confine_root_show(int process, unsigned parts, char *const *paths);

/* Whether a path leads to what each root holds anyway, or must not hold. */
bool confine_root_holds(const char *path);

/* Whether a path is a folder, or below it. */
bool confine_root_is_below(const char *path, const char *folder);

/* Whether an errno says that what was named is not there: what is not there is left out. */
bool confine_root_lacks(int number);
