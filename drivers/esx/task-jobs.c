/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/task-jobs.h"

#include <string.h>

#include "domain/connection-table.h"
#include "errors.h"
#include "esx/inventory.h"
#include "log.h"

/* A task tells its progress in percent. */
#define WHOLE 100

static void on_cancelled(void *data, const GError *error) {
        const Esx *esx = data;
        if (error)
                log_warning("connection %s: a task cannot be cancelled: %s", esx->connection->name, error->message);
}

/* Its end is told as any other. */
static void cancel(Job *job, void *data) {
        const EsxTask *task = data;
        (void) job;
        if (task->esx->vim)
                vim_call(task->esx->vim, &(VimQuestion){ .method = "CancelTask", .object = &task->reference }, on_cancelled,
                         task->esx);
}

/* "VirtualMachine.relocate" is a job "relocate". */
static const char *operation_of(const EsxTask *task) {
        const char *dot = task->description ? strrchr(task->description, '.') : NULL;
        return dot && dot[1] ? dot + 1 : "task";
}

static void begin(EsxTask *task) {
        const Esx *esx = task->esx;
        const EsxMachine *machine = task->entity.value ? g_hash_table_lookup(esx->machines, task->entity.value) : NULL;
        const Domain *domain = machine && machine->uuid ? connection_find(esx->connection, machine->uuid) : NULL;
        if (domain)
                task->job = job_new(esx->connection->objects, esx->connection->name, operation_of(task),
                                    published_path(domain->published), esx->connection->owner,
                                    task->is_cancelable ? cancel : NULL, task);
}

static void show(EsxTask *task) {
        g_autoptr(GError) error = NULL;
        bool is_done = g_strcmp0(task->state, "success") == 0, has_failed = g_strcmp0(task->state, "error") == 0;
        if (!task->job && g_strcmp0(task->state, "running") == 0 && task->is_followed)
                begin(task);
        if (!task->job)
                return;
        if (task->progress != task->shown_progress)
                job_progress(task->job, task->progress, WHOLE);
        task->shown_progress = task->progress;
        if (has_failed)
                vim_fault_set(&error, task->fault ? task->fault : "", task->text);
        if (is_done || has_failed)
                job_end(g_steal_pointer(&task->job), error);
}

void task_jobs_show(Esx *esx) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, esx->tasks);
        while (g_hash_table_iter_next(&iterator, NULL, &value))
                show(value);
}
