/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A program that compresses or decompresses a guest's state, between the hypervisor and a file. It runs as a user of its own, as it
 * holds a guest's memory, and outlives what it was started for until it has ended. */

#include "domain/hypervisor.h"

typedef struct Filter Filter;

/* Finds the user that they run as. */
void filter_find_user(Connection *connection);

/* Starts one from INPUT to OUTPUT; ENDED (or NULL) gets its wait status, and the filter is gone then. */
Filter *filter_new(const Connection *connection, char *const *arguments, int input, int output,
                   void (*ended)(void *data, int status), void *data, GError **error);

/* Ends it; ENDED follows, unless nobody wants to know any more. */
void filter_end(Filter *filter);
void filter_forget(Filter *filter);
