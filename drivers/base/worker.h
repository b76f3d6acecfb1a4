/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work that may be slow (files above all) done by threads, its end told to the event loop. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

typedef struct Worker Worker;

/* N_THREADS: 1 keeps the order of what it is given; more let slow work be overtaken. */
Worker *worker_new(sd_event *event, int n_threads, GError **error);

/* How long one that ends waits for the next piece of work to be done, in microseconds: a disk may never answer. */
#define WORKER_END_PATIENCE 5000000

/* Finishes what is queued and tells it. What hangs is left behind, untold. */
void worker_free(Worker *worker);

/* Waits until all work is done, and tells it; false where something hangs, which keeps its data. */
bool worker_finish(Worker *worker);

/* Begins nothing any more: what is at work is finished and told, what waits, and what comes later, is told at once as
 * Cancelled. */
void worker_cancel(Worker *worker);

/* The same without waiting. DRAINED is called in the event loop each time that all is done and told; where that is so already,
 * it is not called. */
void worker_cancel_begin(Worker *worker, void (*drained)(void *data), void *data);

/* Leaves behind, untold, what is at work: nobody waits for it any more. What works holds its own data, and only these. */
void worker_abandon(Worker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Worker, worker_free)

/* Runs WORK(data, error) in a thread, then DONE(data, error or NULL) in the event loop; DONE owns DATA. */
typedef void (*WorkFunction)(void *data, GError **error);
typedef void (*WorkDone)(void *data, const GError *error);
void worker_run(Worker *worker, WorkFunction work, WorkDone done, void *data);

/* The same for work with what a user has handed in, such as descriptors, or has made, such as a file system of theirs, and may
 * let hang: at most WORKER_OF_USER_MAX pieces of one user are at work at once, in a worker that has more threads, so that other
 * users' go on; others of that user wait, and more than WORKER_OF_USER_WAITING_MAX are told at once as LimitExceeded. */
#define WORKER_OF_USER_MAX 4
#define WORKER_OF_USER_WAITING_MAX 256
void worker_run_of(Worker *worker, uid_t user, WorkFunction work, WorkDone done, void *data);

/* The same for what undoes what work has done: it is done also when the worker is cancelled, until that is freed. */
void worker_undo(Worker *worker, WorkFunction work, WorkDone done, void *data);
void worker_undo_of(Worker *worker, uid_t user, WorkFunction work, WorkDone done, void *data);

/* How much is not done and told yet. */
unsigned worker_pending(const Worker *worker);
