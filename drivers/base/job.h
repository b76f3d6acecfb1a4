/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Long work as an object, org.virtbus1.Job: it says how far it is, can be cancelled, and ends with one Completed. */

#include "base/objects.h"

typedef struct Job Job;

/* CANCEL is called when someone cancels the job, NULL where it cannot be: then the work ends soon and job_end is called. */
Job *job_new(Objects *objects, const char *connection, const char *operation, const char *object, uid_t started_by,
             void (*cancel)(Job *job, void *data), void *data);

/* The same, with an interface besides: its handlers get the job. */
Job *job_new_with(Objects *objects, const char *connection, const char *operation, const char *object, uid_t started_by,
                  void (*cancel)(Job *job, void *data), void *data, const Vtable *more);

/* Properties of that have changed. */
void job_changed(Job *job, const Vtable *vtable, const int *properties);

const char *job_path(const Job *job);
void *job_data(const Job *job);

/* Tells how far it is, in bytes; a TOTAL of 0 is not known. */
void job_progress(Job *job, uint64_t done, uint64_t total);

/* Ends it; ERROR is NULL where it was done. */
void job_end(Job *job, const GError *error);

/* How many there are. */
unsigned jobs_running(void);
