/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The logs of guests: what their QEMUs say. QEMU writes into the file itself, whether a driver is there or not; while one is,
 * a log that has grown too large is put aside, and the oldest goes. */

#include "domain/connection.h"
#include "domain/domain.h"

/* How large a log may grow before it is put aside, and how many there are of a guest, with those put aside: UUID.log,
 * UUID.log.1, ... */
#define GUEST_LOG_BYTES_MAX (2 * 1024 * 1024)
#define GUEST_LOGS 3

/* How long writing goes on before the logs' sizes are looked at again, in microseconds: what comes in that time is the most
 * that goes beyond. */
#define GUEST_LOG_INTERVAL 20000

typedef struct GuestLogs GuestLogs;

/* Watches the logs of a connection's running guests. */
GuestLogs *guest_logs_new(Connection *connection);
void guest_logs_free(GuestLogs *logs);

char *guest_log_path(const Connection *connection, const char *uuid);

/* Opens a guest's log to be written to; a negative errno where it cannot be. */
int guest_log_open(const char *path);

/* What was written last, at or after START, as people want to read it: guest_log_words of it. */
char *guest_log_tail(const char *path, off_t start);

/* What QEMU has said, without what says nothing: its name and the time before each line, the terminals that it has made. */
char *guest_log_words(const char *text);

/* Answers Domain.OpenLog. */
void guest_log_answer(Domain *domain, Call *call);

/* Removes what there is of a guest that is forgotten. */
void guest_log_remove(const char *path);
