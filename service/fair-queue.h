/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whose turn it is: a fair queue for a number of places. Users take turns; what one user wants waits in order. A user has only
 * so many places at the same time, and one of each kind that must be one at a time. */

#include <glib.h>
#include <sys/types.h>

typedef struct FairQueue FairQueue;
typedef struct Place Place;

/* Tells that ITEM has its place. It may give it up at once. */
typedef void (*PlaceBegin)(void *item);

FairQueue *fair_queue_new(unsigned places, unsigned places_per_user, PlaceBegin begin);

/* Nothing waits any more, or has a place. */
void fair_queue_free(FairQueue *queue);

/* Has ITEM wait for a place, which it may have before this returns. Of those with the same ALONE, other than NULL, only one has
 * a place at a time. *PLACE is set before that, and valid until its end. */
void fair_queue_wait(FairQueue *queue, Place **place, uid_t user, const void *alone, void *item);

/* Gives up the place, or the wait for it. */
void place_end(Place *place);

/* How many places are taken, and how many there are: fewer than in the beginning where somebody else has said that it is too
 * much. */
unsigned fair_queue_taken(const FairQueue *queue);
void fair_queue_shrink(FairQueue *queue); /* to one fewer than are taken, and one at least */
void fair_queue_grow(FairQueue *queue);   /* by one */
