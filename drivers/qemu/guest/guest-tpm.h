/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest's emulated TPM: swtpm, a process beside its QEMU, which has a socket to it and nothing else, runs as a user of its own,
 * and sees no files but those of this TPM. It begins before QEMU, ends after it, and is found again by a later driver.
 *
 * A guest goes on when it ends alone, until it is reset: that would end its QEMU. */

#include "qemu/guest/guest.h"

/* How long the making of a new TPM's keys and certificates may take, in microseconds. */
#define TPM_SETUP_TIMEOUT (120 * UINT64_C(1000000))

/* Whether the document has one; then, of a driver that is root's, its user. */
bool guest_tpm_begin(Guest *guest, const xmlDoc *document, GError **error);

/* Whom its emulator runs as. */
uid_t guest_tpm_user(const Guest *guest);

/* FILES were opened: makes what a new TPM has, then its emulator's process, which waits; the file of the TPM gets QEMU's end of
 * the socket. DONE is called at once where there is none. */
typedef void (*TpmReady)(Guest *guest, GPtrArray *files, const GError *error);
void guest_tpm_prepare(Guest *guest, GPtrArray *files, TpmReady done);

/* It may run its program. */
void guest_tpm_go(const Guest *guest);

/* The guest's QEMU has ended: the emulator does too. DONE is called, at once where there is none, before what the guest held is
 * given back. */
void guest_tpm_end(Guest *guest, const GError *error, void (*done)(Guest *guest, const GError *error));

/* Where the folder of its TPM is that is to be given back when it has ended; *GONE: or, of a domain that goes with its run, to be
 * removed. NULL: there is none. */
char *guest_tpm_folder(const Guest *guest, char **gone);

/* Fails where a reset would end QEMU. */
bool guest_tpm_check_reset(const Guest *guest, GError **error);

extern const GuestModule guest_tpm_module;
