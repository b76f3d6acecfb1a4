/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A saved guest that is to run again: what lies before its state is read, and a program that decompresses the rest is put in
 * front of the hypervisor. It knows no operation: restore.h and start.h do. */

#include "domain/domain.h"
#include "domain/operations/save-image.h"

typedef struct Restoring Restoring;

/* It is read, or ERROR says why not; the same thread has called. */
typedef void (*RestoringRead)(Restoring *restoring, const GError *error, void *data);

/* Begins to read PATH, or FD (which is taken). XML is used instead of the saved document, or NULL; PAUSED: its processors stay
 * stopped, whatever they were. READ follows, unless it is freed before. */
Restoring *restoring_new(Connection *connection, const char *path, int fd, uid_t user, const char *xml, SavedRuns runs,
                         RestoringRead read, void *data);
void restoring_free(Restoring *restoring);

bool restoring_is_read(const Restoring *restoring);
bool restoring_has_path(const Restoring *restoring);

/* Of one that is read: what the hypervisor reads from, whether its processors are to run, and its definition. Borrowed. */
int restoring_fd(const Restoring *restoring);
bool restoring_runs(const Restoring *restoring);
Definition *restoring_definition(const Restoring *restoring);
