/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Jobs of a guest's QEMU on the images of its disks. A job is in the status before QEMU hears of it, and QEMU keeps its outcome
 * until it is asked (auto-dismiss is off), so that no driver misses one. QEMU stops before the instant that changes the disk's
 * images (pending: auto-finalize is off); then the definition and the status are written, and only then QEMU goes on: whoever
 * ends at any instant, what is written can be started. What is done is decided by what was asked for and by query-jobs; events
 * are only the reason to ask. */

#include "domain/disk-jobs.h"
#include "qemu/guest/guest.h"

typedef enum BlockJobWish {
        WISH_NOTHING,
        WISH_PIVOT,
        WISH_FINISH, /* a copy, that is not the guest's */
        WISH_CANCEL,
} BlockJobWish;

typedef enum BlockJobStage {
        BLOCK_JOB_BEGINS, /* QEMU may not know of it yet */
        BLOCK_JOB_RUNS,
        BLOCK_JOB_WRITES,  /* definition and status */
        BLOCK_JOB_DECIDED, /* they are written, or need not be: QEMU is to finalize it */
        BLOCK_JOB_ENDS,    /* it has ended, which is written before QEMU forgets it: what it needed is being removed */
} BlockJobStage;

/* It has ended, and nothing is left of it. */
typedef void (*BlockJobEnded)(Guest *guest, const GError *error);

typedef struct BlockJob {
        Guest *guest;
        DiskJob *disk_job; /* NULL while it begins */
        char *id;          /* QEMU's name of it */
        char *alias, *target;
        DiskJobKind kind;
        uid_t started_by;
        uint64_t bandwidth;
        uint32_t top, base; /* indexes: COMMIT: what is merged; PULL: BASE is what stays below, or 0 */
        DiskImage copy;     /* COPY: what it will be; its strings are owned */
        bool shallow;       /* COPY */
        bool is_made;       /* COPY: its file was made for it */
        GPtrArray *before;  /* the disk's images as they were when it began */
        BlockJobWish wish;
        BlockJobStage stage;
        bool is_asked;       /* QEMU was told to end it as is wished */
        bool is_changed;     /* live definition and status say what will be */
        BlockJobEnded ended; /* who is told, by this driver alone; or NULL */
        GError *error;       /* why it was cancelled by the driver; ENDS: why it has failed */
} BlockJob;

/* One is kept in the guest's table, by its disk; it goes with block_job_drop. */
BlockJob *block_job_keep(Guest *guest, const char *alias, const char *target, DiskJobKind kind);
void block_job_drop(BlockJob *job);

/* Kept in the status. */
extern const GuestModule block_job_module;
