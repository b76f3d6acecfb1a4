/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What becomes of a guest's backup, what callers ask of it, and its end. */

#include "qemu/guest/guest-backup.h"

/* Asks QEMU what becomes of it. */
void guest_backup_follow(Guest *guest);

/* QEMU is to end it, because of ERROR, or NULL: it has been read. */
void guest_backup_follow_stop(GuestBackup *self, const GError *error);

/* Functions of the hypervisor: see there. */
void guest_backup_follow_finish(Backup *backup);
void guest_backup_follow_cancel(Backup *backup);
void guest_backup_follow_open(Backup *backup, Call *call);

extern const GuestModule guest_backup_follow_module;
