/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sets of descriptors that a QEMU has been given, as far as they are not a disk's (nodes.h). QEMU lets go of a set only while its
 * processors run: one that is removed while the guest is paused stays, until it is removed again. */

#include "qemu/guest/guest.h"
#include "qemu/monitor/script.h"

/* Has a set removed: at the place of SCRIPT, or at once where that is NULL; and once more when the guest runs on. */
void fd_sets_remove(Guest *guest, Script *script, gint64 set);

/* Whether what QEMU has been given stays with it, whatever it is told. */
bool fd_sets_stay(const Guest *guest);

/* A file in memory, without a name, that QEMU may write. */
typedef struct LentFile {
        int file;           /* read and write */
        int writer;         /* the description that QEMU has */
        gint64 set, number; /* of QEMU's; -1: it has not been given yet */
} LentFile;

/* An empty file: one that a paused guest has already, or a new one. */
LentFile *fd_sets_lend(Guest *guest, GError **error);

/* Takes a file that is not used any more. One that stays with QEMU is lent again: it must be nobody else's. */
void fd_sets_take_back(Guest *guest, LentFile *file);
void lent_file_free(LentFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LentFile, lent_file_free)

extern const GuestModule fd_sets_module;
