/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Beginning a job of a guest's QEMU: what is asked for is found out, files are opened by a worker, QEMU is told. */

#include "domain/operations/block-job.h"
#include "qemu/guest/block-job.h"

/* Begins one for the operation at work: REQUEST is read until BEGUN is told of it, or of an ERROR; neither is called where the
 * guest is let go of before. ENDED, which may be NULL: see block-job.h. */
typedef void (*BlockJobBegun)(Guest *guest, const DiskJob *job, const GError *error);
void block_job_ask(Guest *guest, const DiskJobRequest *request, BlockJobBegun begun, BlockJobEnded ended);

/* Whoever has asked has gone: nobody is told, and what does not work yet does not begin. */
void block_job_unask(Guest *guest);

/* The hypervisor's begin. */
void block_job_begin(Operation *operation);

/* Nobody waits any more for what is being opened. */
extern const GuestModule block_job_begin_module;
