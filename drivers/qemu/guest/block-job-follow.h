/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What becomes of the jobs of a guest's QEMU, and what callers ask of them. */

#include "qemu/guest/block-job.h"

/* Asks QEMU what becomes of them. */
void block_job_follow(Guest *guest);

/* Functions of the hypervisor: see there. */
void block_job_follow_pivot(DiskJob *disk_job);
void block_job_follow_finish(DiskJob *disk_job);
void block_job_follow_cancel(DiskJob *disk_job);
void block_job_follow_set_bandwidth(DiskJob *disk_job, uint64_t bandwidth, Call *call);
void block_job_follow_set_threshold(Domain *domain, const DeviceDefinition *disk, const DiskImage *image, uint64_t bytes,
                                    Call *call);

extern const GuestModule block_job_follow_module;
