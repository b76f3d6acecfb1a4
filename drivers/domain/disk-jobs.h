/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Jobs on the images of disks that run: one for a disk. What they do is the hypervisor's; here is what others know of them. */

#include "domain/hypervisor.h"

typedef enum DiskJobKind {
        DISK_COMMIT,        /* of images that the guest does not write */
        DISK_ACTIVE_COMMIT, /* of the one that it writes */
        DISK_PULL,
        DISK_COPY,
} DiskJobKind;

const char *disk_job_kind_name(DiskJobKind kind);
bool disk_job_kind_from_name(const char *name, DiskJobKind *kind);

/* Publishes one; DATA is the hypervisor's. BANDWIDTH is its limit in bytes a second, 0 for none. */
DiskJob *disk_job_new(Domain *domain, const char *alias, const char *target, DiskJobKind kind, uid_t started_by,
                      uint64_t bandwidth, void *data);

void *disk_job_data(const DiskJob *job);
const char *disk_job_path(const DiskJob *job);
void disk_job_progress(DiskJob *job, uint64_t done, uint64_t total);
void disk_job_ready(DiskJob *job);

/* Answers SetBandwidth, by its call. */
void disk_job_limited(DiskJob *job, uint64_t bandwidth, Call *call, const GError *error);

/* Ends it: ERROR as job_end. */
void disk_job_end(DiskJob *job, const GError *error);

/* The job of a disk, or NULL. */
const DiskJob *disk_job_find(const Domain *domain, const char *alias);

/* Fails, naming job and disk, where one, or a backup, works on the disk of that alias, or with NULL on any: WHAT is what cannot
 * be done then. */
bool disk_jobs_check_none(const Domain *domain, const char *alias, const char *what, GError **error);
