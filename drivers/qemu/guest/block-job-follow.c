/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/block-job-follow.h"

#include <string.h>

#include "domain/disk-image-bus.h"
#include "domain/domain-status.h"
#include "qemu/command/node-name.h"
#include "qemu/guest/block-job-end.h"
#include "qemu/guest/block-job-files.h"
#include "qemu/guest/nodes.h"
#include "vtables.h"

/* How often they are asked how far they are, in microseconds. */
#define INTERVAL 250000

static BlockJob *find(Guest *guest, const char *alias) {
        return guest->block_jobs ? g_hash_table_lookup(guest->block_jobs, alias) : NULL;
}

/* Following */

static void send(const BlockJob *job, const char *command) {
        monitor_command(job->guest->monitor, command, json_make("id", 's', job->id, NULL), -1, NULL, NULL);
}

/* Tells QEMU to end it as is wished, once. */
static void ask_to_end(BlockJob *job, bool is_ready) {
        if (job->is_asked || job->wish == WISH_NOTHING || job->stage != BLOCK_JOB_RUNS || (job->wish != WISH_CANCEL && !is_ready))
                return;
        job->is_asked = true;
        if (job->wish == WISH_PIVOT)
                send(job, "job-complete");
        else if (job->wish == WISH_CANCEL)
                send(job, "job-cancel");
        else
                monitor_command(job->guest->monitor, "block-job-cancel",
                                json_make("device", 's', job->id, "force", 'b', FALSE, NULL), -1, NULL, NULL);
}

static void on_finalized(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        (void) answer;
        if (!error)
                block_job_follow(guest);
}

static void on_decided(BlockJob *job, const GError *error) {
        if (error) { /* nothing has changed: QEMU gives up what it has done */
                job->stage = BLOCK_JOB_RUNS;
                job->wish = WISH_CANCEL;
                job->is_asked = true;
                g_clear_error(&job->error);
                job->error = g_error_copy(error);
                send(job, "job-cancel");
                return;
        }
        job->stage = BLOCK_JOB_DECIDED;
        monitor_command(job->guest->monitor, "job-finalize", json_make("id", 's', job->id, NULL), -1, on_finalized, job->guest);
}

/* QEMU waits for our word. */
static void on_pending(BlockJob *job) {
        bool pivots = job->kind == DISK_ACTIVE_COMMIT || job->kind == DISK_COPY;
        if (job->stage == BLOCK_JOB_DECIDED) { /* by the driver before, which ended then */
                on_decided(job, NULL);
                return;
        }
        if (job->stage != BLOCK_JOB_RUNS)
                return;
        if (pivots && job->wish != WISH_PIVOT)
                on_decided(job, NULL);
        else {
                job->stage = BLOCK_JOB_WRITES;
                block_job_end_write(job, on_decided);
        }
}

/* STATUS is QEMU's description of it. */
static void take_status(BlockJob *job, JsonObject *status) {
        const char *state = json_string(status, "status"), *failure = json_string(status, "error");
        bool is_ready = g_strcmp0(state, "ready") == 0 || g_strcmp0(state, "standby") == 0;
        gint64 done = json_int(status, "current-progress", 0), total = json_int(status, "total-progress", 0);
        if (!state || !job->disk_job || job->stage == BLOCK_JOB_ENDS)
                return;
        disk_job_progress(job->disk_job, (uint64_t) MAX(done, 0), (uint64_t) MAX(total, 0));
        if (is_ready)
                disk_job_ready(job->disk_job);
        if (strcmp(state, "pending") == 0)
                on_pending(job);
        else if (strcmp(state, "concluded") == 0) {
                g_autoptr(GError) error = NULL;
                bool finished = job->wish == WISH_FINISH && job->is_asked; /* which QEMU calls cancelled, in the good case too */
                if (failure && !finished)
                        domain_fail(job->guest->domain, &error,
                                    job->wish == WISH_CANCEL ? VIRTBUS_ERROR_CANCELLED : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                    "the %s of disk '%s' %s: %.512s", disk_job_kind_name(job->kind), job->target,
                                    job->wish == WISH_CANCEL ? "was cancelled" : "has failed", failure);
                block_job_end(job, job->error ? job->error : error);
        } else
                ask_to_end(job, is_ready);
}

