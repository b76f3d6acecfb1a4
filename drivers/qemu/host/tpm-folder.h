/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where an emulated TPM keeps what it knows, keys that guests have sealed disks with among it: a folder for each domain, by its
 * UUID, in one of the driver's state that is root's alone. It belongs to whom the emulator runs as, while that runs, and to
 * ourselves else: users are given to one guest after another. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "domain/connection.h"

/* What emulates one, and what makes a new one. */
#define TPM_EMULATOR "/usr/bin/swtpm"
#define TPM_MAKER "/usr/bin/swtpm_setup"

/* Whether this machine has both: the one that it lacks, or NULL. */
const char *tpm_folder_lacks(void);

/* What makes a new TPM's certificates is told by this file, in the folder. */
#define TPM_SETUP "setup.conf"

/* Where a domain's is; and makes the folder of all. */
char *tpm_folder(const Connection *connection, const char *uuid);
bool tpm_folder_open_all(const Connection *connection, GError **error);

/* Its TPM was made: where that was cut off it is made anew. */
void tpm_folder_finish(const char *path);

/* Whether a domain has one. */
bool tpm_folder_is_there(const Connection *connection, const char *uuid);

/* Makes the folder where there is none, and gives it to that user, as all in it; -1: to nobody else. *IS_NEW: there is no TPM in
 * it yet. For a worker. */
bool tpm_folder_take(const char *path, uid_t uid, gid_t gid, bool *is_new, GError **error);

/* Takes it back to ourselves. For a worker. */
void tpm_folder_give_back(const char *path);

/* Puts a domain's aside, which is gone for it then; returns where it lies, to be freed, or NULL. */
char *tpm_folder_put_aside(const Connection *connection, const char *uuid);

/* Removes what is aside. For a worker. */
void tpm_folder_sweep(const Connection *connection);
