/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/turns.h"

#include "errors.h"

struct Turns {
        GHashTable *held; /* keys of turns that have begun */
        GQueue waiting;   /* Turn */
        guint n_begun;
        gboolean is_advancing;
        GError *cancelled;
};

struct Turn {
        Turns *turns;
        char *keys[2]; /* a UUID; a name behind a character that no name has, as a name may look like a UUID */
        TurnBegin begin;
        void *data;
};

Turns *turns_new(void) {
        Turns *turns = g_new0(Turns, 1);
        turns->held = g_hash_table_new(g_str_hash, g_str_equal);
        g_queue_init(&turns->waiting);
        return turns;
}

void turns_free(Turns *turns) {
        g_assert(g_queue_is_empty(&turns->waiting));
        g_hash_table_unref(turns->held);
        g_clear_error(&turns->cancelled);
        g_free(turns);
}

static void turn_free(Turn *turn) {
        g_free(turn->keys[0]);
        g_free(turn->keys[1]);
        g_free(turn);
}

static void refuse(Turn *turn, const GError *error) {
        turn->begin(turn->data, NULL, error);
        turn_free(turn);
}

static gboolean has_key_of(GHashTable *keys, const Turn *turn) {
        return g_hash_table_contains(keys, turn->keys[0]) || g_hash_table_contains(keys, turn->keys[1]);
}

static void add_keys(GHashTable *keys, Turn *turn) {
        g_hash_table_add(keys, turn->keys[0]);
        g_hash_table_add(keys, turn->keys[1]);
}

/* The first that waits for nobody who holds, or has asked before for, what it wants. */
static Turn *take_next(Turns *turns) {
        g_autoptr(GHashTable) wanted = g_hash_table_new(g_str_hash, g_str_equal);
        for (GList *link = turns->waiting.head; link; link = link->next) {
                Turn *turn = link->data;
                if (!has_key_of(turns->held, turn) && !has_key_of(wanted, turn)) {
                        g_queue_delete_link(&turns->waiting, link);
                        return turn;
                }
                add_keys(wanted, turn);
        }
        return NULL;
}

/* Those who begin may end their turn, or ask for another, before they return. */
static void advance(Turns *turns) {
        if (turns->is_advancing)
                return;
        turns->is_advancing = TRUE;
        for (Turn *turn; (turn = take_next(turns));) {
                add_keys(turns->held, turn);
                turns->n_begun++;
                turn->begin(turn->data, turn, NULL);
        }
        turns->is_advancing = FALSE;
}

void turns_take(Turns *turns, const char *uuid, const char *name, TurnBegin begin, void *data) {
        g_autoptr(GError) busy = NULL;
        Turn *turn = g_new0(Turn, 1);
        *turn = (Turn){ turns, { g_strdup(uuid), g_strconcat("/", name, NULL) }, begin, data };
        if (turns->cancelled) {
                refuse(turn, turns->cancelled);
                return;
        }
        if (g_queue_get_length(&turns->waiting) >= TURNS_WAITING_MAX) {
                virtbus_error_set(&busy, VIRTBUS_ERROR_RESOURCE_BUSY,
                                  "domain '%s': %d changes of definitions wait already; call again when some are done", name,
                                  TURNS_WAITING_MAX);
                refuse(turn, busy);
                return;
        }
        g_queue_push_tail(&turns->waiting, turn);
        advance(turns);
}

void turn_end(Turn *turn) {
        Turns *turns = turn->turns;
        g_hash_table_remove(turns->held, turn->keys[0]);
        g_hash_table_remove(turns->held, turn->keys[1]);
        turns->n_begun--;
        turn_free(turn);
        advance(turns);
}

gboolean turns_taken(const Turns *turns, const char *uuid, const char *name) {
        g_autofree char *key = g_strconcat("/", name, NULL);
        return g_hash_table_contains(turns->held, uuid) || g_hash_table_contains(turns->held, key);
}

guint turns_pending(const Turns *turns) {
        return turns->n_begun + g_queue_get_length((GQueue *) &turns->waiting);
}

void turns_cancel(Turns *turns, const GError *error) {
        if (!turns->cancelled)
                turns->cancelled = g_error_copy(error);
        for (Turn *turn; (turn = g_queue_pop_head(&turns->waiting));)
                refuse(turn, turns->cancelled);
}
