/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which machines a host starts when it starts itself: its own list, which is followed as the machines are. */

#include "esx/session.h"

/* What is told of a host's list. */
void autostart_update(Esx *esx, const VimReference *reference, const xmlNode *object);

/* Whether a machine, by its reference's value, is started. */
bool autostart_has(const Esx *esx, const char *machine);

/* Sets that; DONE as vim_call's. NULL with an error where it cannot be: there is no one host, or others would be started too. */
VimCall *autostart_set(Esx *esx, const VimReference *machine, bool autostart, VimDone done, void *data, GError **error);

/* The property that is followed. */
extern const char *const autostart_properties[];
