/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Beginning a job of a guest's QEMU: what is asked for is found out, files are opened by a worker, QEMU is told. */

#include "qemu/guest/block-job.h"

/* The hypervisor's begin. */
void block_job_begin(Operation *operation);

/* Nobody waits any more for what is being opened. */
extern const GuestModule block_job_begin_module;
