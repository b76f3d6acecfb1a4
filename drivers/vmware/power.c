/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmware/power.h"

#include "domain/connection.h"
#include "domain/domain-run.h"
#include "domain/domain-status.h"
#include "domain/operation.h"
#include "domain/operations/power.h"
#include "domain/operations/start.h"
#include "errors.h"
#include "log.h"
#include "vmware/machines.h"
#include "vmware/running.h"

static Operation *take_operation(Running *running) {
        return g_steal_pointer(&running->operation);
}

/* Start */

static void fail_start(Running *running, const GError *error) {
        Domain *domain = running->domain;
        Operation *operation = take_operation(running);
        g_autoptr(GError) copy = g_error_copy(error); /* which may be the run's own */
        if (!domain->persistent)
                machines_remove_transient(domain->connection, domain->uuid);
        running_free(domain);
        operation_finish(operation, copy);
}

static void on_paused_first(Running *running, bool runs, const GError *error) {
        if (runs && !error)
                operation_finish(take_operation(running), NULL);
        else if (runs) /* it must not run */
                domain_destroy(running->domain, REASON_FAILED, NULL);
        else
                fail_start(running, error);
}

static void on_started(Running *running, bool runs, const GError *error) {
        g_autoptr(GError) lie = NULL;
        Operation *operation = running->operation;
        if (!runs && !error) {
                virtbus_error_set(&lie, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                  "vmrun start says that it has started, and lists it not");
                error = lie;
        }
        if (runs && error)
                log_warning("domain '%s' runs, although: %s", domain_name(running->domain), error->message);
        if (!runs)
                fail_start(running, error);
        else if (start_is_paused(operation))
                running_operate(running, operation, "pause", NULL, VMRUN_PATIENCE, on_paused_first);
        else
                operation_finish(take_operation(running), NULL);
}

static void begin(Running *running) {
        domain_save_status(running->domain);
        running_operate(running, running->operation, "start", "nogui", VMRUN_PATIENCE, on_started);
}

/* The configuration of a transient domain is there, or not. */
static void on_transient_written(void *data, const GError *error) {
        g_autoptr(Domain) domain = data;
        Running *running = domain->run;
        const char *path = machines_path(domain);
        if (running && !running->is_ending && !error) {
                g_free(running->path);
                running->path = g_strdup(path);
                begin(running);
        } else if (running && !running->is_ending)
                fail_start(running, error);
        else if (!error) /* it was destroyed before it ran */
                machines_remove_transient(domain->connection, domain->uuid);
}

void power_start(Operation *operation) {
        Domain *domain = operation->domain;
        const char *path = domain->persistent ? machines_path(domain) : NULL, *why;
        Running *running = running_new(domain, path ? path : "");
        running->operation = operation;
        g_autoptr(GError) error = NULL;
        if (!vmrun_product(((Vmware *) domain->connection->data)->vmrun, &why))
                virtbus_error_set(&error, VIRTBUS_ERROR_UNSUPPORTED, "%s", why);
        else if (domain->persistent && !path)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its .vmx file is gone; define it again");
        if (error)
                fail_start(running, error);
        else if (path)
                begin(running);
        else
                machines_write_transient(domain, on_transient_written, domain_ref(domain));
}

/* Found again */

static void on_found(Running *running, bool runs, const GError *error) {
        Domain *domain = running->domain;
        Operation *operation = take_operation(running);
        g_autoptr(GError) gone = NULL;
        bool was_stopping = domain->state == DOMAIN_STOPPING;
        if (!runs && !error) {
                domain_fail(domain, &gone, VIRTBUS_ERROR_HYPERVISOR_FAILED, "it has ended while nobody was looking");
                if (!domain->persistent)
                        machines_remove_transient(domain->connection, domain->uuid);
                running_free(domain);
                operation_finish(operation, gone);
                return;
        }
        if (domain->state == DOMAIN_STARTING)
                domain_changed(domain, DOMAIN_RUNNING, REASON_BOOTED);
        operation_finish(operation, NULL);
        if (was_stopping)
                running_end(running);
}

void power_reattach(Operation *operation, xmlNode *saved) {
        Domain *domain = operation->domain;
        g_autofree char *path = xml_attribute(saved, "path");
        const char *known = machines_path(domain);
        if (path && !known) /* a transient one's */
                g_hash_table_insert(((Vmware *) domain->connection->data)->paths, g_strdup(domain->uuid), g_strdup(path));
        running_find(running_new(domain, path ? path : known ? known : ""), operation, on_found);
}

void power_save(const Domain *domain, xmlNode *saved) {
        const Running *running = domain->run;
        if (running)
                xml_set_attribute(saved, "path", running->path);
}

void power_destroy(Domain *domain) {
        running_end(domain->run);
}

/* The rest */

/* It is gone: what was at work on it fails with that. */
static void end_run(Running *running) {
        Domain *domain = running->domain;
        take_operation(running);
        if (!domain->persistent)
                machines_remove_transient(domain->connection, domain->uuid);
        running_free(domain);
        domain_stopped(domain, REASON_SHUTDOWN, NULL);
}

static void on_done(Running *running, bool runs, const GError *error) {
        if (!runs && !error)
                end_run(running);
        else
                operation_finish(take_operation(running), error);
}

static void on_shut_down(Running *running, bool runs, const GError *error) {
        running->domain->reboot = false;
        operation_finish(take_operation(running), runs ? error : NULL);
        if (!runs && running->domain->run == running)
                running_look(running->domain->connection->data);
}

static void suspend(Operation *operation) {
        running_operate(operation->domain->run, operation, "pause", NULL, VMRUN_PATIENCE, on_done);
}

static void resume(Operation *operation) {
        running_operate(operation->domain->run, operation, "unpause", NULL, VMRUN_PATIENCE, on_done);
}

static void shutdown(Operation *operation) {
        bool reboots = operation_is(operation, &reboot_class);
        running_operate(operation->domain->run, operation, reboots ? "reset" : "stop", "soft", VMRUN_GUEST_PATIENCE,
                        reboots ? on_done : on_shut_down);
        operation->domain->reboot = false; /* vmrun does all of it */
}

static void reset(Operation *operation) {
        running_operate(operation->domain->run, operation, "reset", "hard", VMRUN_PATIENCE, on_done);
}

const HypervisorPower power_functions = {
        .suspend = suspend,
        .resume = resume,
        .shutdown = shutdown,
        .reset = reset,
};
