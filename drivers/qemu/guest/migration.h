/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest's state into a file and back: QEMU's migration, whose other side is the file. The machine stands still meanwhile, so
 * that it is written once. QEMU tells the end by an event; how far it is, it is asked. */

#include "qemu/guest/guest.h"

void migration_save(Operation *operation);
void migration_cancel(Operation *operation);
void migration_continue(Operation *operation, const GError *error);

/* Loads the state of a guest that starts; THEN is called when that is done, or ERROR says why it is not. */
void migration_load(Guest *guest, void (*then)(Guest *guest, const GError *error));

extern const GuestModule migration_module;
