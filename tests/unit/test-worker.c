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
        return g_test_run();
}
