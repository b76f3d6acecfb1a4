/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turns.h"

#include <stdbool.h>

typedef struct User {
        uid_t uid;
        GQueue waiting; /* Turn */
        unsigned n_taken;
} User;

struct Turn {
        Turns *turns;
        User *user;
        const void *alone;
        void *item;
        bool begun;
};

struct Turns {
        unsigned places, places_at_most, places_per_user, n_taken;
        TurnBegin begin;
        GHashTable *users; /* user ID to User: those with turns */
        GQueue order;      /* User: the next one first */
        GHashTable *alone; /* what has a place and must be alone */
        bool going;
};

Turns *turns_new(unsigned places, unsigned places_per_user, TurnBegin begin) {
        Turns *turns = g_new0(Turns, 1);
        *turns = (Turns){
                .places = places,
                .places_at_most = places,
                .places_per_user = places_per_user,
                .begin = begin,
                .users = g_hash_table_new_full(NULL, NULL, NULL, g_free),
                .alone = g_hash_table_new(NULL, NULL),
        };
        g_queue_init(&turns->order);
        return turns;
}

void turns_free(Turns *turns) {
        g_assert(g_hash_table_size(turns->users) == 0);
        g_hash_table_unref(turns->users);
        g_hash_table_unref(turns->alone);
        g_queue_clear(&turns->order);
        g_free(turns);
}

static User *take_user(Turns *turns, uid_t uid) {
        User *user = g_hash_table_lookup(turns->users, GUINT_TO_POINTER(uid));
        if (!user) {
                user = g_new0(User, 1);
                user->uid = uid;
                g_queue_init(&user->waiting);
                g_hash_table_insert(turns->users, GUINT_TO_POINTER(uid), user);
                g_queue_push_tail(&turns->order, user);
        }
        return user;
}

/* The first turn of a user that may begin now. */
static GList *find_turn(const Turns *turns, User *user) {
        GList *link = user->n_taken < turns->places_per_user ? user->waiting.head : NULL;
        while (link && ((Turn *) link->data)->alone && g_hash_table_contains(turns->alone, ((Turn *) link->data)->alone))
                link = link->next;
        return link;
}

static bool begin_one(Turns *turns) {
        GList *link = NULL, *next = turns->order.head;
        for (; next && !(link = find_turn(turns, next->data)); next = next->next)
                ;
        if (!link)
                return false;
        Turn *turn = link->data;
        User *user = turn->user;
        g_queue_delete_link(&user->waiting, link);
        g_queue_unlink(&turns->order, next); /* the others are first now */
        g_queue_push_tail_link(&turns->order, next);
        turn->begun = true;
        user->n_taken++;
        turns->n_taken++;
        if (turn->alone)
                g_hash_table_add(turns->alone, (void *) turn->alone);
        turns->begin(turn->item);
        return true;
}

static void go(Turns *turns) {
        if (turns->going)
                return;
        turns->going = true;
        while (turns->n_taken < turns->places && begin_one(turns))
                ;
        turns->going = false;
}

void turns_wait(Turns *turns, Turn **turn, uid_t uid, const void *alone, void *item) {
        Turn *own = g_new0(Turn, 1);
        *own = (Turn){ .turns = turns, .user = take_user(turns, uid), .alone = alone, .item = item };
        g_queue_push_tail(&own->user->waiting, own);
        *turn = own;
        go(turns);
}

void turn_end(Turn *turn) {
        Turns *turns = turn->turns;
        User *user = turn->user;
        if (turn->begun) {
                user->n_taken--;
                turns->n_taken--;
                if (turn->alone)
                        g_hash_table_remove(turns->alone, turn->alone);
        } else
                g_queue_remove(&user->waiting, turn);
        if (user->n_taken == 0 && g_queue_is_empty(&user->waiting)) {
                g_queue_remove(&turns->order, user);
                g_hash_table_remove(turns->users, GUINT_TO_POINTER(user->uid));
        }
        g_free(turn);
        go(turns);
}

unsigned turns_taken(const Turns *turns) {
        return turns->n_taken;
}

void turns_shrink(Turns *turns) {
        turns->places = turns->n_taken > 1 ? turns->n_taken - 1 : 1;
}

void turns_grow(Turns *turns) {
        turns->places = MIN(turns->places + 1, turns->places_at_most);
}
