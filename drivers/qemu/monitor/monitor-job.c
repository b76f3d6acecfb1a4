/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/monitor-job.h"

#include "errors.h"

/* What waits for an answer may outlive the job: it is the job's questions that are counted. */
struct MonitorJob {
        unsigned n_references;
        Monitor *monitor; /* NULL: nobody wants to know any more */
        char *id;
        bool is_begun, is_asking, asks_again;
        MonitorJobDone done;
        void *data;
};

static void unref(void *data) {
        MonitorJob *job = data;
        if (--job->n_references > 0)
                return;
        g_free(job->id);
        g_free(job);
}

static void ask(MonitorJob *job, const char *command, JsonObject *arguments, MonitorDone done) {
        job->n_references++;
        monitor_ask(job->monitor, command, arguments, done, job, unref);
}

static void end(MonitorJob *job, const GError *error) {
        MonitorJobDone done = job->done;
        if (done) {
                job->done = NULL;
                done(job->data, error);
        }
}

static void query(MonitorJob *job);

static void take(MonitorJob *job, JsonObject *status) {
        g_autoptr(GError) error = NULL;
        const char *failure = json_string(status, "error"), *state = json_string(status, "status");
        if (status && g_strcmp0(state, "concluded") != 0) {
                if (job->asks_again)
                        query(job);
                return;
        }
        if (!status)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU knows nothing of what it was to do");
        else if (failure)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%.512s", failure);
        if (status)
                monitor_command(job->monitor, "job-dismiss", json_make("id", 's', job->id, NULL), -1, NULL, NULL);
        end(job, error);
}

static void on_jobs(void *data, JsonObject *answer, const GError *error) {
        MonitorJob *job = data;
        job->is_asking = false;
        if (job->monitor && job->done) {
                if (error)
                        end(job, error);
                else
                        take(job, json_find(json_array(answer, "return"), "id", job->id));
        }
        unref(job);
}

static void query(MonitorJob *job) {
        job->asks_again = job->is_asking;
        if (job->is_asking || !job->is_begun)
                return;
        job->is_asking = true;
        ask(job, "query-jobs", NULL, on_jobs);
}

static void on_begun(void *data, JsonObject *answer, const GError *error) {
        MonitorJob *job = data;
        (void) answer;
        job->is_begun = true;
        if (job->monitor && error)
                end(job, error);
        else if (job->monitor)
                query(job);
        unref(job);
}

MonitorJob *monitor_job_new(Monitor *monitor, const char *command, JsonObject *arguments, MonitorJobDone done, void *data) {
        MonitorJob *job = g_new0(MonitorJob, 1);
        *job = (MonitorJob){ .n_references = 1, .monitor = monitor, .done = done, .data = data };
        job->id = g_strdup_printf("virtbus-%s-%08x", command, g_random_int());
        json_add(arguments, "job-id", 's', job->id, NULL);
        ask(job, command, arguments, on_begun);
        return job;
}

void monitor_job_free(MonitorJob *job) {
        job->monitor = NULL;
        job->done = NULL;
        unref(job);
}

void monitor_job_told(MonitorJob *job) {
        query(job);
}
