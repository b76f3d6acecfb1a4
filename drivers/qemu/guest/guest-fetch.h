/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest needs of other drivers before its files are opened: the values of secrets, and ports of networks. Each is asked
 * for by an errand, one after the other. */

#include "base/errand.h"
#include "qemu/guest/guest.h"

typedef void (*GuestFetched)(Guest *guest, const GError *error);

/* Who asks for the files of a purpose: ASK ends with one of the functions below, or with an errand whose end does. */
typedef struct FetchKind {
        FilePurpose purpose;
        void (*ask)(Guest *guest);
} FetchKind;

/* Fetches each of FILES, which are borrowed, of a purpose among KINDS, which end with one without ASK. Calls DONE, before this
 * returns where there are none; unless they are forgotten before. */
void guest_fetch(Guest *guest, GPtrArray *files, const FetchKind *kinds, GuestFetched done);

/* Nobody wants them any more. */
void guest_fetch_forget(Guest *guest);

/* Who wants the guest to have it, as a call's sender; NULL: the driver itself. */
const char *guest_fetch_sender(const Guest *guest);

/* A domain with the rights of its owner alone has what polkit decides about where its owner may: what the driver does by
 * itself, or others ask for, is with their rights. PLACE: what it is, for a message. */
bool guest_fetch_check_starter(const Guest *guest, const char *place, GError **error);

/* The file that is asked for. */
File *guest_fetch_file(const Guest *guest);

/* An errand is out for it; it has come back, with its answer or an error. */
void guest_fetch_sent(Guest *guest, Errand *errand);
void guest_fetch_came(Guest *guest);

/* Asks for a FILE_PORT: of a FetchKind. */
void guest_fetch_port(Guest *guest);

/* It is there: the next one. */
void guest_fetch_next(Guest *guest);

/* It cannot be had: ERROR is told as it is. */
void guest_fetch_fail(Guest *guest, const GError *error);
