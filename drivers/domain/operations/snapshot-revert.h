/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Going back to a snapshot: in place, where the guest that runs has the same devices; else by an end, and a start from the
 * snapshot. */

#include "domain/operation.h"
#include "domain/snapshot.h"

typedef struct SnapshotRevertOptions {
        bool running, paused, force;
} SnapshotRevertOptions;

extern const OperationClass snapshot_revert_class;

Operation *snapshot_revert_new(Call *call, const char *name, SnapshotRevertOptions options);

/* The one that the hypervisor loads: into the guest that runs, its processors stopped, or into the images of a domain that is
 * off. */
const SnapshotDefinition *snapshot_revert_definition(const Operation *operation);
bool snapshot_revert_runs(const Operation *operation); /* whether the processors are to run then */

/* The images have it, or ERROR says why not. */
void snapshot_looked(Operation *operation, const GError *error);

/* It is loaded, or ERROR says why nothing has changed. A guest that is neither any more is to be ended. */
void snapshot_loaded(Operation *operation, const GError *error);

/* Tells who waits for a guest's end. */
extern const DomainListener snapshot_revert_listener;

/* Of one that is external, before snapshot_loaded: the images that it has are under overlays, which DEFINITION names. It becomes
 * what is defined; a reference is taken. What the operation is to define without these may be NULL. */
Definition *snapshot_revert_defines(const Operation *operation);
void snapshot_revert_define(Operation *operation, Definition *definition);

/* What the hypervisor keeps of its work, until it keeps other, or the operation ends: then LET_GO gets it. */
void snapshot_revert_keep(Operation *operation, void *work, GDestroyNotify let_go);
