/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Beginning a guest's backup: nodes for its files, one transaction for all disks and the checkpoint, and, where clients read it,
 * QEMU's NBD server with an export for each. */

#include "qemu/guest/guest-backup.h"

/* Function of the hypervisor: see there. */
void guest_backup_begin(Operation *operation);

extern const GuestModule guest_backup_begin_module;
