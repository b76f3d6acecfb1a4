/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Deleting snapshots. What a driver before this one, or a guest that has ended, has left half made is deleted in the same way. */

#include "domain/operations/tree-delete.h"
#include "domain/snapshot.h"

extern const OperationClass snapshot_delete_class;

Operation *snapshot_delete_new(Call *call, const char *name, TreeDeleteOptions options);

/* Queues the removal of one that is half made, if there is one, and nothing is being done of any. */
void snapshot_delete_pending(Domain *domain);

/* Tries that again. */
extern const DomainListener snapshot_delete_listener;
