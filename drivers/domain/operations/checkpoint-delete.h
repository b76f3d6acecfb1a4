/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Deleting checkpoints. What a driver before this one, or a guest that has ended, has left half made is deleted in the same way,
 * as soon as the guest runs. */

#include "domain/checkpoint.h"
#include "domain/operations/tree-delete.h"

extern const OperationClass checkpoint_delete_class;

Operation *checkpoint_delete_new(Call *call, const char *name, TreeDeleteOptions options);

/* Queues the removal of one that is half made, if there is one, and the guest is there. */
void checkpoint_delete_pending(Domain *domain);

/* What is half made is removed when the guest runs. */
extern const DomainListener checkpoint_delete_listener;
