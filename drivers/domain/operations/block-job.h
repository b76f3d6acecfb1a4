/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Beginning a job on the images of a disk. It is an operation until the hypervisor works on it; the job then goes on by itself
 * (disk-jobs.h), and other operations with it. */

#include "domain/disk-jobs.h"
#include "domain/operation.h"

/* What is asked for. */
typedef struct DiskJobRequest {
        DiskJobKind kind;
        char *alias, *target;
        char *base, *top;    /* COMMIT, PULL: names of images, "" as the methods say */
        char *path, *format; /* COPY */
        bool shallow, reuse;
        bool pivots; /* by itself, when it is ready */
        bool synchronous;
        uint64_t bandwidth, buffer;
        uint32_t granularity;
        uid_t started_by;
} DiskJobRequest;

extern const OperationClass block_job_class;

/* REQUEST's strings are taken. */
Operation *block_job_new(Call *call, const DiskJobRequest *request);

/* That of an operation. The hypervisor may turn a commit into an active one. */
DiskJobRequest *block_job_request(Operation *operation);

/* The hypervisor works on it: JOB is what is answered. */
void block_job_begun(Operation *operation, const DiskJob *job);
