/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls that have come and that nobody has looked at yet. What comes is read at once, so that no user's call stands in the socket
 * behind another's; it is taken in turns: of the user for whom the service has worked least, of that user's connections one after
 * the other, of a connection in order. After a little of that the event loop has its turn, and what came meanwhile is read.
 *
 * Answers go the same way out for all that is on the bus. While the bus daemon has not read those that there are, no call that
 * came over the bus is taken: its answer would wait before others', which the turns do not reach any more. */

#include "callers.h"

typedef struct Backlog Backlog;

/* Takes a call, which is the backlog's until this returns. */
typedef void (*BacklogTake)(void *data, Caller *caller, sd_bus_message *call, const Charge *charge);

/* It may hold an eighth of the DESCRIPTORS that this process may have. */
Backlog *backlog_new(sd_bus *bus, unsigned descriptors, BacklogTake take, void *data);
void backlog_free(Backlog *backlog);

/* While HAS_MORE says that more has come than is read yet, or may, one call is taken before the event loop goes on: who waits
 * behind a flood waits for the reading of it alone. */
void backlog_read_first(Backlog *backlog, bool (*has_more)(void *data), void *data);

/* Begins to take calls in the bus's event loop, to which it is attached. Returns 0 or a negative errno. */
int backlog_start(Backlog *backlog);

/* Whether a call of this charge may be added. */
bool backlog_has_room(const Backlog *backlog, const Caller *caller, const Charge *charge);

/* Adds a call. The limits are not looked at. */
void backlog_add(Backlog *backlog, Caller *caller, sd_bus_message *call, const Charge *charge);

/* Tells that all has been read that there was: a call that has come alone is taken at once, without a round of the event loop in
 * between. */
void backlog_drained(void *backlog);

/* Goes on with a call that was taken, and has waited for something since, in a turn of its caller's: before the calls of that
 * one which nobody has looked at. What has waited for one answer, as of polkit, may be much, and goes on as it would have been
 * taken. RESUME is called whatever happens: at once in a turn, once the caller has left, and after backlog_end. */
typedef void (*BacklogResume)(void *data);
void backlog_resume(Backlog *backlog, Caller *caller, BacklogResume resume, void *data);

/* Tells that it is known now whose a caller's calls are, or that the caller is halted, or no longer: its calls are taken only
 * while it is known and not halted. */
void backlog_changed(Backlog *backlog, Caller *caller);

/* Drops the calls of a caller that has left, and goes on with what has waited. */
void backlog_forget(Backlog *backlog, Caller *caller);

/* Takes all that there is, whether the bus reads or not, and whoever it is of. Nothing waits for a turn any more. */
void backlog_end(Backlog *backlog);

/* Takes the next call; false where none may be taken now. For who has no event loop. */
bool backlog_take(Backlog *backlog);
