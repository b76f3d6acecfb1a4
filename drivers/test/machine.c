/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/machine.h"

#include "domain/backup.h"
#include "domain/connection.h"
#include "domain/domain-event.h"
#include "domain/domain-run.h"
#include "domain/domain-signal.h"
#include "domain/operations/start.h"
#include "log.h"

void machine_close_console(Machine *machine) {
        g_clear_pointer(&machine->console, stream_free);
        machine->echo = sd_event_source_disable_unref(machine->echo);
}

void machine_end_backup(Machine *machine, const GError *error) {
        Backup *backup = g_steal_pointer(&machine->backup);
        machine->copying = sd_event_source_disable_unref(machine->copying);
        if (backup)
                backup_end(backup, error);
}

static void give_up_backup(Machine *machine) {
        g_autoptr(GError) error = NULL;
        domain_fail(machine->domain, &error, VIRTBUS_ERROR_CANCELLED, "it has ended, and with it its backup");
        machine_end_backup(machine, error);
}

void machine_free(Domain *domain) {
        Machine *machine = g_steal_pointer(&domain->run);
        if (!machine)
                return;
        if (machine->console)
                stream_leave(g_steal_pointer(&machine->console), domain->connection->left_streams);
        machine_close_console(machine);
        give_up_backup(machine);
        if (machine->object) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_AGENT_UNAVAILABLE, "it has ended");
                guest_object_free(machine->object, error);
                guest_agent_free(machine->agent);
        }
        sd_event_source_disable_unref(machine->timer);
        sd_event_source_disable_unref(machine->ending);
        sd_event_source_disable_unref(machine->telling);
        g_free(machine);
}

static Machine *machine_new(Domain *domain) {
        Machine *machine = g_new0(Machine, 1);
        machine->domain = domain;
        domain->run = machine;
        return machine;
}

/* The agent */

static void on_agent_power(void *data, bool reboot) {
        Machine *machine = data;
        guest_object_machine_obeys(machine->object);
        domain_guest_event(machine->domain, reboot ? GUEST_REBOOT : GUEST_SHUTDOWN);
}

static void open_agent(Machine *machine, xmlDoc *document, int timeout) {
        Domain *domain = machine->domain;
        g_autoptr(GError) error = NULL;
        guint index;
        int fd;
        if (!guest_object_channel(document, &index))
                return;
        machine->agent = guest_agent_new(domain->connection->event, domain_name(domain), on_agent_power, machine, &fd, &error);
        if (!machine->agent) {
                log_warning("domain '%s': %s", domain_name(domain), error->message);
                return;
        }
        machine->object = guest_object_new(domain, fd);
        guest_object_restore_timeout(machine->object, timeout);
}

void machine_set_running(Machine *machine, bool running) {
        if (!machine->agent)
                return;
        guest_agent_set_running(machine->agent, running);
        if (running)
                guest_object_set_connected(machine->object, true);
}

/* Operations */

int machine_add_timer(Domain *domain, sd_event_source **source, uint64_t delay, sd_event_time_handler_t handler) {
        *source = sd_event_source_disable_unref(*source);
        return sd_event_add_time_relative(domain->connection->event, source, CLOCK_MONOTONIC, delay, 1, handler, domain->run);
}

static int on_powered_off(sd_event_source *source, uint64_t usec, void *data) {
        Machine *machine = data;
        (void) source;
        (void) usec;
        domain_guest_event(machine->domain, GUEST_SHUTDOWN);
        return 0;
}

void machine_end_operation(Machine *machine, const GError *error) {
        Domain *domain = machine->domain;
        Operation *operation = g_steal_pointer(&machine->operation);
        if (error && machine->kind == TEST_START)
                machine_free(domain);
        else if (!error && (machine->kind == TEST_START || machine->kind == TEST_SUSPEND || machine->kind == TEST_RESUME))
                machine_set_running(machine,
                                    machine->kind == TEST_RESUME || (machine->kind == TEST_START && !start_is_paused(operation)));
        else if (!error && machine->kind == TEST_RESET)
                domain_signal_rebooted(domain);
        else if (!error && machine->kind == TEST_SHUTDOWN) /* its guest turns itself off at once */
                machine_add_timer(domain, &machine->timer, 0, on_powered_off);
        operation_finish(operation, error);
}

