/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Those who wait for the same thing, and are all told at once. */

#include <glib.h>

typedef struct Waiters Waiters;

/* ERROR is NULL where it has come. */
typedef void (*WaitersDone)(void *data, const GError *error);

Waiters *waiters_new(void);

/* Nobody is told. */
void waiters_free(Waiters *waiters);

void waiters_add(Waiters *waiters, WaitersDone done, void *data);

/* Each is told once; who begins to wait meanwhile is not among them. */
void waiters_tell(Waiters *waiters, const GError *error);
