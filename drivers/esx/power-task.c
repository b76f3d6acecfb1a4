/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/power-task.h"

#include <string.h>

#include "domain/connection.h"
#include "domain/domain-run.h"
#include "domain/operations/power.h"
#include "domain/operations/start.h"
#include "errors.h"
#include "esx/inventory.h"

/* Its task has ended: the operation has when the state is told, too. */
static void on_task(void *data, const VimReference *result, const GError *error) {
        EsxRun *run = data;
        (void) result;
        run->wait = NULL;
        if (error) {
                inventory_end_operation(run, error);
                return;
        }
        EsxMachine *machine = inventory_of(run->domain);
        run->is_done = true;
        if (!run->expected || !machine || strcmp(inventory_value(machine, MACHINE_POWER), run->expected) == 0)
                inventory_end_operation(run, NULL);
        else
                inventory_touch(machine);
}

/* The machine there; where there is none any more, the operation fails. */
static EsxMachine *find(EsxRun *run) {
        EsxMachine *machine = inventory_of(run->domain);
        g_autoptr(GError) error = NULL;
        if (machine && machine->esx->vim)
                return machine;
        domain_fail(run->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "it is not there any more, or not reached");
        inventory_end_operation(run, error);
        return NULL;
}

static void operate(Operation *operation, const char *method, const char *expected) {
        EsxRun *run = inventory_run(operation->domain);
        run->operation = operation;
        EsxMachine *machine = find(run);
        if (!machine)
                return;
        run->expected = expected;
        run->is_done = false;
        run->wait = tasks_begin(machine->esx, method, &machine->reference, NULL, on_task, run);
}

void power_task_start(Operation *operation) {
        g_autoptr(GError) error = NULL;
        Domain *domain = operation->domain;
        if (!domain->persistent)
                domain_fail(domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "VMware keeps every machine; use DefineDomain and Start instead of CreateDomain");
        else if (start_is_paused(operation))
                domain_fail(domain, &error, VIRTBUS_ERROR_UNSUPPORTED, "VMware starts no machine paused; leave the option out");
        if (error)
                operation_finish(operation, error);
        else
                operate(operation, "PowerOnVM_Task", MACHINE_ON);
}

/* It runs already, and is shown so now. */
void power_task_reattach(Operation *operation, xmlNode *saved) {
        Domain *domain = operation->domain;
        const EsxMachine *machine = inventory_of(domain);
        (void) saved;
        inventory_run(domain);
        bool is_suspended = machine && strcmp(inventory_value(machine, MACHINE_POWER), MACHINE_SUSPENDED) == 0;
        domain_changed(domain, is_suspended ? DOMAIN_PAUSED : DOMAIN_RUNNING, REASON_UNKNOWN);
        operation_finish(operation, NULL);
}

void power_task_save(const Domain *domain, xmlNode *saved) {
        (void) domain; /* the hypervisor knows */
        (void) saved;
}

/* Its end */

static void on_powered_off(void *data, const VimReference *result, const GError *error) {
        EsxRun *run = data;
        Domain *domain = run->domain;
        (void) result;
        run->wait = NULL;
        EsxMachine *machine = inventory_of(domain);
        if (machine)
                inventory_touch(machine);
        if (error) {
                bool is_suspended = machine && strcmp(inventory_value(machine, MACHINE_POWER), MACHINE_SUSPENDED) == 0;
                run->is_ending = false;
                run->expected = NULL;
                if (run->operation)
                        inventory_end_operation(run, error);
                domain_not_destroyed(domain, is_suspended ? DOMAIN_PAUSED : DOMAIN_RUNNING, error);
                return;
        }
        run->is_done = true;
        if (machine && strcmp(inventory_value(machine, MACHINE_POWER), MACHINE_OFF) == 0)
                inventory_show(machine->esx, false);
}

void power_task_destroy(Domain *domain) {
        EsxRun *run = inventory_run(domain);
        EsxMachine *machine = inventory_of(domain);
        g_autoptr(GError) error = NULL;
        if (run->wait)
                tasks_forget(g_steal_pointer(&run->wait));
        if (!machine || !machine->esx->vim) {
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "it is not there any more, or not reached");
                domain_not_destroyed(domain, DOMAIN_RUNNING, error);
                return;
        }
        run->is_ending = true;
        run->is_done = false;
        run->expected = MACHINE_OFF;
        run->wait = tasks_begin(machine->esx, "PowerOffVM_Task", &machine->reference, NULL, on_powered_off, run);
}

/* The rest */

static void suspend(Operation *operation) {
        operate(operation, "SuspendVM_Task", MACHINE_SUSPENDED);
}

static void resume(Operation *operation) {
        operate(operation, "PowerOnVM_Task", MACHINE_ON);
}

static void reset(Operation *operation) {
        operate(operation, "ResetVM_Task", NULL);
}

static void on_asked(void *data, const GError *error) {
        EsxRun *run = data;
        run->call = NULL;
        inventory_end_operation(run, error);
}

/* The guest's tools are asked; what they do is told as any other change. */
static void shutdown(Operation *operation) {
        EsxRun *run = inventory_run(operation->domain);
        bool reboots = operation_is(operation, &reboot_class);
        operation->domain->reboot = false;
        run->operation = operation;
        EsxMachine *machine = find(run);
        if (machine)
                run->call = vim_call(machine->esx->vim,
                                     &(VimQuestion){ .method = reboots ? "RebootGuest" : "ShutdownGuest",
                                                     .object = &machine->reference },
                                     on_asked, run);
}

const HypervisorPower power_task_functions = {
        .suspend = suspend,
        .resume = resume,
        .shutdown = shutdown,
        .reset = reset,
};
