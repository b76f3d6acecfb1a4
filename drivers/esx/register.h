/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A new machine: its configuration is written beside its first disk, and registered. Where that fails, the file goes. */

#include <libxml/tree.h>

#include "esx/session.h"

typedef struct Register Register;

/* Of a document, which is checked. DONE is called once, not before this has returned. NULL with an error where it cannot be. */
typedef void (*RegisterDone)(void *data, const GError *error);
Register *register_begin(Esx *esx, xmlDoc *document, RegisterDone done, void *data, GError **error);

/* It is given up: DONE is not called. SESSION: it goes with that. */
void register_forget(Register *registering);
void register_session_ended(Register *registering);
