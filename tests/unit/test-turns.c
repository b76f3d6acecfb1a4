/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/turns.h"
#include "errors.h"

typedef struct Asker {
        Turn *turn;
        bool is_refused;
        unsigned order; /* as which it began */
        bool ends_at_once;
} Asker;

static unsigned n_begun;

static void on_turn(void *data, Turn *turn, const GError *error) {
        Asker *asker = data;
        g_assert_true((turn != NULL) == (error == NULL));
        asker->turn = turn;
        asker->is_refused = error != NULL;
        asker->order = ++n_begun;
        if (turn && asker->ends_at_once)
                turn_end(turn);
}

static void test_one_uuid_and_one_name_are_one_turn(void) {
        Turns *turns = turns_new();
        Asker first = { 0 }, same_uuid = { 0 }, same_name = { 0 }, other = { 0 };
        turns_take(turns, "u1", "n1", on_turn, &first);
        turns_take(turns, "u1", "n2", on_turn, &same_uuid);
        turns_take(turns, "u2", "n1", on_turn, &same_name);
        turns_take(turns, "u3", "n3", on_turn, &other);
        g_assert_nonnull(first.turn);
        g_assert_null(same_uuid.turn);
        g_assert_null(same_name.turn);
        g_assert_nonnull(other.turn);
        g_assert_true(turns_taken(turns, "u1", "x"));
        g_assert_true(turns_taken(turns, "x", "n1"));
        g_assert_false(turns_taken(turns, "n1", "u1"));
        turn_end(first.turn);
        g_assert_nonnull(same_uuid.turn);
        g_assert_nonnull(same_name.turn);
        turn_end(same_name.turn);
        turn_end(other.turn);
        turn_end(same_uuid.turn);
        g_assert_cmpuint(turns_pending(turns), ==, 0);
        turns_free(turns);
}

/* One that waits for two keys is not overtaken at either of them. */
static void test_turns_come_in_the_order_of_the_calls(void) {
        Turns *turns = turns_new();
        Asker askers[4] = { 0 };
        n_begun = 0;
        turns_take(turns, "u1", "n1", on_turn, askers + 0);
        turns_take(turns, "u1", "n2", on_turn, askers + 1);
        turns_take(turns, "u2", "n2", on_turn, askers + 2);
        askers[2].ends_at_once = askers[3].ends_at_once = true;
        turns_take(turns, "u2", "n3", on_turn, askers + 3);
        g_assert_cmpuint(n_begun, ==, 1);
        turn_end(askers[0].turn);
        g_assert_cmpuint(n_begun, ==, 2);
        turn_end(askers[1].turn);
        for (unsigned i = 0; i < G_N_ELEMENTS(askers); i++)
                g_assert_cmpuint(askers[i].order, ==, i + 1);
        turns_free(turns);
}

static void test_who_waits_when_all_ends_is_told(void) {
        Turns *turns = turns_new();
        Asker first = { 0 }, waits = { 0 }, late = { 0 };
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the end");
        turns_take(turns, "u", "n", on_turn, &first);
        turns_take(turns, "u", "n", on_turn, &waits);
        turns_cancel(turns, error);
        g_assert_true(waits.is_refused);
        turns_take(turns, "v", "m", on_turn, &late);
        g_assert_true(late.is_refused);
        g_assert_false(first.is_refused);
        turn_end(first.turn);
        turns_free(turns);
}

static void test_those_who_wait_are_bounded(void) {
        Turns *turns = turns_new();
        Asker first = { 0 }, last = { 0 };
        g_autofree Asker *askers = g_new0(Asker, TURNS_WAITING_MAX);
        turns_take(turns, "u", "n", on_turn, &first);
        for (size_t i = 0; i < TURNS_WAITING_MAX; i++) {
                askers[i].ends_at_once = true;
                turns_take(turns, "u", "n", on_turn, askers + i);
        }
        turns_take(turns, "u", "n", on_turn, &last);
        g_assert_true(last.is_refused);
        turn_end(first.turn);
        g_assert_cmpuint(turns_pending(turns), ==, 0);
        turns_free(turns);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/turns/one-uuid-and-one-name-are-one-turn", test_one_uuid_and_one_name_are_one_turn);
        g_test_add_func("/turns/come-in-the-order-of-the-calls", test_turns_come_in_the_order_of_the_calls);
        g_test_add_func("/turns/who-waits-when-all-ends-is-told", test_who_waits_when_all_ends_is_told);
        g_test_add_func("/turns/those-who-wait-are-bounded", test_those_who_wait_are_bounded);
        return g_test_run();
}
