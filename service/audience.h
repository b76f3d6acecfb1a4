/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Decides who gets a signal: a signal tells nobody more than reading would.
 *
 * What is public is sent to everybody. Everything else is sent to each caller by itself: to user 0, and to who has read the
 * object, or what it is in, and still may: while polkit is asked whether it still may, the signal is held. On a session bus,
 * where all belongs to one user, everything is sent to everybody.
 *
 * What nobody may hear is shown to the bus's monitors; but not the thousands of objects that a driver has when it comes. */

#include "authority.h"
#include "peers.h"
#include "readers.h"

typedef struct Audience {
        Peers *peers;
        Callers *callers;
        Authority *authority;
        Mirror *mirror;
        Readers *readers;
        bool arriving; /* what is added now is what a driver has that has just come */
} Audience;

/* Sends a signal about an object, with about so many BYTES of arguments. Returns 0 or more, or a negative errno of the bus. */
int audience_signal(Audience *audience, const Object *object, sd_bus_message *signal, size_t bytes);

/* Whether anybody may hear of an object, for all that is known: on a session bus, and of what is public, it is not known. */
bool audience_hears(const Audience *audience, const Object *object);

/* Sends a caller what was held of what it may still hear. */
void audience_release(Audience *audience, Caller *caller);

/* Callers that missed signals are told so, from now on. */
void audience_tell_who_missed(Audience *audience);

/* Sends a signal to one caller. */
int audience_signal_one(Audience *audience, Caller *caller, sd_bus_message *signal, size_t bytes);
