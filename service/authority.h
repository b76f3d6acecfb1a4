/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Decides who may do what: asks polkit over its D-Bus API, without blocking.
 *
 * User 0, and on a session bus the service's own user, are allowed without asking. polkit unreachable or slow means
 * denied, with an error that says so; polkit asked too much means LimitExceeded. Decisions to read are kept: see decisions.h.
 *
 * A caller with leave to manage (ACTION_MANAGE) is allowed what polkit would ask a password for, and is not refused less than
 * others: a rule's no is one. */

#include "callers.h"
#include "decisions.h"
#include "mirror.h"

#define ACTION_READ "org.virtbus1.read"
#define ACTION_MANAGE "org.virtbus1.manage"

typedef struct Authority Authority;

/* ERROR is set where the call is denied. OWN_RIGHTS: it is allowed with the caller's own rights alone. */
typedef void (*AuthorityDone)(void *data, const sd_bus_error *error, bool own_rights);

/* OWN_USER: the bus is a session bus, where only the service's own user may call. */
Authority *authority_new(sd_bus *bus, Callers *callers, bool own_user);
void authority_free(Authority *authority);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Authority, authority_free)

/* Tells that polkit's service has left the bus (NULL), or come; OWNER is its connection's name. */
void authority_service_changed(Authority *authority, const char *owner);

/* Denies what waits for polkit: of a caller who has left, or all, where that is NULL, since the service ends. */
void authority_cancel(Authority *authority, const Caller *caller);

/* Calls a function when decisions may be others now. */
void authority_on_change(Authority *authority, void (*on_change)(void *data), void *data);

/* Another number after each such change. */
uint64_t authority_generation(const Authority *authority);

/* True where an identified caller may do everything. */
bool authority_trusts(const Authority *authority, const Caller *caller);

/* True on a session bus. */
bool authority_is_of_user(const Authority *authority);

/* True where an identified caller may do ACTION to OBJECT for all that is known without asking. */
bool authority_knows(Authority *authority, const Caller *caller, const char *action, const Object *object);

/* Decides whether an identified caller may do ACTION, which CALL asks for, to OBJECT (NULL for the service itself); where it
 * may not without a password, whether it may with its own rights alone: OWN_RIGHTS_ACTION, or NULL. What polkit is told of the
 * object, and in DETAILS (names and values, NULL at the end; or NULL) of what has none, is copied at once. DONE may be called
 * before this returns. */
void authority_check(Authority *authority, Caller *caller, sd_bus_message *call, const char *action,
                     const char *own_rights_action, const Object *object, const char *const *details, AuthorityDone done,
                     void *data);

/* Polkit has given a caller leave to manage: that is kept until the caller leaves, or polkit refuses it. */
void authority_let_manage(Authority *authority, Caller *caller);

/* Asks only whether an identified caller may read a scope. ANSWERED may be called before this returns. */
typedef enum Verdict {
        VERDICT_YES,
        VERDICT_NO,
        VERDICT_FAILED,    /* polkit has not answered */
        VERDICT_BUSY,      /* it has too many questions */
        VERDICT_CANCELLED, /* the caller has left, or the service ends */
} Verdict;
typedef void (*AuthorityAnswered)(void *data, Verdict verdict);
void authority_ask(Authority *authority, Caller *caller, Scope scope, bool interactive, AuthorityAnswered answered, void *data);
