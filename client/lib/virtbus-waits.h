/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who waits for the end of a job, or for a domain: a part of the client, in a file of its own. */

#include "virtbus-client.h"

typedef struct VirtbusWaits {
        GQueue ended; /* of jobs that have ended lately, how */
        GQueue waits; /* GTask */
} VirtbusWaits;

/* Takes Completed of a job: a GDBusSignalCallback, whose data is the client. */
void waits_on_completed(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *name,
                        GVariant *arguments, gpointer data);

/* Ends the waits for a path (NULL: all), with an error or (NULL) because what was waited for is there. */
void waits_end(VirtbusClient *client, const char *path, const GError *error);

/* Ends the waits for jobs that are not there any more, where signals were lost. */
void waits_end_lost(VirtbusClient *client);

/* Forgets how jobs have ended. */
void waits_clear(VirtbusWaits *waits);
