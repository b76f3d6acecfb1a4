/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The checkpoints of a domain: a tree of the kind checkpoint_tree. What was written since one is in bitmaps in the images of the
 * disks that are in it, a bitmap of its own for each: none needs another, and one that is broken breaks no other. */

#include "domain/checkpoint-definition.h"
#include "domain/tree.h"

/* How many one domain may have: each write of the guest's is noted in the bitmaps of all of them. */
#define CHECKPOINTS_MAX 256

extern const TreeKind checkpoint_tree;

typedef struct Checkpoint {
        TREE_NODE(CheckpointDefinition);
} Checkpoint;

TREE_FUNCTIONS(Checkpoint, CheckpointDefinition, checkpoint, checkpoints, checkpoint_tree)

/* A bitmap of a disk, as checkpoints_set_bitmaps has it. To be freed. */
char *checkpoint_bitmap_key(const char *target, const char *bitmap);

/* Which bitmaps of the guest that runs count: a set of keys, which is taken; NULL: that is not known. Told where that is another
 * than before. */
void checkpoints_set_bitmaps(Domain *domain, GHashTable *bitmaps);

/* Whether a disk that is in one has the bitmap no more, or one that does not count; false where that is not known. */
bool checkpoint_is_broken(const Checkpoint *checkpoint, const CheckpointDisk *disk);

/* Fails where there are some: WHAT is what cannot be done then. */
bool checkpoints_check_none(const Domain *domain, const char *what, GError **error);

/* They go with their domain. Told before the domain's own objects are withdrawn. */
extern const DomainListener checkpoints_listener;
