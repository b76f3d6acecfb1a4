/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work that may be slow (files above all) done by threads, its end told to the event loop. */

#include <glib.h>
#include <systemd/sd-event.h>

typedef struct Worker Worker;

/* N_THREADS: 1 keeps the order of what it is given; more let slow work be overtaken. */
Worker *worker_new(sd_event *event, int n_threads, GError **error);

/* Finishes what is queued and tells it. */
void worker_free(Worker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Worker, worker_free)

/* Runs WORK(data, error) in a thread, then DONE(data, error or NULL) in the event loop; DONE owns DATA. */
typedef void (*WorkFunction)(void *data, GError **error);
typedef void (*WorkDone)(void *data, const GError *error);
void worker_run(Worker *worker, WorkFunction work, WorkDone done, void *data);

/* How much is not done and told yet. */
unsigned worker_pending(const Worker *worker);
