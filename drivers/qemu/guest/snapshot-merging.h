/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What deleting an external snapshot by merging its images (snapshot-merge.h) has of all guests and domains: who else needs them,
 * what is done of each disk, and what is written down. */

#include "domain/operations/block-job.h"
#include "domain/snapshot-definition.h"
#include "qemu/guest/guest.h"
#include "qemu/guest/image-needs.h"

/* One of its disks. */
typedef struct MergedDisk {
        char *alias, *target;
        char *kept, *kept_type, *kept_format; /* the image that the snapshot is */
        char *above;                          /* what is over that, or was; NULL: nothing */
        char *below;                          /* what KEPT is over; NULL */
        const NeededImage *need_of_kept, *need_of_above;
        bool is_top; /* ABOVE is what the guest writes, or would */
        bool is_merged, removes;
        DiskJobKind kind; /* COMMIT, PULL; where anything is to be done (NEED_OF_KEPT) */
        DiskJobRequest request;
        GPtrArray *chain;               /* DiskImage */
        int place;                      /* of KEPT in it */
        int kept_fd, over_fd;           /* OFF: to be written: KEPT, and what is over ABOVE; or -1 */
        char *kept_by, *over_by, *over; /* see image_open_to_write */
        char *named;                    /* OFF: as what OVER is to name KEPT, or ABOVE what is below that */
} MergedDisk;

typedef struct Merging {
        Domain *domain; /* a reference */
        const Connection *connection;
        uid_t rights, owner;
        Operation *operation; /* NULL: it has ended */
        Guest *guest;         /* NULL: it was let go of */
        SnapshotDefinition *definition;
        GPtrArray *disks; /* MergedDisk */
        ImageNeeds *needs;
        guint next; /* for merging_next */
        bool is_busy, is_done;
        void (*merge)(struct Merging *self); /* when it is known what is to be done */
        void *work;                          /* of who merges */
        GDestroyNotify work_free;
} Merging;

/* It is the operation's until that ends. */
Merging *merging_new(Operation *operation, const SnapshotDefinition *definition);

/* What it waited for (IS_BUSY) has come: whether it is still wanted. Else it is gone. */
bool merging_came(Merging *self);
void merging_fail(Merging *self, const GError *failure);

/* A disk of the snapshot: its domain has CHAIN now, as the device NOW. */
bool merging_plan(Merging *self, GHashTable *chains, GError **error);

/* Looks who else needs them, notes that the snapshot is not what it was, and merges (self->merge). */
void merging_go(Merging *self);

/* The next disk of which anything is to be done; NULL: there is none any more. */
MergedDisk *merging_next(Merging *self);

/* Its images are merged: what is to be said of them, and what goes. */
void merging_merged(MergedDisk *disk);

/* All are merged: that is written down, and what is not needed any more goes. */
void merging_finish(Merging *self);
