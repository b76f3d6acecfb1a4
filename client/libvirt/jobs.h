/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Waiting for the jobs that calls have begun: libvirt's clients wait for the end of the work, not for its beginning. */

#include <gio/gio.h>

typedef struct Jobs Jobs;

/* ERROR is NULL where the job has succeeded; borrowed. */
typedef void (*JobDone)(void *data, const GError *error);

/* Nothing is asked of the bus before jobs_expect. */
Jobs *jobs_new(GDBusConnection *bus);
void jobs_free(Jobs *jobs);

/* To be called before a method that returns a job, so that its end is not missed; and jobs_expected when the method was
 * answered. */
void jobs_expect(Jobs *jobs);
void jobs_expected(Jobs *jobs);

/* Calls DONE once, when the job is completed, which it may be already. To be called before jobs_expected. */
void jobs_wait(Jobs *jobs, const char *path, JobDone done, void *data);
