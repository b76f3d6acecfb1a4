/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmware/running.h"

#include "domain/connection.h"
#include "domain/domain-recover.h"
#include "domain/domain-run.h"
#include "domain/operation.h"
#include "domain/operations/start.h"
#include "errors.h"
#include "log.h"
#include "vmware/machines.h"

static Vmware *vmware_of(const Running *running) {
        return running->domain->connection->data;
}

Running *running_new(Domain *domain, const char *path) {
        Running *running = g_new0(Running, 1);
        running->domain = domain;
        running->path = g_strdup(path);
        domain->run = running;
        return running;
}

void running_free(Domain *domain) {
        Running *running = g_steal_pointer(&domain->run);
        if (!running)
                return;
        vmrun_forget(((Vmware *) domain->connection->data)->vmrun, running);
        g_clear_error(&running->error);
        g_free(running->path);
        g_free(running);
}

/* Operations */

static void on_program_ended(void *data, const char *said, const GError *error) {
        Running *running = data;
        (void) said;
        running->error = error ? g_error_copy(error) : NULL;
        running->is_done = true;
        vmware_of(running)->n_changes++; /* a list that was asked for before knows nothing of this */
        running_look(vmware_of(running));
}

void running_operate(Running *running, Operation *operation, const char *command, const char *option, uint64_t patience,
                     void (*done)(Running *running, bool runs, const GError *error)) {
        running->operation = operation;
        running->done = done;
        running->is_done = false;
        g_clear_error(&running->error);
        vmrun_call(vmware_of(running)->vmrun, command, running->path, option, patience, on_program_ended, running);
}

void running_find(Running *running, Operation *operation, void (*done)(Running *running, bool runs, const GError *error)) {
        running->operation = operation;
        running->done = done;
        running->is_done = true;
        running_look(vmware_of(running));
}

static void on_end_tried(void *data, const char *said, const GError *error) {
        Running *running = data;
        (void) said;
        if (error)
                log_warning("domain '%s': %s", domain_name(running->domain), error->message);
        running->is_done = true;
        vmware_of(running)->n_changes++;
        running_look(vmware_of(running));
}

void running_end(Running *running) {
        vmrun_forget(vmware_of(running)->vmrun, running); /* what was asked of it is not waited for any more */
        running->is_ending = true;
        running->is_done = running->ends_again = false;
        vmrun_call(vmware_of(running)->vmrun, "stop", running->path, "hard", VMRUN_PATIENCE, on_end_tried, running);
}

/* The list */

/* It is gone. */
static void end(Domain *domain, DomainReason reason) {
        Running *running = domain->run;
        Operation *starting = running->is_ending && operation_is(domain->operation, &start_class) ? domain->operation : NULL;
        if (!domain->persistent)
                machines_remove_transient(domain->connection, domain->uuid);
        running_free(domain);
        if (!starting) {
                domain_stopped(domain, reason, NULL);
                return;
        }
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed while it started");
        operation_finish(starting, error);
}

static void settle(Running *running, bool runs, const GError *unknown) {
        Domain *domain = running->domain;
        if (running->is_ending) {
                if (running->is_done && !runs && !unknown)
                        end(domain, REASON_DESTROYED);
                else if (running->ends_again)
                        running_end(running);
                else /* with the next look */
                        running->ends_again = running->is_done;
                return;
        }
        if (running->operation) {
                if (!running->is_done)
                        return;
                g_autoptr(GError) error = g_steal_pointer(&running->error);
                running->is_done = false;
                running->done(running, unknown ? !error : runs, error); /* which may free it */
        } else if (!runs && !unknown)
                end(domain, REASON_SHUTDOWN);
}

/* Somebody else has started it. */
static void adopt(Domain *domain, const char *path) {
        g_autoptr(GError) error = NULL;
        if (domain->operation || domain->waiting.length > 0 || domain->holds > 0)
                return;
        if (domain_adopt(domain->connection, "vmware", domain->uuid, domain_name(domain), (uint64_t) g_get_real_time(), &error))
                operations_run(domain);
        else
                log_error("domain '%s' runs from %s and cannot be shown so: %s", domain_name(domain), path, error->message);
}

static void act(Domain *domain, GHashTable *paths, const GError *unknown) {
        const char *path = machines_path(domain);
        Running *running = domain->run;
        if (running)
                settle(running, paths && g_hash_table_contains(paths, running->path), unknown);
        else if (paths && path && !domain_is_active(domain) && g_hash_table_contains(paths, path))
                adopt(domain, path);
}

static void on_listed(void *data, const char *said, const GError *error) {
        Vmware *vmware = data;
        g_autoptr(GError) unknown = error ? g_error_copy(error) : NULL;
        g_autoptr(GHashTable) paths = said ? vmrun_parse_list(said, &unknown) : NULL;
        bool is_old = vmware->listed_at != vmware->n_changes;
        vmware->is_listing = false;
        if (unknown && vmware->was_listed)
                log_warning("what runs is not known: %s", unknown->message);
        vmware->was_listed = !unknown;
        g_autoptr(GList) domains = is_old ? NULL : g_hash_table_get_values(vmware->connection->by_uuid);
        for (GList *link = domains; link; link = link->next)
                domain_ref(link->data);
        for (GList *link = domains; link; link = link->next)
                act(link->data, paths, unknown);
        g_list_foreach(domains, (GFunc) (void (*)(void)) domain_unref, NULL);
        if (is_old || vmware->lists_again)
                running_look(vmware);
}

void running_look(Vmware *vmware) {
        vmware->lists_again = vmware->is_listing;
        if (vmware->is_listing || vmware->connection->closing)
                return;
        vmware->is_listing = true;
        vmware->listed_at = vmware->n_changes;
        vmrun_call(vmware->vmrun, "list", NULL, NULL, VMRUN_LIST_PATIENCE, on_listed, vmware);
}
