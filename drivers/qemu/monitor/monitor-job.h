/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A command of QEMU's that is a job: it is sent, waited for, and forgotten by QEMU when its outcome is known. Events are only
 * the reason to ask how far it is. */

#include "qemu/monitor/monitor.h"

typedef struct MonitorJob MonitorJob;

/* Sends one; "job-id" is added to ARGUMENTS, which are taken. DONE is called once, with QEMU's words or NULL, and frees the job
 * by monitor_job_free; it is not called where that is done before. */
typedef void (*MonitorJobDone)(void *data, const GError *error);
MonitorJob *monitor_job_new(Monitor *monitor, const char *command, JsonObject *arguments, MonitorJobDone done, void *data);
void monitor_job_free(MonitorJob *job);

/* JOB_STATUS_CHANGE has come, of whatever job. */
void monitor_job_told(MonitorJob *job);
