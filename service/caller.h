/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The record of one peer that has called: who it is, and what each module keeps for it. Who holds a reference may outlive the
 * peer: gone is true then. See callers.h. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "identity.h"
#include "outbox.h"
#include "quota.h"

typedef struct Callers Callers;

/* The account of callers that are not known yet. */
#define CALLER_NOBODY_YET ((uid_t) -1)

typedef struct Caller {
        Callers *callers;
        unsigned n_references;
        char *name;      /* unique name */
        bool identified; /* uid is known */
        bool gone;
        bool direct;    /* on a connection of its own, without a bus; then: */
        bool read_only; /* the connection is one for reading */
        /* That made the connection; of one on the bus, its ID only, for the journal: 0 where the bus has not said. */
        Identity process;
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
        bool manages;       /* it was given leave to manage: see authority.h */
        uint64_t managed;   /* then: the authority's generation when that was so last */
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

/* The record of NAME, which nobody knows yet; OUTBOX is that of its connection, borrowed. */
Caller *caller_new(Callers *callers, const char *name, Outbox *outbox);
Caller *caller_ref(Caller *caller);
void caller_unref(Caller *caller);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Caller, caller_unref)