static int on_done(sd_event_source *source, uint64_t usec, void *data) {
        Machine *machine = data;
        g_autoptr(GError) error = laboratory_take_failure(machine->domain, machine->kind);
        (void) source;
        (void) usec;
        machine_end_operation(machine, error);
        return 0;
}

void machine_operate(Operation *operation, TestOperation kind) {
        Machine *machine = operation->domain->run;
        machine->operation = operation;
        machine->kind = kind;
        machine_add_timer(operation->domain, &machine->timer, laboratory_delay(operation->domain, kind), on_done);
}

void machine_start(Operation *operation) {
        g_autoptr(xmlDoc) document = definition_document(operation->domain->live, NULL);
        definition_write_aliases(operation->domain->live, document);
        g_autoptr(Definition) live = definition_from_document(document, NULL);
        domain_set_live(operation->domain, live);
        open_agent(machine_new(operation->domain), document, AGENT_WAIT_DEFAULT);
        definition_keep(live, g_steal_pointer(&document));
        machine_operate(operation, TEST_START);
}

void machine_reattach(Operation *operation, xmlNode *saved) {
        Domain *domain = operation->domain;
        Machine *machine = machine_new(domain);
        g_autoptr(xmlDoc) document = definition_document(domain->live, NULL);
        g_autofree char *timeout = xml_attribute(saved, "agent-timeout");
        open_agent(machine, document,
                   timeout ? CLAMP(atoi(timeout), AGENT_WAIT_FOR_EVER, AGENT_TIMEOUT_MAX) : AGENT_WAIT_DEFAULT);
        if (domain->state == DOMAIN_STARTING || (domain->was_saving && domain->resumes))
                domain_changed(domain, DOMAIN_RUNNING, REASON_BOOTED);
        domain->was_saving = false;
        machine_set_running(machine, domain->state != DOMAIN_PAUSED);
        operation_finish(operation, NULL);
        if (domain->state == DOMAIN_STOPPING) { /* it went down with the driver */
                machine_free(domain);
                domain_stopped(domain, REASON_DESTROYED, NULL);
        }
}

static int on_destroyed(sd_event_source *source, uint64_t usec, void *data) {
        Domain *domain = ((Machine *) data)->domain;
        Operation *starting = operation_is(domain->operation, &start_class) ? domain->operation : NULL;
        (void) source;
        (void) usec;
        machine_free(domain);
        if (!starting) {
                domain_stopped(domain, REASON_DESTROYED, NULL);
                return 0;
        }
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed while it started");
        operation_finish(starting, error);
        return 0;
}

void machine_destroy(Domain *domain) {
        Machine *machine = domain->run;
        machine->timer = sd_event_source_disable_unref(machine->timer);
        machine_add_timer(domain, &machine->ending, laboratory_delay(domain, TEST_DESTROY), on_destroyed);
}

void machine_save(const Domain *domain, xmlNode *saved) {
        const Machine *machine = domain->run;
        if (machine && machine->object)
                xml_set_number(saved, "agent-timeout", guest_object_timeout(machine->object));
}

/* Power */

static void suspend(Operation *operation) {
        machine_operate(operation, TEST_SUSPEND);
}

static void resume(Operation *operation) {
        machine_operate(operation, TEST_RESUME);
}

static void shutdown(Operation *operation) {
        machine_operate(operation, TEST_SHUTDOWN);
}

static void reset(Operation *operation) {
        machine_operate(operation, TEST_RESET);
}

const HypervisorPower machine_power = {
        .suspend = suspend,
        .resume = resume,
        .shutdown = shutdown,
        .reset = reset,
};
