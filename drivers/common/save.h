/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Saving a guest, and running it again from what was saved. A state is written aside and renamed when it is durable; only then
 * the guest ends. Whatever goes wrong before, the guest runs on and no file is left. */

#include "domain.h"
#include "save-image.h"

typedef struct Saving Saving;
typedef struct Restoring Restoring;

/* What is to be saved where: a PATH, or FD (which is taken), or neither for the domain's own managed save. NULL with an error. */
Saving *saving_new(const char *path, int fd, const char *compression, bool paused, GError **error);
void saving_free(Saving *saving);

/* Begins OPERATION_SAVE. The hypervisor then writes into what saving_fd says. */
void saving_begin(Operation *operation);
int saving_fd(const Operation *operation);

/* The hypervisor has stopped the guest and written all of it; or it could not, and the guest is as before. */
void saving_written(Operation *operation, const GError *error);

/* What has been written is given up, and the guest goes on: the operation ends with this error. */
void saving_failed(Operation *operation, const GError *error);

/* The guest has ended because it is saved: that is the operation's success. */
bool saving_is_done(const Operation *operation);

/* The file that it is written to until it is whole, or NULL. */
const char *saving_temporary(const Operation *operation);

/* What was being written when a driver ended, by the path in the domain's status: removed. */
void saving_forget(const Connection *connection, const char *path);

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

/* Finds the user that programs run as that compress: theirs alone, as they hold a guest's memory. */
void save_find_filter_user(Connection *connection);

/* Where a domain's managed save lies; which domains have one; removing it. It is removed when the processors of its domain run:
 * after that it would be an older state. */
char *save_managed_path(const Connection *connection, const char *uuid);
void save_find_managed(Connection *connection);
void save_remove_managed(Domain *domain);
