/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Running a guest again from what was saved: a start (start.h) that reads from a file, or from a descriptor. */

#include "domain/domain.h"
#include "domain/operations/save-image.h"

typedef struct Restoring Restoring;

/* Begins to run a saved guest: reads the header of PATH or FD (which is taken), finds or makes the domain, answers the call
 * with it and with a job. XML is used instead of the saved document, or NULL. */
void restoring_begin(Connection *connection, const char *path, int fd, const char *xml, bool paused, Call *call);

/* Starts a domain from its managed save. */
void restoring_begin_managed(Operation *operation);

/* A start that restores begins: its domain gets the saved definition, its call its answer. */
void restoring_take(Operation *operation);

/* Ends a start that still reads its managed save; false where there is none. */
bool restoring_cancel(Operation *operation);

/* What a start that restores reads from, -1 for another, and whether its processors are to run. */
int restoring_fd(const Operation *operation);
bool restoring_is_running(const Operation *operation);

void restoring_free(Restoring *restoring);
