/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain.h"

#include <stdarg.h>
#include <string.h>

#include "bus.h"
#include "domain/connection.h"
#include "domain/operation.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/power.h"
#include "domain/statistics.h"
#include "log.h"
#include "vtables.h"

static const char *const state_names[DOMAIN_N_STATES] = {
        [DOMAIN_SHUTOFF] = "shutoff",         [DOMAIN_STARTING] = "starting", [DOMAIN_RUNNING] = "running",
        [DOMAIN_PAUSED] = "paused",           [DOMAIN_STOPPING] = "stopping", [DOMAIN_CRASHED] = "crashed",
        [DOMAIN_PMSUSPENDED] = "pmsuspended",
};

static const char *const reason_names[DOMAIN_N_REASONS] = {
        [REASON_UNKNOWN] = "unknown",   [REASON_BOOTED] = "booted",         [REASON_RESUMED] = "resumed",
        [REASON_USER] = "user",         [REASON_SHUTDOWN] = "shutdown",     [REASON_DESTROYED] = "destroyed",
        [REASON_CRASHED] = "crashed",   [REASON_FAILED] = "failed",         [REASON_IO_ERROR] = "io-error",
        [REASON_DUMP] = "dump",         [REASON_SAVING] = "saving",         [REASON_SAVED] = "saved",
        [REASON_RESTORED] = "restored", [REASON_REATTACHED] = "reattached",
};

static const Hypervisor *hypervisor_of(const Domain *domain) {
        return domain->connection->hypervisor;
}

Domain *domain_ref(Domain *domain) {
        domain->n_references++;
        return domain;
}

void domain_unref(Domain *domain) {
        if (--domain->n_references > 0)
                return;
        if (domain->published)
                domain_withdraw(domain);
        operations_free(domain);
        g_clear_pointer(&domain->statistics, statistics_free);
        g_clear_pointer(&domain->disk_errors, g_hash_table_unref);
        g_ptr_array_unref(domain->devices);
        g_clear_pointer(&domain->live, definition_unref);
        g_clear_pointer(&domain->persistent, definition_unref);
        g_free(domain->uuid);
        g_free(domain->known_as);
        g_free(domain);
}

static void on_idle(Domain *domain);

Domain *domain_new(Connection *connection, const Definition *definition, bool persistent, uid_t owner) {
        Domain *domain = g_new0(Domain, 1);
        domain->n_references = 1;
        domain->connection = connection;
        domain->uuid = g_strdup(definition->uuid);
        domain->owner = owner;
        if (persistent)
                domain->persistent = definition_ref((Definition *) definition);
        else
                domain->live = definition_ref((Definition *) definition);
        domain->on_idle = on_idle;
        domain->devices = g_ptr_array_new();
        g_queue_init(&domain->waiting);
        g_queue_init(&domain->destroyers);
        connection_add(connection, domain);
        domain_publish(domain);
        return domain;
}

Definition *domain_definition(const Domain *domain) {
        return domain->live ? domain->live : domain->persistent;
}

const char *domain_name(const Domain *domain) {
        return domain_definition(domain)->name;
}

bool domain_is_active(const Domain *domain) {
        return domain->state != DOMAIN_SHUTOFF;
}

const char *domain_state_name(DomainState state) {
        return state_names[state];
}

const char *domain_reason_name(DomainReason reason) {
        return reason_names[reason];
}

