/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Snapshots in the images of a domain that is off: a QEMU without a guest makes, loads and removes them, as the user and in the
 * sandbox of guests' QEMUs, with nothing but the descriptors of the images. All images have one afterwards, or none. */

#include "domain/operation.h"
#include "domain/snapshot-definition.h"

void snapshot_off_prepare(Operation *operation);
void snapshot_off_create(Operation *operation);
void snapshot_off_load(Operation *operation);

/* Before it is loaded, whatever the domain does: reads the images' own tables. */
void snapshot_off_look(Operation *operation);

/* Of a guest that is up: in those images that are not its disks any more. */
void snapshot_off_remove(Operation *operation, const SnapshotDefinition *definition, const char *traces);

/* The driver is ending: whatever is at work is killed, and nobody told. */
void snapshot_off_end(GPtrArray *works);
