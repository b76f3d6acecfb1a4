/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who reads what QEMUs tell by themselves: each reader has a pipe, into which a line goes for each event: the time, in seconds
 * since 1970 with a fraction of six digits, the domain's UUID, the event's name, and its data, if it has any, as JSON. Nobody
 * waits for a reader: what does not fit into its pipe it does not get; before what fits again comes a line of an event MISSED,
 * of no domain ("-"), whose data have their count. */

#include "domain/connection.h"
#include "qemu/guest/guest.h"

/* How many readers there may be, and how many of one user; and how long an event's data and its name may be, in
 * bytes: {"is-too-long":true} stands for longer data, and an event of a longer name is not told. */
#define MONITOR_READERS_MAX 256
#define MONITOR_READERS_OF_USER 32
#define MONITOR_EVENT_BYTES_MAX (32 * 1024)
#define MONITOR_EVENT_NAME_MAX 64

typedef struct MonitorReaders MonitorReaders; /* of a driver */

MonitorReaders *monitor_readers_new(sd_event *event);
void monitor_readers_free(MonitorReaders *readers);

/* Answer OpenMonitorEvents: of all guests, or of one domain's, in all its runs. */
void monitor_events_open(Connection *connection, Call *call);
void monitor_events_open_of(Domain *domain, Call *call);

/* A QEMU has told of an event; DATA may be NULL. */
void monitor_events_tell(Guest *guest, const char *name, JsonObject *data);
