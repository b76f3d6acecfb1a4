/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that a document or a caller names, and that are opened with the driver's rights, which are root's. Their paths may lead
 * through folders of others, but where these decide, to nothing that was not there already: walk.h. Links that only root could
 * have made are followed. A file is looked at before it is opened: to open a FIFO or a drive waits, and to open other devices
 * may set something going. Nothing changes between the two.
 *
 * WHAT it is, for messages: "image". May wait for file systems: for a worker. */

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Finds it (O_PATH): -1 with InvalidArgument where others decide, else as virtbus_error_set_errno says, with errno. */
int named_file_find(const char *what, const char *path, struct stat *info, GError **error);

/* The same, and whether everybody may search each folder that it led through. */
int named_file_find_public(const char *what, const char *path, struct stat *info, bool *is_searchable, GError **error);

/* Opens what was found, for FLAGS of open(2), without waiting for who is at its other end; where these have O_NONBLOCK, to be
 * used so too. -1 with errno. */
int named_file_use(int found, int flags);

/* Opens one that is a file or, where DEVICES says so, a character device: InvalidArgument otherwise. Nothing of what the kernel
 * tells of processes is opened. */
int named_file_open(const char *what, const char *path, int flags, bool devices, struct stat *info, GError **error);

/* The same, to be written at its end; one that is not there is made, for us alone. */
int named_file_append(const char *what, const char *path, struct stat *info, GError **error);

/* Makes one that is not there yet, for us alone, in a folder that is; in one that is made where MAKES_FOLDERS says so. */
int named_file_make(const char *what, const char *path, bool makes_folders, GError **error);

/* Makes one with those contents, whole or not at all, in a folder that is made where it is not there. */
bool named_file_write(const char *what, const char *path, const char *contents, size_t length, GError **error);

/* Gives one another name in the same folder, for good: what had that name is no more. */
bool named_file_rename(const char *what, const char *from, const char *to, GError **error);

/* Removes one, if it is there. */
void named_file_remove(const char *path);

/* Makes one for us alone that has no name yet, in the folder of PATH, to be read and written; and gives it that name, which
 * nothing has. Whoever ends in between leaves nothing. -1 with EOPNOTSUPP, or EISDIR, where the file system has no such. */
int named_file_make_unnamed(const char *what, const char *path, GError **error);
bool named_file_name(const char *what, int fd, const char *path, GError **error);

/* Its name is there for good: whatever becomes of the machine. False with errno. */
bool named_file_keep(const char *path);
