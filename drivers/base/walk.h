/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ways through folders that others may write to. Whoever may write to a folder decides where a path through it leads, and may
 * change that at any time: so a path is walked part by part, by descriptors, and who could have put each part is looked at.
 * May wait for file systems: for a worker, or a child. */

#include <glib.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

typedef enum WalkTrust {
        WALK_TRUSTED, /* all of it is root's, or in a user's own driver that user's, and nobody else may change any of it */
        WALK_NO_LINKS /* it may lead through others' folders, but from there neither by a link, nor to a second name of a file or
                       * to a device that they could have put there */
} WalkTrust;

/* Where a walk has come to. */
typedef struct Walked {
        struct stat info;
        bool is_searchable; /* everybody may search each folder that it led through */
        int failure;        /* errno, or 0 */
        const char *fault;  /* instead: why what is AT is not to be trusted */
        char at[PATH_MAX];
} Walked;

/* Opens what PATH, which is absolute, leads to (O_PATH); -1 with a failure or a fault. It does only what signal-safety(7)
 * allows, and needs no heap. */
int walk_find(const char *path, WalkTrust trust, Walked *walked);

/* The same of a folder, WALK_NO_LINKS: those that are not there are made, for us alone. */
int walk_make(const char *path, Walked *walked);

/* The same with what stands in its way as InvalidArgument. */
int walk_open(const char *path, WalkTrust trust, struct stat *info, GError **error);

/* True where a file is one of the kernel's about processes: "self" is the driver there, whose memory it would be. */
bool walk_is_of_processes(int fd);
