/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Answers calls that are allowed: from the mirror, by the manager, or by forwarding them to a driver. */

#include "router.h"
#include "target.h"

#define ANSWER_TOO_MUCH_WAITS \
        "The calls of your user that wait are too many, or too large; call again when some have been answered."

/* Who looks, and what polkit has opened for this one look. */
typedef struct View {
        Router *router;
        Caller *caller;
        const Charge *charge; /* of the call */
        GHashTable *opened;
        bool everything; /* the whole list was decided about */
        uint64_t asked;  /* of a part, see Request */
        bool own_rights; /* a method is allowed with the caller's own rights alone */
        bool narrowed;   /* a method that stands for all objects does so for those that may be read */
} View;

/* Whether who looks may read an object; DATA is a View. */
bool view_may_see(const Object *object, void *data);

/* Begins the journal's entry of a call; NULL where it has none. */
JournalEntry *answer_journal_entry(Router *router, const Caller *caller, const Target *target);

/* Answers a call, or has it answered; sets an error, or returns a negative errno, where it cannot be. */
int answer_call(View *view, const Target *target, sd_bus_message *message, sd_bus_error *error);

/* Every call gets an answer, whatever went wrong: an error (not set: none), or a negative errno. */
void answer_failure(sd_bus_message *message, int r, const sd_bus_error *error);
