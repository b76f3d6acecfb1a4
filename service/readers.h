/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds out, by asking polkit, who may read what of many objects, and keeps that up to date for those who hear of changes.
 *
 * polkit is asked about all of a connection first, then about what is the caller's own in it, and about single objects only where
 * both are refused: at most READ_QUESTIONS_MAX of them for one call, one after the other. Refusals are kept too, so that the next
 * call goes on where this one has ended. */

#include "authority.h"

typedef struct Readers Readers;

/* Who is told what there is to read: */
typedef struct ReadersListener {
        /* A caller may read, by object, an object that is new. */
        void (*arrived)(void *data, Caller *caller, Object *object);
        /* A caller that has read an object, or what it is in, may not do so any more. */
        void (*withdrawn)(void *data, Caller *caller, Object *object);
        /* It is known again what a caller may hear, of which polkit was asked anew. */
        void (*reviewed)(void *data, Caller *caller);
} ReadersListener;

Readers *readers_new(Authority *authority, Callers *callers, Mirror *mirror, const ReadersListener *listener, void *data);
void readers_free(Readers *readers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Readers, readers_free)

/* Asks about the objects at PATHS as far as it is not known whether an identified caller may read them, then calls DONE with the
 * scopes that this has opened, for readers_may_read. VERDICT is NO only where a person was asked, who refused.
 *
 * LIST is the object that lists them, or NULL: the caller is told of new ones from then on. Where INTERACTIVE, a person is
 * asked to open a connection of which nothing may be read otherwise. */
typedef void (*ReadersSurveyed)(void *data, GHashTable *opened, Verdict verdict);
void readers_survey(Readers *readers, Caller *caller, GPtrArray *paths, const Object *list, bool interactive,
                    ReadersSurveyed done, void *data);

/* True where a caller may read an object for all that is known, and what a survey has opened. */
bool readers_may_read(Readers *readers, const Caller *caller, const Object *object, GHashTable *opened);

/* Tells that an object is new. */
void readers_added(Readers *readers, Object *object);

/* Tells that an object is about to become another one for who decides, and that it has: it is decided about anew. */
void readers_renewing(Readers *readers, Object *object);
void readers_renewed(Readers *readers, Object *object);
