/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The errors of the API, as GErrors within a program and as D-Bus errors between programs. A message names the object
 * and what to do next. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "virtbus-error.h"

#define VIRTBUS_N_ERRORS (VIRTBUS_ERROR_NO_SUCH_CHECKPOINT + 1)

/* Finds the code of the last part of an error's name, such as "Timeout"; -1 where there is none. */
int virtbus_error_from_short_name(const char *name);

/* Sets a GError of this domain from errno, "what: reason; what to do", the last where something helps and
 * FORMAT has no ";" or "?", a remedy of its own. No space, quota and memory are LimitExceeded, a file that is
 * missing or may not be used is InvalidArgument, the rest HypervisorFailed. Returns false, to be returned. */
bool virtbus_error_set_errno(GError **error, int errno_value, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Sets a GError of this domain; what is not UTF-8 in its message is replaced. Returns false, to be returned. */
bool virtbus_error_set(GError **error, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Sets a GError that keeps the name of an error which has no code here: a kind's own NoSuch.... NAME is one of a table's:
 * names are kept for good. Returns false, to be returned. */
bool virtbus_error_set_named(GError **error, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* What an error is called on D-Bus. */
const char *virtbus_error_name_of(const GError *error);

/* The code of an error; one of another GError domain is HypervisorFailed. */
VirtbusError virtbus_error_code(const GError *error);

/* Answers a call with an error; an error of another GError domain is HypervisorFailed, but for one that has kept its name. */
int virtbus_error_reply(sd_bus_message *call, const GError *error);
