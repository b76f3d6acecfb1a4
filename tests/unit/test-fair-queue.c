/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quota.h"
#include "fair-queue.h"

#include <string.h>

/* Items are letters: what has begun is written down in order. */

typedef struct Item {
        char letter;
        Place *place;
} Item;

static GString *begun;

static void begin(void *item) {
        g_string_append_c(begun, ((Item *) item)->letter);
}

static Item *wait_for(FairQueue *queue, char letter, uid_t user, const void *alone) {
        Item *item = g_new0(Item, 1);
        item->letter = letter;
        fair_queue_wait(queue, &item->place, user, alone, item);
        return item;
}

static void end(Item *item) {
        place_end(item->place);
        g_free(item);
}

static void check(const char *wanted) {
        g_assert_cmpstr(begun->str, ==, wanted);
        g_string_truncate(begun, 0);
}

static void test_users_take_turns(void) {
        FairQueue *queue = fair_queue_new(2, 2, begin);
        Item *items[8];
        for (size_t i = 0; i < 6; i++) /* one user has asked for much */
                items[i] = wait_for(queue, (char) ('a' + i), 1, NULL);
        check("ab");
        items[6] = wait_for(queue, 'x', 2, NULL);
        items[7] = wait_for(queue, 'y', 3, NULL);
        check("");
        end(items[0]);
        check("x");
        end(items[1]);
        check("c");
        end(items[6]);
        check("y");
        end(items[7]);
        check("d");
        end(items[4]); /* which waited */
        end(items[2]);
        check("f");
        end(items[3]);
        end(items[5]);
        fair_queue_free(queue);
}

static void test_a_user_leaves_places_to_others(void) {
        FairQueue *queue = fair_queue_new(4, 2, begin);
        Item *a = wait_for(queue, 'a', 1, NULL), *b = wait_for(queue, 'b', 1, NULL), *c = wait_for(queue, 'c', 1, NULL);
        check("ab");
        Item *x = wait_for(queue, 'x', 2, NULL);
        check("x");
        end(a);
        check("c");
        end(b);
        end(c);
        end(x);
        fair_queue_free(queue);
}

static void test_what_is_to_be_alone_waits(void) {
        FairQueue *queue = fair_queue_new(8, 8, begin);
        int one, two;
        Item *a = wait_for(queue, 'a', 1, &one), *b = wait_for(queue, 'b', 1, &one), *c = wait_for(queue, 'c', 1, &two);
        check("ac");
        end(a);
        check("b");
        end(b);
        end(c);
        fair_queue_free(queue);
}

static void test_places_can_become_fewer(void) {
        FairQueue *queue = fair_queue_new(3, 3, begin);
        Item *a = wait_for(queue, 'a', 1, NULL), *b = wait_for(queue, 'b', 1, NULL), *c = wait_for(queue, 'c', 1, NULL);
        check("abc");
        fair_queue_shrink(queue);
        Item *d = wait_for(queue, 'd', 1, NULL);
        end(a);
        check(""); /* two are taken, of two */
        end(b);
        check("d");
        fair_queue_grow(queue);
        fair_queue_grow(queue); /* not more than in the beginning */
        Item *e = wait_for(queue, 'e', 1, NULL), *f = wait_for(queue, 'f', 1, NULL);
        check("e");
        end(c);
        check("f");
        end(d);
        end(e);
        end(f);
        fair_queue_free(queue);
}

static void end_at_once(void *item) {
        begin(item);
        place_end(((Item *) item)->place);
}

static void test_a_turn_may_end_as_it_begins(void) {
        FairQueue *queue = fair_queue_new(1, 1, end_at_once);
        for (char letter = 'a'; letter < 'd'; letter++)
                g_free(wait_for(queue, letter, 1, NULL));
        check("abc");
        fair_queue_free(queue);
}

/* Quotas */