static int find_name(const char *const *names, int n, const char *name) {
        for (int i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return 0;
}

DomainState domain_state_from_name(const char *name) {
        return (DomainState) find_name(state_names, DOMAIN_N_STATES, name);
}

DomainReason domain_reason_from_name(const char *name) {
        return (DomainReason) find_name(reason_names, DOMAIN_N_REASONS, name);
}

bool domain_fail(const Domain *domain, GError **error, VirtbusError code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *message = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        return virtbus_error_set(error, code, "domain '%s': %s", domain_name(domain), message);
}

GError *domain_name_error(const Domain *domain, const GError *error) {
        g_autofree char *prefix = g_strdup_printf("domain '%s': ", domain_name(domain));
        GError *named = NULL;
        if (g_str_has_prefix(error->message, prefix))
                return g_error_copy(error);
        domain_fail(domain, &named, virtbus_error_code(error), "%s", error->message);
        return named;
}

/* States */

void domain_observe(Domain *domain, const GError *error) {
        if (domain->connection->observer)
                domain->connection->observer(domain, error, domain->connection->observer_data);
}

void domain_prepare_run(Domain *domain) {
        if (!domain->live) /* a transient one keeps its own while it is off */
                domain->live = definition_ref(domain->persistent);
        domain->id = ++domain->connection->last_id;
        domain->start_time = (uint64_t) g_get_real_time();
}

void domain_enter(Domain *domain, DomainState state, DomainReason reason) {
        DomainState old = domain->state;
        domain->state = state;
        domain->reason = reason;
        if (old == DOMAIN_SHUTOFF)
                domain->connection->n_active++;
        domain_announce_state(domain, old);
        domain_observe(domain, NULL);
}

/* False where it could not be written down. */
static bool set_state(Domain *domain, DomainState state, DomainReason reason) {
        if (domain->state == state && domain->reason == reason)
                return true;
        domain_enter(domain, state, reason);
        bool written = domain_save_status(domain);
        /* A guest whose processors run is no longer in the state that was saved. */
        if (state == DOMAIN_RUNNING && domain->has_managed_save && written)
                save_remove_managed(domain);
        return written;
}

static void forget_disk_errors(Domain *domain) {
        if (!domain->disk_errors)
                return;
        g_clear_pointer(&domain->disk_errors, g_hash_table_unref);
        domain_announce_disk_errors(domain);
}

bool domain_changed(Domain *domain, DomainState state, DomainReason reason) {
        if (domain->state == DOMAIN_STOPPING || domain->state == DOMAIN_SHUTOFF)
                return true;
        if (state == DOMAIN_RUNNING && domain->state != state)
                forget_disk_errors(domain);
        return set_state(domain, state, reason);
}

void domain_set_live(Domain *domain, Definition *definition) {
        definition_ref(definition);
        g_clear_pointer(&domain->live, definition_unref);
        domain->live = definition;
        domain_announce(domain, NULL);
        domain_publish_devices(domain);
}

/* Takes an edited document as the live one. */
static void take_live(Domain *domain, xmlDoc *document) {
        g_autoptr(Definition) live = definition_from_document(document, NULL);
        if (!live)
                return;
        domain_set_live(domain, live);
        domain_save_status(domain);
}

void domain_device_gone(Domain *domain, const char *alias) {
        Operation *operation = domain->operation;
        g_autoptr(xmlDoc) document = domain->live ? xml_parse(domain->live->xml, "domain", NULL) : NULL;
        xmlNode *element = document ? definition_find_element(document, domain->live, alias) : NULL;
        if (operation && operation->class->device_gone)
                operation->class->device_gone(operation, alias);
        if (!element)
                return;
        xml_remove(element);
        take_live(domain, document);
}

void domain_memory_changed(Domain *domain, uint64_t bytes) {
        Operation *operation = domain->operation;
        g_autoptr(xmlDoc) document =
                        domain->live && domain->live->memory != bytes ? xml_parse(domain->live->xml, "domain", NULL) : NULL;
        if (!document)
                return;
        if (operation && operation->class->memory_changed)
                operation->class->memory_changed(operation, bytes);
        definition_set_memory(xmlDocGetRootElement(document), bytes);
        take_live(domain, document);
}

void domain_vcpus_changed(Domain *domain, uint32_t count) {
        g_autoptr(xmlDoc) document = domain->live ? xml_parse(domain->live->xml, "domain", NULL) : NULL;
        if (!document)
                return;
        xml_set_number(xml_ensure_child(xmlDocGetRootElement(document), "vcpu"), "current", count);
        take_live(domain, document);
}

void domain_disk_failed(Domain *domain, const char *alias, const char *error) {
        if (!domain->disk_errors)
                domain->disk_errors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(domain->disk_errors, g_strdup(alias), (void *) error);
        domain_announce_disk_errors(domain);
}

void domain_redefine(Domain *domain, Definition *definition) {
        bool was_persistent = domain->persistent != NULL;
        definition_ref(definition);
        g_clear_pointer(&domain->persistent, definition_unref);
        domain->persistent = definition;
        if (!domain_is_active(domain)) { /* one that had none, and has ended, would have gone */
                g_clear_pointer(&domain->live, definition_unref);
                domain_announce(domain, NULL);
                domain_publish_devices(domain);
        } else if (!was_persistent)
                domain_announce(domain, (const int[]){ DOMAIN_PERSISTENT, -1 });
}

/* The domain's end: its object goes, references to it may stay. */
static void forget(Domain *domain) {
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "it was undefined, or has ended, meanwhile");
        operations_fail_waiting(domain, error);
        domain_withdraw(domain);
        connection_remove(domain->connection, domain);
}

/* A transient domain has ended. Somebody may have given it a definition, or started it again, before its turn came. */
static void on_forget_turn(void *data, Turn *turn, const GError *cancelled) {
        g_autoptr(Domain) domain = data; /* the reference that was held */
        (void) cancelled;
        if (domain->published && !domain->persistent && !domain_is_active(domain) && !domain->operation)
                forget(domain);
        if (turn)
                turn_end(turn);
        connection_idle(domain->connection);
}

static void forget_in_turn(Domain *domain) {
        turns_take(domain->connection->turns, domain->uuid, domain_name(domain), on_forget_turn, domain_ref(domain));
}

/* It was undefined, or has ended, while operations were at work. */
static void on_idle(Domain *domain) {
        if (!domain->persistent && !domain_is_active(domain) && domain->published)
                forget_in_turn(domain);
}

