/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The callbacks that a client has registered for events of one kind of objects. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Callbacks of one client. */
#define CALLBACKS_MAX 1024

typedef struct Callbacks Callbacks;

Callbacks *callbacks_new(void);
void callbacks_free(Callbacks *callbacks);

/* Registers a callback for a kind of events, of one object by its UUID or of all where that is NULL. Returns its number, or -1
 * where there are too many. */
int32_t callbacks_register(Callbacks *callbacks, int32_t kind, const char *uuid);

/* Returns whether there was one of that number. */
bool callbacks_deregister(Callbacks *callbacks, int32_t number);

/* Calls VISIT with the number of each that wants to hear of this kind of event of this object. */
void callbacks_each(Callbacks *callbacks, int32_t kind, const char *uuid, void (*visit)(void *data, int32_t number), void *data);
