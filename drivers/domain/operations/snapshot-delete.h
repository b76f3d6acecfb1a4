/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Deleting snapshots. What a driver before this one, or a guest that has ended, has left half made is deleted in the same way. */

#include "domain/operation.h"
#include "domain/snapshot.h"

typedef struct SnapshotDeleteOptions {
        bool children, children_only, metadata_only;
} SnapshotDeleteOptions;

extern const OperationClass snapshot_delete_class;

Operation *snapshot_delete_new(Call *call, const char *name, SnapshotDeleteOptions options);

/* Queues the removal of one that is half made, if there is one. */
void snapshot_delete_pending(Domain *domain);

/* Of all domains, when their guests are being found again. */
void snapshot_delete_all_pending(Connection *connection);

/* The hypervisor has taken out of the images what one had in them; what was not there is no error. */
void snapshot_removed(Operation *operation, const GError *error);