void domain_undefine(Domain *domain) {
        domain->autostart = false;
        if (domain_is_active(domain) || domain->operation) {
                /* One that is inactive and has an operation at work goes when that has ended. */
                if (!domain->live)
                        domain->live = definition_ref(domain->persistent);
                g_clear_pointer(&domain->persistent, definition_unref);
                domain_announce(domain, (const int[]){ DOMAIN_PERSISTENT, DOMAIN_AUTOSTART, -1 });
        } else
                forget(domain);
}

void domain_cancel(Domain *domain, const GError *error) {
        Operation *operation = domain->operation;
        operations_fail_waiting(domain, error);
        for (Call *call; (call = g_queue_pop_head(&domain->destroyers));)
                call_fail(call, error);
        if (operation && operation->job)
                job_end(g_steal_pointer(&operation->job), error);
        if (operation && operation->call)
                call_fail(g_steal_pointer(&operation->call), error);
}

static void end_waiting(Domain *domain) {
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was ended before the operation began");
        operations_fail_waiting(domain, error);
}

void domain_end_run(Domain *domain, DomainReason reason, const GError *error) {
        DomainState old = domain->state;
        if (old == DOMAIN_STOPPING)
                reason = domain->stop_reason;
        end_waiting(domain);
        forget_disk_errors(domain);
        statistics_collected(domain); /* nobody waits for it any more, nor shows what it used */
        g_clear_pointer(&domain->statistics, statistics_free);
        domain->state = DOMAIN_SHUTOFF;
        domain->reason = reason;
        domain->id = 0;
        domain->start_time = 0;
        domain->reboot = false;
        domain->connection->n_active--;
        if (domain->persistent)
                g_clear_pointer(&domain->live, definition_unref);
        domain_announce_state(domain, old);
        domain_save_status(domain);
        if (domain->persistent) {
                domain_announce(domain, NULL);
                domain_publish_devices(domain);
        }
        domain_observe(domain, error);
        if (!domain->persistent && !domain->operation)
                forget_in_turn(domain);
        for (Call *call; (call = g_queue_pop_head(&domain->destroyers));)
                reply_domain_destroy(call);
        connection_idle(domain->connection);
}

void domain_stopped(Domain *domain, DomainReason reason, const GError *error) {
        g_autoptr(Domain) keep = domain_ref(domain);
        const OperationClass *class = domain->operation ? domain->operation->class : NULL;
        bool goes_on = class && class->fate && class->fate(domain->operation) == OPERATION_GOES_ON;
        Operation *operation = goes_on ? NULL : g_steal_pointer(&domain->operation);
        domain_end_run(domain, reason, error);
        if (operation)
                operations_end_run(domain, operation, error);
}

void domain_destroy(Domain *domain, DomainReason reason, Call *call) {
        if (!domain_is_active(domain)) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it is shutoff already");
                if (call)
                        call_fail(call, error);
                return;
        }
        if (call)
                g_queue_push_tail(&domain->destroyers, call);
        if (domain->state == DOMAIN_STOPPING)
                return;
        domain->stop_reason = reason;
        set_state(domain, DOMAIN_STOPPING, reason);
        end_waiting(domain);
        Operation *operation = domain->operation;
        if (!operation || !operation->class->destroyed || !operation->class->destroyed(operation))
                hypervisor_of(domain)->destroy(domain);
}

void domain_guest_event(Domain *domain, GuestEvent event) {
        LifecycleAction action;
        DomainReason reason = REASON_SHUTDOWN;
        if (domain->state == DOMAIN_STOPPING || !domain_is_active(domain))
                return;
        switch (event) {
        case GUEST_SHUTDOWN:
                action = domain->reboot ? domain->live->on_reboot : domain->live->on_poweroff;
                domain->reboot = false;
                break;
        case GUEST_REBOOT:
                action = domain->live->on_reboot;
                break;
        case GUEST_SLEEP:
                domain_changed(domain, DOMAIN_PMSUSPENDED, REASON_UNKNOWN);
                return;
        case GUEST_WAKE:
                if (domain->state == DOMAIN_PMSUSPENDED)
                        domain_changed(domain, DOMAIN_RUNNING, REASON_RESUMED);
                return;
        case GUEST_CRASH:
        default:
                action = domain->live->on_crash;
                reason = REASON_CRASHED;
                break;
        }
        switch (action) {
        case ACTION_DESTROY:
                domain_destroy(domain, reason, NULL);
                break;
        case ACTION_RESTART:
                if (event != GUEST_REBOOT) { /* that has restarted itself */
                        domain_changed(domain, DOMAIN_PAUSED, reason);
                        domain_operate(domain, operation_new(&reset_class, NULL));
                        domain_operate(domain, operation_new(&resume_class, NULL));
                }
                break;
        case ACTION_PRESERVE:
                if (event == GUEST_REBOOT)
                        domain_operate(domain, operation_new(&suspend_class, NULL));
                else
                        domain_changed(domain, event == GUEST_CRASH ? DOMAIN_CRASHED : DOMAIN_PAUSED, reason);
                break;
        }
}
