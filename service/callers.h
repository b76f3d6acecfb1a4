/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who calls: one record for each peer on the bus that has called, until it leaves the bus. All that a peer makes the
 * service keep is counted here. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

typedef struct Callers Callers;

typedef struct Caller {
        unsigned n_references;
        char *name;      /* unique name */
        bool identified; /* uid is known */
        bool gone;
        bool direct;         /* on a connection of its own, without a bus; then: */
        bool read_only;      /* the connection is one for reading */
        pid_t pid;           /* its process */
        uint64_t start_time; /* of that: clock ticks since the machine started; 0 where it is hidden */
        uid_t uid;
        unsigned n_calls;      /* not answered yet */
        GHashTable *decisions; /* polkit's answers that are kept: see authority.c */
} Caller;

Caller *caller_ref(Caller *caller);
void caller_unref(Caller *caller);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Caller, caller_unref)

/* A reference that counts as one unanswered call. */
Caller *caller_begin_call(Caller *caller);
void caller_end_call(Caller *caller);

Callers *callers_new(sd_bus *bus);
void callers_free(Callers *callers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Callers, callers_free)

/* Finds the record of a call's sender, or begins one. Borrowed. */
Caller *callers_get(Callers *callers, const char *name);

/* Begins the record of a peer on a connection of its own, which the kernel has told who it is. Borrowed. */
Caller *callers_add_direct(Callers *callers, uid_t uid, pid_t pid, uint64_t start_time, bool read_only);

/* Tells that a name has left the bus. */
void callers_left(Callers *callers, const char *name);

/* Forgets all decisions. */
void callers_forget_decisions(Callers *callers);

/* Learns a caller's user ID from the bus, then calls DONE, at once where it is known. The caller has left where
 * identified is still false then. */
typedef void (*CallerIdentified)(Caller *caller, void *data);
int callers_identify(Callers *callers, Caller *caller, CallerIdentified done, void *data);