static void test_a_user_has_half_of_what_others_leave(void) {
        const Charge all = { .bytes = 1000 }, each = { .bytes = 400 };
        g_autoptr(Quota) quota = quota_new(&all, &each);
        const Charge much = { .bytes = 400 }, more = { .bytes = 401 }, third = { .bytes = 300 }, fourth = { .bytes = 301 };
        g_assert_true(quota_has_room(quota, 1, &much, true));
        g_assert_false(quota_has_room(quota, 1, &more, true));
        quota_take(quota, 1, &much);
        g_assert_false(quota_has_room(quota, 1, &(Charge){ .bytes = 1 }, true));
        g_assert_true(quota_has_room(quota, 2, &third, true));
        g_assert_false(quota_has_room(quota, 2, &fourth, true));
        quota_take(quota, 2, &third);
        for (uid_t user = 3; user < 8; user++) { /* there is always something left */
                g_assert_true(quota_has_room(quota, user, &(Charge){ .bytes = 4 }, true));
                quota_take(quota, user, &(Charge){ .bytes = 4 });
        }
        quota_give_back(quota, 1, &much);
        g_assert_cmpuint(quota_of(quota, 1).bytes, ==, 0);
        g_assert_true(quota_has_room(quota, 1, &third, true));
}

static void test_the_last_quarter_is_for_the_modest(void) {
        const Charge all = { .calls = 100, .bytes = 100, .descriptors = 100 }, one = { .calls = 1 }, thirty = { .calls = 30 };
        g_autoptr(Quota) quota = quota_new(&all, &(Charge){ .calls = 40, .bytes = 40, .descriptors = 40 });
        quota_take(quota, 1, &thirty);
        g_assert_false(quota_has_room(quota, 1, &one, false));
        g_assert_true(quota_has_room(quota, 1, &one, true));
        g_assert_true(quota_has_room(quota, 1, &(Charge){ .bytes = 30 }, false)); /* of which it has none */
}

static void test_what_was_taken_over_may_be_too_much(void) {
        const Charge all = { .bytes = 100 }, each = { .bytes = 40 }, some = { .bytes = 30 };
        g_autoptr(Quota) quota = quota_new(&all, &each);
        quota_take(quota, 1, &some);
        g_assert_false(quota_is_exceeded(quota, 1));
        quota_take(quota, 1, &some);
        g_assert_true(quota_is_exceeded(quota, 1));
        g_assert_false(quota_is_exceeded(quota, 2));
        quota_give_back(quota, 1, &some);
        g_assert_false(quota_is_exceeded(quota, 1));
}

static void note(void *data) {
        ++*(int *) data;
}

static void test_what_is_given_back_is_told(void) {
        const Charge one = { .calls = 1, .descriptors = 1 };
        g_autoptr(Quota) quota = quota_new(&(Charge){ .calls = 9 }, &(Charge){ .calls = 9 });
        int told = 0;
        quota_watch(quota, note, &told);
        quota_take(quota, 1, &one);
        quota_give_back(quota, 1, &one);
        quota_give_back(quota, 1, &(Charge){ 0 });
        g_assert_cmpint(told, ==, 1);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        begun = g_string_new(NULL);
        g_test_add_func("/fair-queue/users-take-turns", test_users_take_turns);
        g_test_add_func("/fair-queue/a-user-leaves-places-to-others", test_a_user_leaves_places_to_others);
        g_test_add_func("/fair-queue/what-is-to-be-alone-waits", test_what_is_to_be_alone_waits);
        g_test_add_func("/fair-queue/places-can-become-fewer", test_places_can_become_fewer);
        g_test_add_func("/fair-queue/a-turn-may-end-as-it-begins", test_a_turn_may_end_as_it_begins);
        g_test_add_func("/quota/a-user-has-half-of-what-others-leave", test_a_user_has_half_of_what_others_leave);
        g_test_add_func("/quota/the-last-quarter-is-for-the-modest", test_the_last_quarter_is_for_the_modest);
        g_test_add_func("/quota/what-was-taken-over-may-be-too-much", test_what_was_taken_over_may_be_too_much);
        g_test_add_func("/quota/what-is-given-back-is-told", test_what_is_given_back_is_told);
        int result = g_test_run();
        g_string_free(begun, TRUE);
        return result;
}
