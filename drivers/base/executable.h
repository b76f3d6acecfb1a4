/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Programs that a document or a caller names. One is run only where nobody could have put it or can change it but root, and,
 * in a driver that is a user's own, that user: the file and every folder on the way to it, links followed, belong to them and
 * are not writable by others. What was checked so may be run by its path: nobody else can change what that leads to. */

#include <glib.h>
#include <stdbool.h>

/* What makes a file another one. */
typedef struct ExecutableIdentity {
        gint64 size, time; /* bytes; of its last change, in nanoseconds since the epoch */
} ExecutableIdentity;

/* Fails with InvalidArgument and what is wrong. May wait for a file system: for a worker. */
bool executable_check(const char *path, ExecutableIdentity *identity, GError **error);
