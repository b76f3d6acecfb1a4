/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Making a snapshot; and making one known that is there. */

#include "domain/hypervisor.h"
#include "domain/operation.h"
#include "domain/snapshot.h"

struct SnapshotOptions {
        bool disk_only, halt, no_metadata, quiesce;
        bool files; /* its document may name some; REUSE: which are there already */
        bool reuse;
        bool current; /* REDEFINE */
};

extern const OperationClass snapshot_create_class, snapshot_redefine_class;

/* DEFINITION is taken. */
Operation *snapshot_create_new(Call *call, SnapshotDefinition *definition, SnapshotOptions options);
Operation *snapshot_redefine_new(Call *call, SnapshotDefinition *definition, SnapshotOptions options);

/* What is being made: it is complete. */
const SnapshotDefinition *snapshot_create_definition(const Operation *operation);
const SnapshotOptions *snapshot_create_options(const Operation *operation);

/* What the hypervisor keeps of its work, until the operation ends: then LET_GO gets it. */
void snapshot_create_keep(Operation *operation, void *work, GDestroyNotify let_go);
void *snapshot_create_kept(const Operation *operation);
