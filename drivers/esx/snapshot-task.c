/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/snapshot-task.h"

#include <string.h>

#include "domain/operations/own-snapshot.h"
#include "errors.h"
#include "esx/inventory.h"

/* What is at work on one: a task, or several, one after the other. */
typedef struct SnapshotTask {
        Esx *esx;
        Operation *operation;
        EsxWait *wait;
        bool (*is_told)(struct SnapshotTask *task, const EsxMachine *machine);
        VimReference reference; /* of what is made, or gone back to */
        const char *power;      /* the state that it brings; literal */
        GPtrArray *gone;        /* values of references: what is deleted; of them so many are begun: */
        guint n_begun;
        bool is_done; /* there; it is not told yet */
} SnapshotTask;

static void task_free(SnapshotTask *task) {
        g_hash_table_remove(task->esx->snapshot_tasks, task);
        if (task->wait)
                tasks_forget(task->wait);
        vim_reference_clear(&task->reference);
        if (task->gone)
                g_ptr_array_unref(task->gone);
        g_free(task);
}

static void drop(void *work) {
        task_free(work);
}

/* It is shown what the machine is now: of one that has begun or ended meanwhile that waits for this. */
static void show_again(Esx *esx, const char *uuid) {
        EsxMachine *machine = g_hash_table_lookup(esx->shown, uuid);
        if (!machine)
                return;
        inventory_touch(machine);
        inventory_show(esx, false);
}

static void end(SnapshotTask *task, const GError *error) {
        Esx *esx = task->esx;
        Operation *operation = task->operation;
        const EsxMachine *machine = inventory_of(operation->domain);
        const ToldSnapshot *made = machine ? told_snapshots_find(machine->snapshots, task->reference.value) : NULL;
        g_autofree char *uuid = g_strdup(operation->domain->uuid), *name = made ? g_strdup(made->definition->name) : NULL;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        bool creates = operation_is(operation, &own_snapshot_create_class);
        own_snapshot_set_work(operation, NULL, NULL);
        task_free(task);
        if (!failure && creates && !name)
                virtbus_error_set(&failure, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                  "the snapshot is made there, but it is not among those that are told of");
        if (!failure && creates)
                own_snapshot_created(operation, name);
        else
                operation_finish(operation, failure);
        show_again(esx, uuid);
}

/* True where it has ended. */
static bool settle(SnapshotTask *task, bool is_last) {
        const EsxMachine *machine = inventory_of(task->operation->domain);
        if (!task->is_done || (machine && !is_last && !task->is_told(task, machine)))
                return false;
        end(task, NULL);
        return true;
}

void snapshot_task_settle(Esx *esx, bool is_last) {
        g_autoptr(GList) tasks = g_hash_table_get_keys(esx->snapshot_tasks);
        for (GList *link = tasks; link; link = link->next)
                if (g_hash_table_contains(esx->snapshot_tasks, link->data))
                        settle(link->data, is_last);
}

void snapshot_task_end(Esx *esx, const GError *error) {
        g_autoptr(GList) tasks = g_hash_table_get_keys(esx->snapshot_tasks);
        for (GList *link = tasks; link; link = link->next)
                if (g_hash_table_contains(esx->snapshot_tasks, link->data))
                        end(link->data, error);
}

/* Beginning */

static SnapshotTask *task_new(Operation *operation) {
        Esx *esx = operation->domain->connection->data;
        SnapshotTask *task = g_new0(SnapshotTask, 1);
        *task = (SnapshotTask){ .esx = esx, .operation = operation };
        g_hash_table_add(esx->snapshot_tasks, task);
        own_snapshot_set_work(operation, task, drop);
        return task;
}

/* The machine there; where there is none any more, the operation fails. */
static const EsxMachine *find(SnapshotTask *task) {
        const Domain *domain = task->operation->domain;
        const EsxMachine *machine = inventory_of(domain);
        g_autoptr(GError) error = NULL;
        if (machine && task->esx->vim)
                return machine;
        domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "it is not there any more, or not reached");
        end(task, error);
        return NULL;
}

/* The snapshot that is meant, there. */
static const ToldSnapshot *find_snapshot(SnapshotTask *task) {
        const EsxMachine *machine = find(task);
        g_autoptr(GError) error = NULL;
        if (!machine)
                return NULL;
        const char *name = own_snapshot_name(task->operation);
        const ToldSnapshot *snapshot = told_snapshots_named(machine->snapshots, name);
        if (snapshot)
                return snapshot;
        domain_fail(task->operation->domain, &error, VIRTBUS_ERROR_NO_SUCH_SNAPSHOT, "it has no snapshot '%s' any more", name);
        end(task, error);
        return NULL;
}

