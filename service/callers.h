/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The callers: one record for each peer on the bus that has called, until it leaves the bus. All that it makes the service keep
 * is charged to it and to its user; until the bus has named that user, to one user that stands for all such callers. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "identity.h"
#include "outbox.h"
#include "quota.h"

typedef struct Callers Callers;

typedef struct Caller {
        Callers *callers;
        unsigned n_references;
        char *name;      /* unique name */
        bool identified; /* uid is known */
        bool gone;
        bool direct;    /* on a connection of its own, without a bus; then: */
        bool read_only; /* the connection is one for reading */
        Identity process; /* that made the connection; of one on the bus, its ID only, for the journal: 0 where the bus has not said */
        uid_t uid;
        Outbox *outbox; /* of its connection; NULL once that has ended */
        /* Of one on the bus, see unread.h: */
        size_t unread;      /* bytes, as far as the bus daemon has told */
        size_t sent_since;  /* it was asked */
        bool asked;         /* the answer is on its way */
        bool called_since;  /* too */
        bool halted;        /* none of its calls are taken now */
        size_t told;        /* of unread: what are signals, at most */
        bool deaf;          /* it is sent no signals now */
        bool missed;        /* some were not sent to it, and it was not told that */
        bool asked_later;   /* it is among those that the bus daemon is asked about after a while */
        uid_t account;      /* who is charged */
        Charge held;        /* its calls that are not answered yet */
        unsigned n_dialogs; /* questions that a person may have to answer */
        GQueue identifying; /* struct Identification: who waits for its user to be known */
        /* Sets of scopes: see decisions.h. */
        GHashTable *allowed, *refused; /* polkit's answers about reading that are kept */
        GHashTable *hears;             /* what has been read, so that changes are told of */
        GHashTable *follows;           /* lists of which a part was read, so that new objects are told of */
        void *review;                  /* of what it hears, while that goes on: see readers.c */
        GQueue held_back;              /* what it is sent after that: see held.h */
        size_t held_bytes;             /* of signals among it */
        bool lost_held;                /* there were more */
        void *waiting;                 /* its calls that nobody has looked at: see backlog.c */
} Caller;

Caller *caller_ref(Caller *caller);
void caller_unref(Caller *caller);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Caller, caller_unref)

/* CALLS is charged with calls that wait, UNREAD with answers that were not read. */
Callers *callers_new(sd_bus *bus, Quota *calls, Quota *unread);
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

/* Forgets all decisions about reading; what is heard stays. */
void callers_forget_decisions(Callers *callers);

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
