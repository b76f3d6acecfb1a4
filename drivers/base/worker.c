/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/worker.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "bus.h"
#include "errors.h"
#include "log.h"

/* Whose work it is. */
typedef struct User {
        unsigned n_at_work;
        GQueue waiting; /* struct Work */
} User;

struct Worker {
        GThreadPool *pool;
        GHashTable *users;     /* ID -> User: those that something is done for */
        GAsyncQueue *finished; /* struct Work */
        int wake;              /* eventfd */
        sd_event_source *source;
        unsigned n_pending;
        int is_cancelled; /* atomic */
        bool is_abandoned;
        void (*drained)(void *data); /* or NULL */
        void *data;
};

typedef struct Work {
        WorkFunction work;
        WorkDone done;
        void *data;
        GError *error;
        bool undoes; /* also when the worker is cancelled */
        uid_t user;  /* where it is somebody's: */
        User *whose; /* or NULL */
} Work;

static void set_cancelled(GError **error) {
        virtbus_error_set(error, VIRTBUS_ERROR_CANCELLED, "the driver, or the connection, is ending");
}

static void work_in_thread(void *item, void *data) {
        Work *work = item;
        Worker *worker = data;
        if (g_atomic_int_get(&worker->is_cancelled) && !work->undoes)
                set_cancelled(&work->error);
        else
                work->work(work->data, &work->error);
        g_async_queue_push(worker->finished, work);
        eventfd_write(worker->wake, 1);
}

static void begin(Worker *worker, Work *work) {
        work->whose->n_at_work++;
        g_thread_pool_push(worker->pool, work, NULL);
}

/* The next of the same user has its turn. */
static void leave(Worker *worker, const Work *work) {
        User *user = work->whose;
        user->n_at_work--;
        Work *next = g_queue_pop_head(&user->waiting);
        if (next)
                begin(worker, next);
        else if (user->n_at_work == 0)
                g_hash_table_remove(worker->users, GUINT_TO_POINTER(work->user));
}

/* What waits for its turn waits for what may hang. */
static void cancel_waiting(Worker *worker) {
        GHashTableIter iterator;
        gpointer value;
        g_hash_table_iter_init(&iterator, worker->users);
        while (g_hash_table_iter_next(&iterator, NULL, &value))
                for (Work *work; (work = g_queue_pop_head(&((User *) value)->waiting));) {
                        set_cancelled(&work->error);
                        work->whose = NULL;
                        g_async_queue_push(worker->finished, work);
                        eventfd_write(worker->wake, 1);
                }
}

static void finish(Worker *worker, Work *work) {
        worker->n_pending--;
        if (work->whose)
                leave(worker, work);
        work->done(work->data, work->error);
        g_clear_error(&work->error);
        g_free(work);
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *data) {
        Worker *worker = data;
        eventfd_t count;
        (void) source;
        (void) events;
        eventfd_read(fd, &count);
        for (Work *work; (work = g_async_queue_try_pop(worker->finished));)
                finish(worker, work);
        if (worker->n_pending == 0 && worker->drained)
                worker->drained(worker->data);
        return 0;
}

Worker *worker_new(sd_event *event, int n_threads, GError **error) {
        g_autoptr(Worker) worker = g_new0(Worker, 1);
        worker->finished = g_async_queue_new();
        worker->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        int r = worker->wake < 0 ? -errno : sd_event_add_io(event, &worker->source, worker->wake, EPOLLIN, on_wake, worker);
        if (r < 0) {
                virtbus_error_set_errno(error, -r, "cannot create threads");
                return NULL;
        }
        worker->pool = g_thread_pool_new(work_in_thread, worker, n_threads, FALSE, error);
        return worker->pool ? g_steal_pointer(&worker) : NULL;
}

bool worker_finish(Worker *worker) {
        while (worker->n_pending > 0) {
                if (worker->is_abandoned)
                        return false;
                Work *work = g_async_queue_timeout_pop(worker->finished, WORKER_END_PATIENCE);
                if (!work)
                        return false;
                finish(worker, work);
        }
        return true;
}

void worker_free(Worker *worker) {
        worker->source = sd_event_source_disable_unref(worker->source);
        if (worker->pool && !worker_finish(worker)) {
                log_warning("%u files have not answered for %d seconds: the driver ends without them", worker->n_pending,
                            WORKER_END_PATIENCE / 1000000);
                return;
        }
        if (worker->pool)
                g_thread_pool_free(worker->pool, FALSE, TRUE);
        autofd_close(&worker->wake);
        g_hash_table_unref(worker->users);
        g_async_queue_unref(worker->finished);
        g_free(worker);
}

void worker_cancel_begin(Worker *worker, void (*drained)(void *data), void *data) {
        worker->drained = drained;
        worker->data = data;
        g_atomic_int_set(&worker->is_cancelled, 1);
        cancel_waiting(worker);
}

void worker_abandon(Worker *worker) {
        worker->is_abandoned = true;
        worker->drained = NULL;
        sd_event_source_set_enabled(worker->source, SD_EVENT_OFF);
}

void worker_cancel(Worker *worker) {
        g_atomic_int_set(&worker->is_cancelled, 1);
        cancel_waiting(worker);
        worker_finish(worker);
}

/* NULL where it is cancelled, and told so. */
static Work *work_new(Worker *worker, WorkFunction function, WorkDone done, void *data, bool undoes) {
        if (g_atomic_int_get(&worker->is_cancelled) && !undoes) {
                g_autoptr(GError) error = NULL;
                set_cancelled(&error);
                done(data, error);
                return NULL;
        }
        Work *work = g_new0(Work, 1);
        *work = (Work){ .work = function, .done = done, .data = data, .undoes = undoes };
        worker->n_pending++;
        return work;
}

void worker_run(Worker *worker, WorkFunction function, WorkDone done, void *data) {
        Work *work = work_new(worker, function, done, data, false);
        if (work)
                g_thread_pool_push(worker->pool, work, NULL);
}

void worker_undo(Worker *worker, WorkFunction function, WorkDone done, void *data) {
        g_thread_pool_push(worker->pool, work_new(worker, function, done, data, true), NULL);
}

static void run_of(Worker *worker, uid_t id, WorkFunction function, WorkDone done, void *data, bool undoes) {
        User *user = g_hash_table_lookup(worker->users, GUINT_TO_POINTER(id));
        if (user && g_queue_get_length(&user->waiting) >= WORKER_OF_USER_WAITING_MAX) {
                g_autoptr(GError) error = NULL;
                virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                  "%d files of user %u are waited for, and more are not; see whether their file system answers",
                                  WORKER_OF_USER_WAITING_MAX, (unsigned) id);
                done(data, error);
                return;
        }
        Work *work = work_new(worker, function, done, data, undoes);
        if (!work)
                return;
        if (!user) {
                user = g_new0(User, 1);
                g_hash_table_insert(worker->users, GUINT_TO_POINTER(id), user);
        }
        work->user = id;
        work->whose = user;
        if (user->n_at_work < WORKER_OF_USER_MAX)
                begin(worker, work);
        else
                g_queue_push_tail(&user->waiting, work);
}

void worker_run_of(Worker *worker, uid_t id, WorkFunction function, WorkDone done, void *data) {
        run_of(worker, id, function, done, data, false);
}

void worker_undo_of(Worker *worker, uid_t id, WorkFunction function, WorkDone done, void *data) {
        run_of(worker, id, function, done, data, true);
}

unsigned worker_pending(const Worker *worker) {
        return worker->n_pending;
}
