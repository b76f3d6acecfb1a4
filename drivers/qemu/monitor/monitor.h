/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A QEMU's monitor: QMP over a Unix socket, never waiting. What comes from it is not trusted: a line is bounded, and whoever
 * breaks the protocol is cut off.
 *
 * Protocol: QEMU's docs/interop/qmp-spec. */

#include "base/json.h"
#include <systemd/sd-event.h>

/* The longest line, in bytes; and commands that may wait for their answer. */
#define MONITOR_LINE_MAX (4 * 1024 * 1024)
#define MONITOR_COMMANDS_MAX 256

/* Events that are read at once, and in a second after that: QEMU is not read when it tells of more. What is done about them is
 * bounded more closely, see event-flow.h. */
#define MONITOR_EVENTS_AT_ONCE 5000
#define MONITOR_EVENTS_PER_SECOND 5000

/* How long QEMU may answer nothing while commands wait, in microseconds: it takes about a minute to lock a terabyte of memory
 * for a device of the host's. It may also wait for ever: for a disk that has stalled, or when it refuses device_add while a
 * processor that it emulates runs, which its drain_call_rcu() may have come too late to interrupt (seen with 7.2). */
#define MONITOR_PATIENCE (300 * UINT64_C(1000000))

typedef struct Monitor Monitor;

/* A command for the monitor. */
typedef struct MonitorRequest {
        char *name;
        JsonObject *arguments;
        int fd; /* passed along, owned here; or -1 */
} MonitorRequest;

/* ARGUMENTS and FD are taken. */
MonitorRequest *monitor_request_new(const char *name, JsonObject *arguments, int fd);
void monitor_request_free(MonitorRequest *request);

typedef struct MonitorListener {
        /* QEMU has said hello and takes commands; or it answers again after it was silent. */
        void (*ready)(void *data);
        /* NULL: nobody wants to know. */
        void (*event)(void *data, const char *name, JsonObject *arguments);
        /* The connection has ended, or was cut: ERROR says why. All commands have failed already. */
        void (*closed)(void *data, const GError *error);
        /* QEMU has answered nothing for too long. All commands have failed already, and more fail at once until it answers again:
         * what it does of them then is not told. NULL: the connection is closed instead. */
        void (*silent)(void *data, const GError *error);
} MonitorListener;

/* Takes over a connected socket. The listener is not called before this returns. */
Monitor *monitor_new(sd_event *event, int fd, const MonitorListener *listener, void *data, GError **error);

/* Somebody spoke with this QEMU before, and was cut off: what it had for them may come before the greeting, from the middle of
 * a line on. So many lines are not looked at. */
#define MONITOR_REMAINDER_MAX 256
void monitor_skip_remainder(Monitor *monitor);

/* Another patience than MONITOR_PATIENCE; no more of it, as if it were over. */
void monitor_set_patience(Monitor *monitor, uint64_t usec);
void monitor_lose_patience(Monitor *monitor, const GError *error);

/* Whether QEMU can be asked: it has not closed its monitor, and is not silent. */
bool monitor_is_there(const Monitor *monitor);

/* Ends it as if QEMU had: every command that waits fails, and the listener is told, unless both has happened before. */
void monitor_end(Monitor *monitor, const GError *error);

/* Closes it; what waits is dropped without being called, but that of monitor_ask. */
void monitor_free(Monitor *monitor);

/* Sends a command, as soon as QEMU takes commands. ARGUMENTS is taken, or NULL; FD is passed along (and may be closed
 * afterwards), or -1. DONE may be NULL; it gets the answer (a member "return" of any type) or an error with QEMU's words. */
typedef void (*MonitorDone)(void *data, JsonObject *answer, const GError *error);
void monitor_command(Monitor *monitor, const char *name, JsonObject *arguments, int fd, MonitorDone done, void *data);

/* The same where DATA belongs to the command: where the monitor is freed before there is an answer, DROPPED is called with it
 * instead of DONE. */
void monitor_ask(Monitor *monitor, const char *name, JsonObject *arguments, MonitorDone done, void *data, GDestroyNotify dropped);
