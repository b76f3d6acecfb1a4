/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Decides who may read what, from what polkit has answered so far: the one place that answers for properties, lists,
 * introspection and signals.
 *
 * A decision is about a scope: a subject with all that is in it; or, of a connection, what is the caller's own. Which interfaces
 * make an object a subject, who owns it and what it acts on are annotations in introspection/ (DecisionSubject, Owner, ActsOn),
 * which generate.py explains. Decisions are kept for a caller until polkit says that something has changed or the caller leaves;
 * they are of an object, not of a path, so that one that takes the place of another begins anew.
 *
 * Interfaces that are public (an annotation in introspection/) may be read by anybody. So may what names its caller as its
 * reader. */

#include "caller.h"
#include "mirror.h"

typedef struct Scope {
        const Object *object; /* a subject; NULL: the service itself */
        bool owned;           /* of a connection: the caller's own, of all kinds */
} Scope;

/* The subject of a decision about an object: itself, or the nearest above that is one; NULL for the service itself. */
const Object *decision_subject(const Object *object);

/* The serial of that: what polkit allows counts for it, not for what comes to its path later. 0 for the service itself. */
uint64_t decision_serial(const Object *object);

/* The outermost subject that has a subject in it, or what that acts on: a connection; NULL where there is none. */
const Object *decision_connection(const Object *subject);

/* The object that a subject acts on, or is; NULL where that has gone. */
const Object *decision_object(const Object *subject);

/* What an object says of itself as a subject, or NULL: its kind; its name, or else its UUID; its UUID; what it does, and to
 * which path. */
const SubjectInfo *subject_info(const Object *subject);
const char *subject_name(const Object *subject);
const char *subject_uuid(const Object *subject);
const char *subject_operation(const Object *subject);
const char *subject_acts_on(const Object *subject);

/* Sets *owner; false where a subject has none. */
bool subject_owner(const Object *subject, uid_t *owner);

/* True where a subject, what it is in or what it acts on is a caller's own. */
bool decision_is_own(const Object *subject, uid_t user);

/* True where all of an object may be read by anybody. */
bool object_is_public(const Object *object);

/* True where a caller may read what is not public of an object, for all that is decided. */
bool decisions_allow(const Caller *caller, const Object *object);

/* True where polkit has refused to let a caller read a scope. */
bool decisions_refuse(const Caller *caller, Scope scope);

/* True where a caller may hear of changes of an object: it may read it, and has done so. It may not learn at once that it may not
 * any more: after a change polkit is asked again. */
bool decisions_let_hear(const Caller *caller, const Object *object);

/* The scopes of which one must let a caller hear of an object; returns how many, 0 where it may hear of it whatever is
 * decided. */
#define SCOPES_MAX 3
unsigned decisions_scopes(const Caller *caller, const Object *object, uint64_t scopes[SCOPES_MAX]);

/* Keeps polkit's answer about a scope: its key, and its object's path. One that counts for a while only (a password was typed) is
 * not kept as a decision, but lets hear. */
void decisions_keep(Caller *caller, uint64_t key, const char *path, bool allowed, bool temporary);

/* Sets of scopes, by key, with the path of each. A key names no scope any more when its object has gone, or is decided about
 * anew. */
uint64_t scope_key(Scope scope);
const char *scope_path(Scope scope);
GHashTable *scopes_new(void);
void scopes_add(GHashTable *scopes, uint64_t key, const char *path);
bool scopes_have(GHashTable *scopes, uint64_t key);

/* True where one of the scopes has the object in it. */
bool scopes_cover(GHashTable *scopes, const Object *object, uid_t user);
