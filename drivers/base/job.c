/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/job.h"

#include <inttypes.h>

#include "errors.h"
#include "paths.h"
#include "vtables.h"

struct Job {
        Published *published;
        char *operation, *object;
        uid_t started_by;
        uint64_t done, total;
        void (*cancel)(Job *job, void *data);
        void *data;
};

static unsigned n_jobs;

JOB_VTABLE(Job, bus);

static void bus_cancel(Call *call, Job *self) {
        if (!self->cancel) {
                g_autoptr(GError) error = NULL;
                virtbus_error_set(&error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "job %s: a %s cannot be stopped once it has begun; wait for Completed", job_path(self),
                                  self->operation);
                call_fail(call, error);
                return;
        }
        reply_job_cancel(call);
        self->cancel(self, self->data);
}

static const char *bus_get_operation(const Job *self) {
        return self->operation;
}

static const char *bus_get_object(const Job *self) {
        return self->object;
}

static uint32_t bus_get_started_by(const Job *self) {
        return self->started_by;
}

static bool bus_get_cancellable(const Job *self) {
        return self->cancel != NULL;
}

static uint64_t bus_get_bytes_done(const Job *self) {
        return self->done;
}

static uint64_t bus_get_bytes_total(const Job *self) {
        return self->total;
}

static double bus_get_progress(const Job *self) {
        return self->total > 0 ? MIN((double) self->done / (double) self->total, 1.0) : 0.0;
}

Job *job_new_with(Objects *objects, const char *connection, const char *operation, const char *object, uid_t started_by,
                  void (*cancel)(Job *job, void *data), void *data, const Vtable *more) {
        static uint64_t number;
        const Vtable *const vtables[] = { &bus_vtable, more, NULL };
        /* A number is not used again by this process's successor: nobody starts a million jobs a second. */
        if (number == 0)
                number = (uint64_t) g_get_real_time();
        Job *job = g_new0(Job, 1);
        job->operation = g_strdup(operation);
        job->object = g_strdup(object);
        job->started_by = started_by;
        job->cancel = cancel;
        job->data = data;
        g_autofree char *path = g_strdup_printf(JOB_PATH "/%s_%" PRIu64, connection, number++);
        job->published = objects_publish(objects, path, job, vtables);
        n_jobs++;
        return job;
}

Job *job_new(Objects *objects, const char *connection, const char *operation, const char *object, uid_t started_by,
             void (*cancel)(Job *job, void *data), void *data) {
        return job_new_with(objects, connection, operation, object, started_by, cancel, data, NULL);
}

void job_changed(Job *job, const Vtable *vtable, const int *properties) {
        published_changed(job->published, vtable, properties);
}

const char *job_path(const Job *job) {
        return published_path(job->published);
}

void *job_data(const Job *job) {
        return job->data;
}

void job_progress(Job *job, uint64_t done, uint64_t total) {
        job->done = done;
        job->total = total;
        published_changed(job->published, &bus_vtable, (const int[]){ JOB_BYTES_DONE, JOB_BYTES_TOTAL, JOB_PROGRESS, -1 });
}

void job_end(Job *job, const GError *error) {
        const char *name = "";
        if (error)
                name = virtbus_error_name_of(error);
        published_emit(job->published, bus_vtable.info, "Completed", "bss", error == NULL, name, error ? error->message : "");
        published_withdraw(job->published);
        g_free(job->operation);
        g_free(job->object);
        g_free(job);
        n_jobs--;
}

unsigned jobs_running(void) {
        return n_jobs;
}
