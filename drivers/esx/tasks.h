/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tasks: what takes its time there. The recent ones of the hypervisor are followed, whoever has begun them; who has begun one
 * waits for its end. */

#include "esx/session.h"

/* What is known of one. */
typedef struct EsxTask {
        Esx *esx;
        VimReference reference, entity, result; /* it; what it is done to, and what it has made */
        char *state;                            /* queued, running, success, error */
        char *description, *fault, *text;
        unsigned progress, shown_progress; /* percent */
        bool is_cancelable;
        bool is_followed; /* it is told of; else it was looked at */
        Job *job;         /* that it is shown as (task-jobs.h); or NULL */
} EsxTask;

typedef struct EsxWait EsxWait;

/* How many are kept in mind: VMware's own bound of recent tasks is 200. */
#define TASKS_MAX 4096

void tasks_open(Esx *esx);
void tasks_close(Esx *esx);

/* Has a method of an object begin a task, and calls DONE when that has ended, or could not begin. RESULT: the object that it
 * has made; or NULL. */
typedef void (*TaskDone)(void *data, const VimReference *result, const GError *error);
EsxWait *tasks_begin(Esx *esx, const char *method, const VimReference *object, const char *arguments, TaskDone done, void *data);

/* Nobody is told of it any more; it goes on. */
void tasks_forget(EsxWait *wait);

/* What is told of a task: its state changes, or it is recent no more (CHANGES is NULL). */
void tasks_update(Esx *esx, const char *reference, const xmlNode *object);

/* All that was told is known: those that are waited for, and not among them, are asked for. */
void tasks_check(Esx *esx);

/* The session is over: who waits is told ERROR. */
void tasks_end(Esx *esx, const GError *error);

/* The properties that are followed. */
extern const char *const tasks_properties[];
