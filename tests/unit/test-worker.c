/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "base/worker.h"
#include "errors.h"

typedef struct Piece {
        int pipe;  /* read from until its end, or -1 */
        int begun; /* atomic */
        bool worked, is_told, is_cancelled;
} Piece;

static void work(void *data, GError **error) {
        Piece *piece = data;
        char byte;
        (void) error;
        g_atomic_int_set(&piece->begun, 1);
        piece->worked = piece->pipe < 0 || read(piece->pipe, &byte, 1) == 0;
}

static void done(void *data, const GError *error) {
        Piece *piece = data;
        piece->is_told = true;
        piece->is_cancelled = g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_CANCELLED);
}

static Worker *new_worker(sd_event **event) {
        g_autoptr(GError) error = NULL;
        g_assert_cmpint(sd_event_new(event), >=, 0);
        Worker *worker = worker_new(*event, 1, &error);
        g_assert_no_error(error);
        return worker;
}

static void *close_later(void *data) {
        close(GPOINTER_TO_INT(data));
        return NULL;
}

/* What is at work is finished; what waits does not begin; both are told. */
static void test_who_is_cancelled_begins_nothing(void) {
        sd_event *event;
        int ends[2];
        Worker *worker = new_worker(&event);
        g_assert_cmpint(pipe(ends), ==, 0);
        Piece first = { .pipe = ends[0] }, waits = { .pipe = -1 }, late = { .pipe = -1 };
        worker_run(worker, work, done, &first);
        worker_run(worker, work, done, &waits);
        while (!g_atomic_int_get(&first.begun))
                g_thread_yield();
        GThread *thread = g_thread_new("closes", close_later, GINT_TO_POINTER(ends[1]));
        worker_cancel(worker);
        g_thread_join(thread);
        worker_run(worker, work, done, &late);
        g_assert_true(first.worked && first.is_told && !first.is_cancelled);
        g_assert_true(late.is_told && late.is_cancelled && !late.worked);
        g_assert_true(waits.is_told);
        g_assert_true(waits.is_cancelled == !waits.worked);
        g_assert_cmpuint(worker_pending(worker), ==, 0);
        worker_free(worker);
        close(ends[0]);
        sd_event_unref(event);
}

static void test_who_is_freed_finishes_all(void) {
        sd_event *event;
        Worker *worker = new_worker(&event);
        Piece pieces[64] = { 0 };
        for (size_t i = 0; i < G_N_ELEMENTS(pieces); i++) {
                pieces[i].pipe = -1;
                worker_run(worker, work, done, pieces + i);
        }
        worker_free(worker);
        for (size_t i = 0; i < G_N_ELEMENTS(pieces); i++)
                g_assert_true(pieces[i].worked && pieces[i].is_told && !pieces[i].is_cancelled);
        sd_event_unref(event);
}

static void *close_ends(void *data) {
        const int *ends = data;
        for (size_t i = 0; i < WORKER_OF_USER_MAX; i++)
                close(ends[i]);
        return NULL;
}

/* What one user lets hang has as many threads as it may; others of that user wait, up to a number, and other users' work goes
 * on. */
static void test_one_user_holds_up_no_other(void) {
        sd_event *event;
        g_autoptr(GError) error = NULL;
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        Worker *worker = worker_new(event, WORKER_OF_USER_MAX + 2, &error);
        g_assert_no_error(error);
        int writers[WORKER_OF_USER_MAX], readers[WORKER_OF_USER_MAX], pair[2];
        Piece hanging[WORKER_OF_USER_MAX] = { 0 }, others = { .pipe = -1 }, late = { .pipe = -1 };
        g_autofree Piece *waiting = g_new0(Piece, WORKER_OF_USER_WAITING_MAX);
        for (size_t i = 0; i < G_N_ELEMENTS(hanging); i++) {
                g_assert_cmpint(pipe(pair), ==, 0);
                hanging[i].pipe = readers[i] = pair[0];
                writers[i] = pair[1];
                worker_run_of(worker, 1000, work, done, hanging + i);
        }
        for (size_t i = 0; i < WORKER_OF_USER_WAITING_MAX; i++) {
                waiting[i].pipe = -1;
                worker_run_of(worker, 1000, work, done, waiting + i);
        }
        worker_run_of(worker, 1000, work, done, &late);
        g_assert_true(late.is_told && !late.worked && !late.is_cancelled);
        worker_run_of(worker, 1001, work, done, &others);
        while (!others.is_told)
                sd_event_run(event, UINT64_MAX);
        g_assert_true(others.worked);
        for (size_t i = 0; i < WORKER_OF_USER_WAITING_MAX; i++)
                g_assert_false(waiting[i].is_told || g_atomic_int_get(&waiting[i].begun));
        GThread *thread = g_thread_new("closes", close_ends, writers);
        while (worker_pending(worker) > 0)
                sd_event_run(event, UINT64_MAX);
        g_thread_join(thread);
        for (size_t i = 0; i < WORKER_OF_USER_WAITING_MAX; i++)
                g_assert_true(waiting[i].worked && waiting[i].is_told);
        for (size_t i = 0; i < G_N_ELEMENTS(hanging); i++) {
                g_assert_true(hanging[i].worked && hanging[i].is_told);
                close(readers[i]);
        }
        worker_free(worker);
        sd_event_unref(event);
}

/* What waits for its user's turn is told at once, though what is before it hangs. */
static void test_who_waits_for_a_turn_is_cancelled(void) {
        sd_event *event;
        g_autoptr(GError) error = NULL;
        int pair[2];
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        Worker *worker = worker_new(event, WORKER_OF_USER_MAX + 1, &error);
        g_assert_no_error(error);
        g_assert_cmpint(pipe(pair), ==, 0);
        Piece hanging[WORKER_OF_USER_MAX] = { 0 }, waits = { .pipe = -1 };
        for (size_t i = 0; i < G_N_ELEMENTS(hanging); i++) {
                hanging[i].pipe = pair[0];
                worker_run_of(worker, 1000, work, done, hanging + i);
        }
        worker_run_of(worker, 1000, work, done, &waits);
        worker_cancel_begin(worker, NULL, NULL);
        while (!waits.is_told)
                sd_event_run(event, UINT64_MAX);
        g_assert_true(waits.is_cancelled && !waits.worked);
        close(pair[1]);
        worker_free(worker);
        close(pair[0]);
        sd_event_unref(event);
}

/* A disk that never answers does not keep a program from ending. */
static void test_what_hangs_is_left_behind(void) {
        sd_event *event;
        int ends[2];
        Worker *worker = new_worker(&event);
        g_assert_cmpint(pipe(ends), ==, 0);
        Piece hangs = { .pipe = ends[0] };
        worker_run(worker, work, done, &hangs);
        while (!g_atomic_int_get(&hangs.begun))
                g_thread_yield();
        worker_cancel(worker);
        g_assert_false(hangs.is_told);
        close(ends[1]);
        worker_free(worker);
        g_assert_true(hangs.is_told && !hangs.is_cancelled);
        close(ends[0]);
        sd_event_unref(event);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/worker/who-is-cancelled-begins-nothing", test_who_is_cancelled_begins_nothing);
        g_test_add_func("/worker/who-is-freed-finishes-all", test_who_is_freed_finishes_all);
        g_test_add_func("/worker/what-hangs-is-left-behind", test_what_hangs_is_left_behind);
        g_test_add_func("/worker/one-user-holds-up-no-other", test_one_user_holds_up_no_other);
        g_test_add_func("/worker/who-waits-for-a-turn-is-cancelled", test_who_waits_for_a_turn_is_cancelled);
        return g_test_run();
}
