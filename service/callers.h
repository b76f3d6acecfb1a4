/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The callers: one record for each peer on the bus that has called, until it leaves the bus. All that it makes the service keep
 * is charged to it and to its user; until the bus has named that user, to one user that stands for all such callers. */

#include <systemd/sd-bus.h>

#include "caller.h"

/* Callers on BUS; whose they are is asked by ASKING, where calls do not stand before the answer, nor make the bus daemon drop it.
 * CALLS is charged with calls that wait, UNREAD with answers that were not read. */
Callers *callers_new(sd_bus *bus, sd_bus *asking, Quota *calls, Quota *unread);
void callers_free(Callers *callers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Callers, callers_free)

/* Whether a caller may have this kept for it too. */
bool callers_have_room(const Callers *callers, const Caller *caller, const Charge *charge);

/* Whether a caller's user has more than that, since the caller was found to be one of its. */
bool callers_are_over(const Callers *callers, const Caller *caller);

/* A reference that is charged for an unanswered call, and its end. The limits are not looked at. */
Caller *caller_begin_call(Caller *caller, const Charge *charge);
void caller_end_call(Caller *caller, const Charge *charge);

/* Finds the record of a call's sender, or begins one. Borrowed. */
Caller *callers_get(Callers *callers, const char *name);

/* Begins the record of a peer on a connection of its own, which the kernel has told who it is; its pidfd is taken over.
 * Borrowed. */
Caller *callers_add_direct(Callers *callers, const Identity *process, bool read_only);

/* Whether the caller is still there: it may have ended without that having been heard yet. */
bool caller_is_there(const Caller *caller);

/* Finds the record of a name, or NULL. Borrowed. */
Caller *callers_find(Callers *callers, const char *name);

/* Tells that a name has left the bus. */
void callers_left(Callers *callers, const char *name);

/* Forgets all decisions about reading, of all callers or of one; what is heard stays. */
void callers_forget_decisions(Callers *callers);
void caller_forget_decisions(Caller *caller);

/* Tells those who wait for users to be known that they are not. */
void callers_end(Callers *callers);

/* Calls a function with each caller that is known; it may not add or remove one. */
void callers_each(Callers *callers, void (*each)(Caller *caller, void *data), void *data);

/* Learns a caller's user ID from the bus, then calls DONE, at once where it is known. The caller has left where
 * identified is still false then. The bus is asked once for all that wait. */
typedef void (*CallerIdentified)(Caller *caller, void *data);
void callers_identify(Callers *callers, Caller *caller, CallerIdentified done, void *data);

/* Has CHANGED called with callers of which calls are not taken for a while, and with those of which they are again. */
void callers_watch_halted(Callers *callers, void (*changed)(void *data, Caller *caller), void *data);

/* Has HEARS called with callers that were not sent some signals while they were deaf, once they are sent signals again. */
void callers_watch_missed(Callers *callers, void (*hears)(void *data, Caller *caller), void *data);

/* Tells that a caller has called. */
void caller_has_called(Caller *caller);

/* Tells that a caller on the bus was sent a signal of so many bytes; none is sent to one that is deaf. */
void caller_was_told(Caller *caller, size_t bytes);

/* Whether an answer of about so many bytes may be made for an identified caller now. */
bool caller_may_be_answered(const Caller *caller, size_t bytes);

/* Sends such an answer. Returns 0 or a negative errno. */
int caller_answer(Caller *caller, sd_bus_message *answer, size_t bytes);
