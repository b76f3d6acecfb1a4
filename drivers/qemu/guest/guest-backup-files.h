/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files that a guest's backup is written to, and the socket that it is read at, made and opened by a worker with the rights
 * of its domain. Scratch files lose their name as soon as they are open. */

#include "qemu/guest/guest-backup.h"
#include "qemu/host/unix-socket.h"

typedef struct BackupFile {
        char *path, *format;
        uint64_t size; /* of the disk, in bytes */
        bool pulls, is_device, is_made;
        int fd;
} BackupFile;

/* What a worker opens. The guest may be gone when it is done. */
typedef struct BackupOpening {
        Guest *guest; /* NULL: it is gone */
        const Connection *connection;
        uid_t rights, owner; /* as BlockOpening */
        bool reuse;
        GPtrArray *files; /* BackupFile, one for each disk */
        bool listens;     /* LISTENER is to be opened: at a path, or at an address */
        char *path, *host;
        uint16_t port;
        bool is_open; /* the worker is done */
        bool is_own;  /* the path is in a folder of the driver's alone */
        int listener;
        UnixSocket *socket;
        void (*opened)(struct BackupOpening *opening, const GError *error);
        void (*removed)(Guest *guest); /* or NULL */
} BackupOpening;

/* Those of a backup whose disks are known; DONE owns what was opened. */
void guest_backup_files_open(const GuestBackup *self, bool reuse, void (*opened)(BackupOpening *opening, const GError *error));

void guest_backup_files_free(BackupOpening *opening);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BackupOpening, guest_backup_files_free)

/* What was made for a backup that does not begin goes, and OPENING with it. */
void guest_backup_files_give_up(BackupOpening *opening);

/* The same of one that had begun, and has failed; then DONE is called, unless that is NULL, or the guest is let go of before. */
void guest_backup_files_remove(const GuestBackup *self, void (*done)(Guest *guest));
