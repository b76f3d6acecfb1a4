/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The snapshots of a domain: a tree of the kind snapshot_tree. */

#include "domain/snapshot-definition.h"
#include "domain/tree.h"

/* How many one domain may have. */
#define SNAPSHOTS_MAX 256

extern const TreeKind snapshot_tree;

typedef struct Snapshot {
        TREE_NODE(SnapshotDefinition);
} Snapshot;

TREE_FUNCTIONS(Snapshot, SnapshotDefinition, snapshot, snapshots, snapshot_tree)

/* They go with their domain. Told before the domain's own objects are withdrawn. */
extern const DomainListener snapshots_listener;