static void on_task(void *data, const VimReference *result, const GError *error) {
        SnapshotTask *task = data;
        task->wait = NULL;
        if (error) {
                end(task, error);
                return;
        }
        if (result)
                vim_reference_set(&task->reference, result->type, result->value);
        task->is_done = true;
        settle(task, false);
}

static void put_flag(GString *arguments, const char *name, bool flag) {
        soap_put(arguments, name, NULL, flag ? "true" : "false");
}

/* Making */

static bool is_made(SnapshotTask *task, const EsxMachine *machine) {
        return told_snapshots_find(machine->snapshots, task->reference.value) != NULL;
}

static void create(Operation *operation) {
        SnapshotTask *task = task_new(operation);
        const EsxMachine *machine = find(task);
        const SnapshotDefinition *definition = own_snapshot_definition(operation);
        g_autoptr(GString) arguments = g_string_new(NULL);
        if (!machine)
                return;
        task->is_told = is_made;
        soap_put(arguments, "name", NULL, definition->name);
        if (definition->description)
                soap_put(arguments, "description", NULL, definition->description);
        put_flag(arguments, "memory", own_snapshot_has_memory(operation));
        put_flag(arguments, "quiesce", own_snapshot_quiesces(operation));
        task->wait = tasks_begin(task->esx, "CreateSnapshot_Task", &machine->reference, arguments->str, on_task, task);
}

/* Going back */

static bool is_reverted(SnapshotTask *task, const EsxMachine *machine) {
        return told_snapshots_is_current(machine->snapshots, task->reference.value) &&
               strcmp(inventory_value(machine, MACHINE_POWER), task->power) == 0;
}

static const char *power_of(const SnapshotDefinition *definition) {
        return strcmp(definition->state, "running") == 0  ? MACHINE_ON
               : strcmp(definition->state, "paused") == 0 ? MACHINE_SUSPENDED
                                                          : MACHINE_OFF;
}

static void revert(Operation *operation) {
        SnapshotTask *task = task_new(operation);
        const ToldSnapshot *snapshot = find_snapshot(task);
        if (!snapshot)
                return;
        task->is_told = is_reverted;
        task->power = power_of(snapshot->definition);
        vim_reference_set(&task->reference, snapshot->reference.type, snapshot->reference.value);
        task->wait = tasks_begin(task->esx, "RevertToSnapshot_Task", &snapshot->reference, NULL, on_task, task);
}

/* Deleting */

static bool are_gone(SnapshotTask *task, const EsxMachine *machine) {
        for (guint i = 0; i < task->gone->len; i++)
                if (told_snapshots_find(machine->snapshots, task->gone->pdata[i]))
                        return false;
        return true;
}

static void remove_next(SnapshotTask *task);

static void on_removed(void *data, const VimReference *result, const GError *error) {
        SnapshotTask *task = data;
        (void) result;
        task->wait = NULL;
        if (error)
                end(task, error);
        else
                remove_next(task);
}

static void remove_next(SnapshotTask *task) {
        bool takes_children = own_snapshot_takes_children(task->operation) || own_snapshot_takes_children_only(task->operation);
        g_autoptr(GString) arguments = g_string_new(NULL);
        if (task->n_begun == task->gone->len) {
                task->is_done = true;
                settle(task, false);
                return;
        }
        const VimReference reference = { "VirtualMachineSnapshot", task->gone->pdata[task->n_begun++] };
        put_flag(arguments, "removeChildren", takes_children);
        task->wait = tasks_begin(task->esx, "RemoveSnapshot_Task", &reference, arguments->str, on_removed, task);
}

static void take_out(Operation *operation) {
        SnapshotTask *task = task_new(operation);
        const ToldSnapshot *snapshot = find_snapshot(task);
        if (!snapshot)
                return;
        const ToldSnapshots *all = inventory_of(operation->domain)->snapshots;
        task->is_told = are_gone;
        task->gone = g_ptr_array_new_with_free_func(g_free);
        if (!own_snapshot_takes_children_only(operation))
                g_ptr_array_add(task->gone, g_strdup(snapshot->reference.value));
        for (guint i = 0; own_snapshot_takes_children_only(operation) && i < all->all->len; i++) {
                const ToldSnapshot *child = all->all->pdata[i];
                if (g_strcmp0(child->definition->parent, snapshot->definition->name) == 0)
                        g_ptr_array_add(task->gone, g_strdup(child->reference.value));
        }
        remove_next(task);
}

const HypervisorOwnSnapshots snapshot_task_functions = {
        .create = create,
        .revert = revert,
        .remove = take_out,
};
