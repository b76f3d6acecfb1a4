/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The backup of a guest: a job of its QEMU for each disk, all begun in one transaction. It is in the status before QEMU hears of
 * it, and QEMU keeps the jobs' outcome until it is asked. What had not begun whole when its driver ended is given up by the next
 * one; what had goes on. */

#include "domain/backup.h"
#include "qemu/guest/guest.h"

/* Whose the sets of descriptors are that its files are passed by: no device has that alias. */
#define GUEST_BACKUP_SETS "backup"

typedef enum GuestBackupStage {
        GUEST_BACKUP_BEGINS, /* QEMU may not know of it yet, or not of all */
        GUEST_BACKUP_RUNS,
        GUEST_BACKUP_ENDS, /* its jobs have ended, which is written before QEMU forgets them */
} GuestBackupStage;

typedef struct GuestBackupDisk {
        char *target, *alias;
        char *id;     /* QEMU's name of the job */
        char *path;   /* of the file that it is written to */
        bool is_made; /* for it: it goes where the backup fails */
        bool is_over; /* its job has ended */
        uint64_t size, done, total;
        char *bitmap; /* of the image that says what was written since the checkpoint; NULL: it is taken whole */
} GuestBackupDisk;

typedef struct GuestBackup {
        Guest *guest;
        Backup *backup;       /* NULL while it begins */
        Operation *operation; /* by which it begins; NULL: it has */
        BackupDefinition *definition;
        uid_t started_by;
        GPtrArray *disks;           /* GuestBackupDisk */
        char *socket;               /* path of the one that clients connect to; NULL: it listens at an address, or is pushed */
        struct GuestBackupTls *tls; /* while it begins: guest-backup-tls.h */
        bool is_asked;              /* QEMU is told to end it */
        GuestBackupStage stage;
        GError *error; /* why it fails, or was given up */
        sd_event_source *timer;
} GuestBackup;

/* Keeps one, as guest->backup; lets go of it. */
GuestBackup *guest_backup_keep(Guest *guest, BackupDefinition *definition);
void guest_backup_drop(Guest *guest);

/* Adds a disk of it, in the order in which they are numbered. TARGET is copied. */
GuestBackupDisk *guest_backup_add(GuestBackup *self, const char *target);

/* The document's words for one of its disks. */
const BackupDisk *guest_backup_disk(const GuestBackup *self, guint index);

/* The name of a node of a disk's file: WHAT is "format" or "storage". */
char *guest_backup_node(guint index, const char *what);

/* Kept in the status. */
extern const GuestModule guest_backup_module;