/* QEMU does not know it: it was never begun, or is another QEMU's. */
static void on_lost(BlockJob *job) {
        g_autoptr(GError) error = NULL;
        if (job->is_changed) { /* what is written is what there is: QEMU forgets a job only when it is told to, after that */
                block_job_end(job, NULL);
                return;
        }
        if (job->is_made)
                block_job_files_remove(job->guest->domain, job->copy.path);
        domain_fail(job->guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its QEMU knows nothing of the %s of disk '%s'",
                    disk_job_kind_name(job->kind), job->target);
        block_job_end(job, job->error ? job->error : error);
}

static void on_jobs(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        g_autoptr(GList) jobs = !error && guest->block_jobs ? g_hash_table_get_values(guest->block_jobs) : NULL;
        for (GList *link = jobs; link; link = link->next) {
                BlockJob *job = link->data;
                JsonObject *status = json_find(json_array(answer, "return"), "id", job->id);
                if (status)
                        take_status(job, status);
                else if (job->disk_job && job->stage != BLOCK_JOB_ENDS && job->stage != BLOCK_JOB_WRITES)
                        on_lost(job);
        }
}

void block_job_follow(Guest *guest) {
        if (guest->block_jobs && g_hash_table_size(guest->block_jobs) > 0)
                monitor_command(guest->monitor, "query-jobs", NULL, -1, on_jobs, guest);
}

static int on_due(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        if (!guest->block_jobs || g_hash_table_size(guest->block_jobs) == 0) {
                guest->block_job_timer = sd_event_source_disable_unref(guest->block_job_timer);
                return 0;
        }
        block_job_follow(guest);
        sd_event_source_set_time(source, usec + INTERVAL);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_status_change(Guest *guest, JsonObject *unused) {
        (void) unused;
        block_job_follow(guest);
        if (!guest->block_job_timer && guest->block_jobs && g_hash_table_size(guest->block_jobs) > 0)
                sd_event_add_time_relative(guest->domain->connection->event, &guest->block_job_timer, CLOCK_MONOTONIC, INTERVAL,
                                           0, on_due, guest);
}

/* What callers ask */

static void wish(DiskJob *disk_job, BlockJobWish what) {
        BlockJob *job = disk_job_data(disk_job);
        if (job->stage != BLOCK_JOB_RUNS || job->is_asked)
                return; /* it is at its end */
        job->wish = what;
        domain_save_status(job->guest->domain);
        block_job_follow(job->guest);
}

void block_job_follow_pivot(DiskJob *disk_job) {
        wish(disk_job, WISH_PIVOT);
}

void block_job_follow_finish(DiskJob *disk_job) {
        wish(disk_job, WISH_FINISH);
}

/* Also one that waits in vain for its end. */
void block_job_follow_cancel(DiskJob *disk_job) {
        BlockJob *job = disk_job_data(disk_job);
        job->is_asked = false;
        wish(disk_job, WISH_CANCEL);
}

/* An answer that a job owes; the guest, and the job with it, may be gone. */
typedef struct Limiting {
        Domain *domain;
        char *alias;
        uint64_t bandwidth;
        Call *call;
} Limiting;

static void limiting_answer(Limiting *limiting, const GError *error) {
        Guest *guest = limiting->domain->run;
        BlockJob *job = guest ? find(guest, limiting->alias) : NULL;
        g_autoptr(GError) gone = NULL;
        if (!job || !job->disk_job)
                domain_fail(limiting->domain, &gone, VIRTBUS_ERROR_CANCELLED, "the job has ended");
        if (gone || error)
                call_fail(limiting->call, error ? error : gone);
        else {
                job->bandwidth = limiting->bandwidth;
                disk_job_limited(job->disk_job, limiting->bandwidth, limiting->call, NULL);
                domain_save_status(limiting->domain);
        }
        domain_unref(limiting->domain);
        g_free(limiting->alias);
        g_free(limiting);
}

static void on_limited(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        limiting_answer(data, error);
}

static void limiting_drop(void *data) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending, or the domain has ended");
        limiting_answer(data, error);
}

