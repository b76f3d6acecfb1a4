/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done with snapshots that the hypervisor keeps itself (HypervisorOwnSnapshots): nothing of them is written here, and
 * what there is is told by tree_show. An operation has ended when that shows what came of it. The guest may end meanwhile, or
 * come: it goes on. */

#include "domain/hypervisor.h"
#include "domain/operation.h"
#include "domain/operations/snapshot-create.h"
#include "domain/operations/snapshot-revert.h"
#include "domain/operations/tree-delete.h"

extern const OperationClass own_snapshot_create_class, own_snapshot_revert_class, own_snapshot_delete_class;

/* DEFINITION is taken. */
Operation *own_snapshot_create_new(Call *call, SnapshotDefinition *definition, SnapshotOptions options);
Operation *own_snapshot_revert_new(Call *call, const char *name, SnapshotRevertOptions options);
Operation *own_snapshot_delete_new(Call *call, const char *name, TreeDeleteOptions options);

/* Whether there is one of these. */
bool own_snapshot_is(const Operation *operation);

/* What is to be made: its name, description and time; and whether with the guest's memory, and its file systems at rest. */
const SnapshotDefinition *own_snapshot_definition(const Operation *operation);
bool own_snapshot_has_memory(const Operation *operation);
bool own_snapshot_quiesces(const Operation *operation);

/* The one that is reverted to, or deleted; whether all below it are deleted, and whether those alone. */
const char *own_snapshot_name(const Operation *operation);
bool own_snapshot_takes_children(const Operation *operation);
bool own_snapshot_takes_children_only(const Operation *operation);

/* What the hypervisor has at work for it: DROP is called with it where the operation is given up. NULL: nothing any more. */
void own_snapshot_set_work(Operation *operation, void *work, void (*drop)(void *work));

/* It is made, and shown by this name: the operation has ended. */
void own_snapshot_created(Operation *operation, const char *name);
