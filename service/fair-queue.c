/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fair-queue.h"

#include <stdbool.h>

typedef struct User {
        uid_t uid;
        GQueue waiting; /* Place */
        unsigned n_taken;
} User;

struct Place {
        FairQueue *queue;
        User *user;
        const void *alone;
        void *item;
        bool begun;
};

struct FairQueue {
        unsigned places, places_at_most, places_per_user, n_taken;
        PlaceBegin begin;
        GHashTable *users; /* user ID to User: those with places, or who wait for one */
        GQueue order;      /* User: the next one first */
        GHashTable *alone; /* what has a place and must be alone */
        bool going;
};

FairQueue *fair_queue_new(unsigned places, unsigned places_per_user, PlaceBegin begin) {
        FairQueue *queue = g_new0(FairQueue, 1);
        *queue = (FairQueue){
                .places = places,
                .places_at_most = places,
                .places_per_user = places_per_user,
                .begin = begin,
                .users = g_hash_table_new_full(NULL, NULL, NULL, g_free),
                .alone = g_hash_table_new(NULL, NULL),
        };
        g_queue_init(&queue->order);
        return queue;
}

void fair_queue_free(FairQueue *queue) {
        g_assert(g_hash_table_size(queue->users) == 0);
        g_hash_table_unref(queue->users);
        g_hash_table_unref(queue->alone);
        g_queue_clear(&queue->order);
        g_free(queue);
}

static User *take_user(FairQueue *queue, uid_t uid) {
        User *user = g_hash_table_lookup(queue->users, GUINT_TO_POINTER(uid));
        if (!user) {
                user = g_new0(User, 1);
                user->uid = uid;
                g_queue_init(&user->waiting);
                g_hash_table_insert(queue->users, GUINT_TO_POINTER(uid), user);
                g_queue_push_tail(&queue->order, user);
        }
        return user;
}

/* The first request of a user that may have a place now; NULL: none may. */
static GList *find_place(const FairQueue *queue, User *user) {
        GList *link = user->n_taken < queue->places_per_user ? user->waiting.head : NULL;
        while (link && ((Place *) link->data)->alone && g_hash_table_contains(queue->alone, ((Place *) link->data)->alone))
                link = link->next;
        return link;
}

/* The user whose turn it is: of those with the fewest places, who has waited longest. */
static GList *next_user(const FairQueue *queue) {
        GList *next = NULL;
        for (GList *link = queue->order.head; link; link = link->next)
                if ((!next || ((User *) link->data)->n_taken < ((User *) next->data)->n_taken) && find_place(queue, link->data))
                        next = link;
        return next;
}

static bool begin_one(FairQueue *queue) {
        GList *next = next_user(queue), *link = next ? find_place(queue, next->data) : NULL;
        if (!link)
                return false;
        Place *place = link->data;
        User *user = place->user;
        g_queue_delete_link(&user->waiting, link);
        g_queue_unlink(&queue->order, next); /* the others are first now */
        g_queue_push_tail_link(&queue->order, next);
        place->begun = true;
        user->n_taken++;
        queue->n_taken++;
        if (place->alone)
                g_hash_table_add(queue->alone, (void *) place->alone);
        queue->begin(place->item);
        return true;
}

static void go(FairQueue *queue) {
        if (queue->going)
                return;
        queue->going = true;
        while (queue->n_taken < queue->places && begin_one(queue))
                ;
        queue->going = false;
}

void fair_queue_wait(FairQueue *queue, Place **place, uid_t uid, const void *alone, void *item) {
        Place *own = g_new0(Place, 1);
        *own = (Place){ .queue = queue, .user = take_user(queue, uid), .alone = alone, .item = item };
        g_queue_push_tail(&own->user->waiting, own);
        *place = own;
        go(queue);
}

void place_end(Place *place) {
        FairQueue *queue = place->queue;
        User *user = place->user;
        if (place->begun) {
                user->n_taken--;
                queue->n_taken--;
                if (place->alone)
                        g_hash_table_remove(queue->alone, place->alone);
        } else
                g_queue_remove(&user->waiting, place);
        if (user->n_taken == 0 && g_queue_is_empty(&user->waiting)) {
                g_queue_remove(&queue->order, user);
                g_hash_table_remove(queue->users, GUINT_TO_POINTER(user->uid));
        }
        g_free(place);
        go(queue);
}

unsigned fair_queue_taken(const FairQueue *queue) {
        return queue->n_taken;
}

void fair_queue_shrink(FairQueue *queue) {
        queue->places = queue->n_taken > 1 ? queue->n_taken - 1 : 1;
}

void fair_queue_grow(FairQueue *queue) {
        queue->places = MIN(queue->places + 1, queue->places_at_most);
}
