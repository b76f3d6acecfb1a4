/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/disk-jobs.h"

#include <string.h>

#include "domain/backup.h"
#include "domain/connection.h"
#include "errors.h"
#include "vtables.h"

struct DiskJob {
        Domain *domain;
        char *alias, *target;
        DiskJobKind kind;
        bool ready;
        uint64_t bandwidth;
        void *data;
        Job *job;
};

JOB_DISK_VTABLE(Job, bus);

static const char *const kind_names[] = {
        [DISK_COMMIT] = "commit",
        [DISK_ACTIVE_COMMIT] = "active-commit",
        [DISK_PULL] = "pull",
        [DISK_COPY] = "copy",
};

const char *disk_job_kind_name(DiskJobKind kind) {
        return kind_names[kind];
}

bool disk_job_kind_from_name(const char *name, DiskJobKind *kind) {
        for (size_t i = 0; name && i < G_N_ELEMENTS(kind_names); i++)
                if (strcmp(kind_names[i], name) == 0) {
                        *kind = (DiskJobKind) i;
                        return true;
                }
        return false;
}

static const HypervisorDiskJobs *jobs_of(const DiskJob *self) {
        return self->domain->connection->hypervisor->disk_jobs;
}

static bool fail(Call *call, const DiskJob *self, const char *what) {
        g_autoptr(GError) error = NULL;
        domain_fail(self->domain, &error, VIRTBUS_ERROR_UNSUPPORTED, "the %s of disk '%s' %s", kind_names[self->kind],
                    self->target, what);
        call_fail(call, error);
        return false;
}

static void bus_pivot(Call *call, Job *job) {
        DiskJob *self = job_data(job);
        if (self->kind != DISK_ACTIVE_COMMIT && self->kind != DISK_COPY) {
                fail(call, self, "ends by itself: there is nothing to pivot to");
                return;
        }
        reply_job_disk_pivot(call);
        jobs_of(self)->pivot(self);
}

static void bus_finish(Call *call, Job *job) {
        DiskJob *self = job_data(job);
        if (self->kind != DISK_COPY) {
                fail(call, self, "is not a copy: use Job.Cancel to give it up");
                return;
        }
        reply_job_disk_finish(call);
        jobs_of(self)->finish(self);
}

static void bus_set_bandwidth(Call *call, Job *job, uint64_t bandwidth) {
        DiskJob *self = job_data(job);
        g_autoptr(GError) error = NULL;
        if (bandwidth > INT64_MAX) {
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "a bandwidth of %" G_GUINT64_FORMAT " bytes is too much", bandwidth);
                call_fail(call, error);
                return;
        }
        jobs_of(self)->set_bandwidth(self, bandwidth, call);
}

static const char *bus_get_target(const Job *job) {
        return ((const DiskJob *) job_data(job))->target;
}

static bool bus_get_ready(const Job *job) {
        return ((const DiskJob *) job_data(job))->ready;
}

static uint64_t bus_get_bandwidth(const Job *job) {
        return ((const DiskJob *) job_data(job))->bandwidth;
}

static void cancel(Job *job, void *data) {
        DiskJob *self = data;
        (void) job;
        jobs_of(self)->cancel(self);
}

DiskJob *disk_job_new(Domain *domain, const char *alias, const char *target, DiskJobKind kind, uid_t started_by,
                      uint64_t bandwidth, void *data) {
        DiskJob *self = g_new0(DiskJob, 1);
        g_autofree char *path = domain_device_path(domain, alias);
        *self = (DiskJob){
                .domain = domain,
                .alias = g_strdup(alias),
                .target = g_strdup(target),
                .kind = kind,
                .bandwidth = bandwidth,
                .data = data,
        };
        self->job = job_new_with(domain->connection->objects, domain->connection->name, kind_names[kind], path, started_by,
                                 cancel, self, &bus_vtable);
        if (!domain->disk_jobs)
                domain->disk_jobs = g_hash_table_new(g_str_hash, g_str_equal);
        g_hash_table_insert(domain->disk_jobs, self->alias, self);
        domain_announce_disk_jobs(domain);
        return self;
}

void *disk_job_data(const DiskJob *self) {
        return self->data;
}

const char *disk_job_path(const DiskJob *self) {
        return job_path(self->job);
}

void disk_job_progress(DiskJob *self, uint64_t done, uint64_t total) {
        job_progress(self->job, done, total);
}

void disk_job_ready(DiskJob *self) {
        if (self->ready)
                return;
        self->ready = true;
        job_changed(self->job, &bus_vtable, (const int[]){ JOB_DISK_READY, -1 });
        domain_announce_disk_job(self->domain, self->alias, kind_names[self->kind], "ready", "");
}

void disk_job_limited(DiskJob *self, uint64_t bandwidth, Call *call, const GError *error) {
        if (error) {
                call_fail(call, error);
                return;
        }
        self->bandwidth = bandwidth;
        job_changed(self->job, &bus_vtable, (const int[]){ JOB_DISK_BANDWIDTH, -1 });
        reply_job_disk_set_bandwidth(call);
}

void disk_job_end(DiskJob *self, const GError *error) {
        Domain *domain = self->domain;
        bool was_cancelled = error && virtbus_error_code(error) == VIRTBUS_ERROR_CANCELLED;
        g_hash_table_remove(domain->disk_jobs, self->alias);
        domain_announce_disk_jobs(domain);
        domain_announce_disk_job(domain, self->alias, kind_names[self->kind],
                                 !error          ? "completed"
                                 : was_cancelled ? "cancelled"
                                                 : "failed",
                                 error ? error->message : "");
        job_end(self->job, error);
        g_free(self->alias);
        g_free(self->target);
        g_free(self);
}

const DiskJob *disk_job_find(const Domain *domain, const char *alias) {
        return domain->disk_jobs ? g_hash_table_lookup(domain->disk_jobs, alias) : NULL;
}

/* A backup works on its disks too. */
static bool check_backup(const Domain *domain, const char *alias, const char *what, GError **error) {
        const DeviceDefinition *disk = alias && domain->live ? definition_find_device(domain->live, alias) : NULL;
        return (alias && !disk) || backup_check_none(domain, disk ? disk->target : NULL, what, error);
}

bool disk_jobs_check_none(const Domain *domain, const char *alias, const char *what, GError **error) {
        GHashTableIter iterator;
        void *found = NULL;
        if (domain->disk_jobs)
                g_hash_table_iter_init(&iterator, domain->disk_jobs);
        while (domain->disk_jobs && g_hash_table_iter_next(&iterator, NULL, &found)) {
                const DiskJob *job = found;
                if (!alias || strcmp(job->alias, alias) == 0)
                        return domain_fail(domain, error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                           "a job works on disk '%s' (%s, %s): wait until it has ended, or cancel it, before %s",
                                           job->target, kind_names[job->kind], disk_job_path(job), what);
        }
        return check_backup(domain, alias, what, error);
}
