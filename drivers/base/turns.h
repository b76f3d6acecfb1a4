/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may change what a UUID and a name stand for: one at a time, in the order of the calls. Whoever defines, creates,
 * restores or undefines a domain, changes its definition, or lets go of one that has ended, takes a turn for both, looks only
 * then what there is, and ends the turn when its change is made, on disk too. So a UUID and a name belong to one domain at
 * every instant, and what was defined meanwhile is never undone by an older change. */

#include <glib.h>

/* Turns that may wait; more are refused with ResourceBusy. */
#define TURNS_WAITING_MAX 4096

typedef struct Turns Turns;
typedef struct Turn Turn;

/* It is the turn of who has asked for it, who ends it by turn_end; or TURN is NULL and it will not come, because of ERROR. */
typedef void (*TurnBegin)(void *data, Turn *turn, const GError *error);

Turns *turns_new(void);

/* None may wait any more. */
void turns_free(Turns *turns);

/* Calls BEGIN, at once where neither UUID nor NAME is somebody's turn or wanted by someone who has asked before. */
void turns_take(Turns *turns, const char *uuid, const char *name, TurnBegin begin, void *data);

/* The next ones begin before it returns. */
void turn_end(Turn *turn);

/* Whether one of the two is somebody's turn. */
gboolean turns_taken(const Turns *turns, const char *uuid, const char *name);

/* How many have begun or wait. */
guint turns_pending(const Turns *turns);

/* Those who wait, and all who ask from now on, are refused with ERROR; turns that have begun go on. */
void turns_cancel(Turns *turns, const GError *error);
