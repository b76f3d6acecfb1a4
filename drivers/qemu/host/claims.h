/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest holds of the host while it runs and what does not end with its process: devices of the host, control groups, TCP
 * ports. Each is written down before it is taken, as a file in the runtime directory, and given back when the
 * guest, or the device, has gone; what a driver that was killed had taken for a guest that never ran, the next one gives back
 * when it starts. One guest at a time can hold a thing.
 *
 * These may be called from any thread. */

#include "domain/connection.h"

/* A kind of things: how errors and files name it, and how one is given back, which may take its time; false where it could not
 * be. */
typedef struct ClaimKind {
        const char *name, *what;
        bool (*give_back)(const char *name, const char *note);
} ClaimKind;

/* Makes kinds known, NULL at the end, before anything is taken or given back: host.c has the list. */
void claims_register(const ClaimKind *const *kinds);

typedef struct Claim {
        const ClaimKind *kind;
        const char *name;
        const char *uuid, *alias; /* of the domain and the device; "" for the guest itself */
        const char *note;         /* what giving back needs to know, or NULL */
} Claim;

/* Fails with ResourceBusy where another guest holds the thing. */
bool claim_take(const Connection *connection, const Claim *claim, GError **error);

/* Whether a guest holds anything. */
bool claims_any(const Connection *connection, const char *uuid);

/* Gives back what the guest, or one device of it, holds; ALIAS is NULL for all. May take its time. */
void claims_give_back(const Connection *connection, const char *uuid, const char *alias);

/* Gives back what is held by domains that IS_HELD denies: of guests that never ran. */
void claims_sweep(const Connection *connection, bool (*is_held)(const Connection *connection, const char *uuid));
