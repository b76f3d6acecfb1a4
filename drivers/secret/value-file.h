/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of values, VALUES/UUID.value: each replaced whole, by a thread, in the order of the calls. */

#include "base/worker.h"
#include "secret/secrets.h"

/* Makes the folder below the state directory, and returns its path. */
char *value_files_open(const char *state, GError **error);

/* At the start: removes what writes have left that were cut off, and values without a definition. */
void value_files_clean(const char *values, bool (*has_definition)(void *data, const char *uuid), void *data);

/* At the start: where the value of a persistent secret is. One that is damaged is logged, and is told when it is asked for. */
ValueStorage value_file_find(const char *values, const char *uuid);

/* TEXT is taken, and wiped. */
void value_file_write(Worker *worker, const char *values, const char *uuid, char *text, WorkDone done, void *data);
void value_file_remove(Worker *worker, const char *values, const char *uuid, WorkDone done, void *data);

/* Reads one. REST is DONE's to look at, until it returns. */
typedef void (*ValueFileRead)(void *data, ValueForm form, const char *rest, const GError *error);
void value_file_read(Worker *worker, const char *values, const char *uuid, ValueFileRead done, void *data);
