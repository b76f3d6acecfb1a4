/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Snapshots of a guest that is up, in the images of its disks, with its memory. */

#include "qemu/guest/guest.h"

void snapshot_live_prepare(Operation *operation);
void snapshot_live_create(Operation *operation);
void snapshot_live_load(Operation *operation);

/* From its disks by QEMU; from what is not its disk any more as of a domain that is off. */
void snapshot_live_remove(Operation *operation, const SnapshotDefinition *definition, const char *traces);

/* START: loads one into a guest whose processors have not run, then calls THEN; QEMU may end meanwhile. */
void snapshot_live_start(Guest *guest, const char *name, void (*then)(Guest *guest, const GError *error));

extern const GuestModule snapshot_live_module;
