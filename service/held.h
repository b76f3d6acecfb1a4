/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a caller is sent later. While polkit is asked anew what a caller may hear, signals about that are held: when it is
 * known, those that the caller may still hear go out, and the others do not. Answers that come behind them are held too, as
 * what has changed is told before the answer to what has changed it. */

#include "caller.h"
#include "mirror.h"

/* Holds a signal about an object that the caller has read; one that is ALWAYS told says nothing that it did not know. One of too
 * many is not held: the caller is to be told that it missed some. */
void held_signal(Caller *caller, const Object *object, bool always, sd_bus_message *signal, size_t bytes);

/* Holds an answer, if there is anything before it; false: it is to be sent now. */
bool held_answer(Caller *caller, sd_bus_message *answer, size_t bytes);

/* Sends all that may be sent now, in its order. True where the caller missed a signal that it may have been able to hear. */
typedef void (*HeldSend)(void *data, Caller *caller, sd_bus_message *message, size_t bytes);
bool held_release(Caller *caller, HeldSend signal, HeldSend answer, void *data);

/* Forgets all that is held. */
void held_clear(Caller *caller);
