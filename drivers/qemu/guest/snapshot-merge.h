/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Deleting a snapshot that is external, of a guest that is up: what it has kept is merged with what its disks have gone on with.
 * The image above is written into the one that it kept, which the chain has from then on instead; or, where somebody else needs
 * that as it is, the guest's own image gets what is in that, which stays. Jobs of QEMU do it, disk after disk (block-job.h):
 * whoever ends at any instant, what is defined can be started, and to delete it again goes on. A file goes when what it had is
 * in another, nobody else needs it, and nothing that is known names it. */

#include "qemu/guest/guest.h"

/* For the hypervisor's remove. */
void snapshot_merge(Operation *operation, const SnapshotDefinition *definition);

extern const GuestModule snapshot_merge_module;
