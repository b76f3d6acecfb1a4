/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whose turn it is: a fair queue for a number of places. Users take turns; what one user wants waits in order. A user has only
 * so many places at the same time, and one of each kind that must be one at a time. */

#include <glib.h>
#include <sys/types.h>

typedef struct Turns Turns;
typedef struct Turn Turn;

/* Tells that ITEM has its place. It may end its turn at once. */
typedef void (*TurnBegin)(void *item);

Turns *turns_new(unsigned places, unsigned places_per_user, TurnBegin begin);

/* Nothing waits any more, or has a place. */
void turns_free(Turns *turns);

/* Has ITEM wait for a place, which it may have before this returns. Of those with the same ALONE, other than NULL, only one has
 * a place at a time. *TURN is set before that, and is valid until the turn is ended. */
void turns_wait(Turns *turns, Turn **turn, uid_t user, const void *alone, void *item);

/* Gives up the place, or the wait for it. */
void turn_end(Turn *turn);

/* How many places are taken, and how many there are: fewer than in the beginning where somebody else has said that it is too much. */
unsigned turns_taken(const Turns *turns);
void turns_shrink(Turns *turns); /* to one fewer than are taken, and one at least */
void turns_grow(Turns *turns);   /* by one */
