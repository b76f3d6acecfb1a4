/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The journal of operations: one entry for each call that changes something, or shows secrets, when it has ended or polkit has
 * refused it: who, what, which, and how it ended; and one for each object of the kinds that end (the annotation Completion in
 * introspection/): jobs. The manual page virtbusd(8) says which fields an entry has. Of a call's arguments it has none.
 *
 * What a user's calls make us write is bounded: JOURNAL_ENTRIES_PER_USER in JOURNAL_INTERVAL; how many were left out is
 * written at the end of that. Where stderr is not the journal's, an entry is a line there. It never waits: what the journal
 * does not take at once is left out too. */

#include "callers.h"
#include "mirror.h"

typedef struct Journal Journal;

/* What a call does, until it has ended. */
typedef struct JournalEntry JournalEntry;

/* The mirror has the names of objects that calls have made. */
Journal *journal_new(sd_event *event, Mirror *mirror);

/* Writes how many entries were left out. */
void journal_free(Journal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Journal, journal_free)

/* True where calls with this polkit action, or NULL, have an entry. */
bool journal_wants(const char *action);

/* Begins the entry of an identified caller's call of this interface's method, or (method is NULL) of Set of a property. OBJECT
 * may be gone when it ends. */
JournalEntry *journal_begin(Journal *journal, const Caller *caller, const Object *object, const char *interface,
                            const char *method, const char *property);

/* Writes the entry of a call that has ended, and frees it. ERROR is the error's name, NULL where it was done; RESULT an
 * object's path that it has answered, or NULL. */
void journal_end(JournalEntry *entry, const char *error, const char *result);

/* Writes how an object of such a kind has ended, which is in the mirror still: who began it, what it was, of which object, and
 * its ERROR's name, NULL where it was done. */
void journal_completed(Journal *journal, const Object *object, const char *error);

/* Frees it unwritten. */
void journal_entry_free(JournalEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalEntry, journal_entry_free)
