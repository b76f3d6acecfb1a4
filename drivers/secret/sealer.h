/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Encrypts values for this machine by systemd-creds(1), which is run for each: with the host's key, and the key of its TPM where
 * it has one. What was sealed under one name is not opened under another. Values go through files in memory, never through
 * arguments.
 *
 * A driver that does not run as root has no key. There, and where systemd-creds is missing, sealer_can says no. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "secret/secret-value.h"

/* How long systemd-creds may take, in microseconds: a TPM can be slow. */
#define SEALER_PATIENCE (20 * UINT64_C(1000000))

/* How many of it run at once; the others wait. */
#define SEALER_PROCESSES_MAX 4

typedef struct Sealer Sealer;

Sealer *sealer_new(sd_event *event);

/* None may be at work any more: see sealer_cancel. */
void sealer_free(Sealer *sealer);

/* Whether values can be sealed here; else WHY says why not. */
bool sealer_can(const Sealer *sealer, const char **why);

/* Seals a value, which it does not keep. SEALED: the text, for sealer_open; NULL with ERROR: Unsupported where systemd-creds
 * refuses (which it tells in the message), another where it did not come to an answer. */
typedef void (*SealerSealed)(void *data, const char *sealed, const GError *error);
void sealer_seal(Sealer *sealer, const char *name, const SecretValue *value, SealerSealed done, void *data);

/* Opens it. VALUE: NULL with ERROR. DONE owns it. */
typedef void (*SealerOpened)(void *data, SecretValue *value, const GError *error);
void sealer_open(Sealer *sealer, const char *name, const char *sealed, SealerOpened done, void *data);

/* What is at work, and what is begun from now on, is told as Cancelled at once. */
void sealer_cancel(Sealer *sealer);

/* How many are not told yet. */
unsigned sealer_pending(const Sealer *sealer);
