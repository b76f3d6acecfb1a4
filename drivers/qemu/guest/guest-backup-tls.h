/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The X.509 credentials by which the server of a backup knows its clients, and they know it (build-tls.h): objects of the QEMU
 * that runs, for as long as the backup. */

#include "qemu/guest/guest-backup.h"
#include "qemu/monitor/script.h"

/* Fetches the password of their key, if it has one, and has QEMU see their folder; then calls DONE, unless the guest is let go of
 * before. Where the backup has no TLS, before this returns. */
void guest_backup_tls_prepare(Guest *guest, void (*done)(Guest *guest, const GError *error));

/* Adds to a script what makes them, which the script's failure undoes, and returns their ID, to be freed, or NULL where there
 * are none; or what removes them. */
char *guest_backup_tls_add(GuestBackup *self, Script *script);
void guest_backup_tls_remove(const GuestBackup *self, Script *script);

/* The password is not wanted any more. */
void guest_backup_tls_forget(GuestBackup *self);
