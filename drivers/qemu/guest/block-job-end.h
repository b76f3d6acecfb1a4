/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of a job of a guest's QEMU: what it changes is written, and what it needed is removed. */

#include "qemu/guest/block-job.h"

/* Writes what the disk's images will be into the definition, the running document and the status, then calls DONE, unless the job
 * is gone before: with an ERROR nothing is changed. */
typedef void (*BlockJobWritten)(BlockJob *job, const GError *error);
void block_job_end_write(BlockJob *job, BlockJobWritten done);

/* It has ended, with QEMU's ERROR or NULL: removes what is no longer needed, then tells its end, and drops it. */
void block_job_end(BlockJob *job, const GError *error);

/* The guest runs on: images that were written meanwhile are only read again. */
void block_job_end_narrow(Guest *guest);
