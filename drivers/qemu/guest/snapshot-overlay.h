/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Snapshots that are external: a domain goes on with overlays, and its images stay what they were. The definition names the
 * overlays before QEMU puts them in, all at one instant, and they are empty then: whoever ends at any instant, what is defined
 * is what the guest had. Which of it was done is decided by that: of a guest that is up by QEMU, of one that is not by the
 * definition. */

#include "domain/operation.h"
#include "domain/snapshot-definition.h"
#include "qemu/guest/guest.h"

/* Functions of the hypervisor: see there. */
void snapshot_overlay_prepare(Operation *operation);
void snapshot_overlay_create(Operation *operation);

/* One that is half made is made after all, or its overlays are removed. */
void snapshot_overlay_settle(Operation *operation, const SnapshotDefinition *definition, const char *traces);

/* Refuses one that cannot be made. */
bool snapshot_overlay_check(const Domain *domain, const SnapshotDefinition *definition, GError **error);

extern const GuestModule snapshot_overlay_module;