void block_job_follow_set_bandwidth(DiskJob *disk_job, uint64_t bandwidth, Call *call) {
        BlockJob *job = disk_job_data(disk_job);
        Limiting *limiting = g_new0(Limiting, 1);
        *limiting = (Limiting){ domain_ref(job->guest->domain), g_strdup(job->alias), bandwidth, call };
        monitor_ask(job->guest->monitor, "block-job-set-speed",
                    json_make("device", 's', job->id, "speed", 'i', (gint64) bandwidth, NULL), on_limited, limiting,
                    limiting_drop);
}

/* Thresholds */

static void on_threshold_set(void *data, JsonObject *answer, const GError *error) {
        Call *call = data;
        (void) answer;
        if (error)
                call_fail(call, error);
        else
                reply_device_disk_image_set_threshold(call);
}

static void drop_call(void *data) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending, or the domain has ended");
        call_fail(data, error);
}

void block_job_follow_set_threshold(Domain *domain, const DeviceDefinition *disk, const DiskImage *image, uint64_t bytes,
                                    Call *call) {
        g_autoptr(GError) error = NULL;
        g_autofree char *node = nodes_name(disk->alias, image->index, "storage");
        if (!guest_check_monitor(domain, &error)) {
                call_fail(call, error);
                return;
        }
        monitor_ask(((Guest *) domain->run)->monitor, "block-set-write-threshold",
                    json_make("node-name", 's', node, "write-threshold", 'i', (gint64) bytes, NULL), on_threshold_set, call,
                    drop_call);
}

static void on_threshold(Guest *guest, JsonObject *arguments) {
        const char *node = json_string(arguments, "node-name");
        gint64 threshold = json_int(arguments, "write-threshold", 0), excess = json_int(arguments, "amount-exceeded", 0);
        for (guint i = 0; node && i < guest->domain->live->devices->len; i++) {
                const DeviceDefinition *disk = guest->domain->live->devices->pdata[i];
                g_autofree char *prefix = node_name_prefix(disk->alias);
                int layer = disk->images ? node_name_layer(prefix, node) : -1,
                    place = layer >= 0 ? disk_chain_place(disk->images, (uint32_t) layer + 1) : -1;
                if (place >= 0)
                        disk_image_tell_threshold(guest->domain, disk->alias, disk->images->pdata[place],
                                                  (uint64_t) MAX(threshold, 0), (uint64_t) MAX(excess, 0));
        }
}

/* QEMU answers an earlier driver's successor: what became of them meanwhile is told by jobs of its own. */
static void found(Guest *guest) {
        g_autoptr(GList) jobs = guest->block_jobs ? g_hash_table_get_values(guest->block_jobs) : NULL;
        for (GList *link = jobs; link; link = link->next) {
                BlockJob *job = link->data;
                if (!job->disk_job)
                        job->disk_job = disk_job_new(guest->domain, job->alias, job->target, job->kind, job->started_by,
                                                     job->bandwidth, job);
                if (job->stage == BLOCK_JOB_ENDS) {
                        g_autoptr(GError) error = g_steal_pointer(&job->error);
                        block_job_end(job, error);
                }
        }
        if (jobs)
                on_status_change(guest, NULL);
}

static void forget(Guest *guest) {
        guest->block_job_timer = sd_event_source_disable_unref(guest->block_job_timer);
}

static const MonitorEvent events[] = {
        { "JOB_STATUS_CHANGE", PHASE_RUNNING, on_status_change },
        { "BLOCK_WRITE_THRESHOLD", PHASE_RUNNING, on_threshold },
        { NULL, 0, NULL },
};

const GuestModule block_job_follow_module = {
        .events = events,
        .resumed = block_job_end_narrow,
        .found = found,
        .forget = forget,
};
