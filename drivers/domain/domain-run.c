/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-run.h"

#include "domain/connection.h"
#include "domain/connection-table.h"
#include "domain/definition-edit.h"
#include "domain/domain-status.h"
#include "domain/operation.h"
#include "domain/owners-rights.h"
#include "domain/vcpu-list.h"
#include "vtables.h"

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

/* False where it could not be written down.
 *
 * So a start writes the status twice: before anything of the guest runs, that it is starting, and here, that it runs. Neither
 * can be left out: what the next driver finds starting it ends, as nobody was told that it has started; who was would lose it. */
static bool set_state(Domain *domain, DomainState state, DomainReason reason) {
        if (domain->state == state && domain->reason == reason)
                return true;
        domain_enter(domain, state, reason);
        bool written = domain_save_status(domain);
        if (written)
                domain_announce_state_kept(domain);
        return written;
}

bool domain_changed(Domain *domain, DomainState state, DomainReason reason) {
        if (domain->state == DOMAIN_STOPPING || domain->state == DOMAIN_SHUTOFF)
                return true;
        if (state == DOMAIN_RUNNING && domain->state != state)
                domain_forget_disk_errors(domain);
        return set_state(domain, state, reason);
}

/* Takes an edited document, and the tree, as the live one. */
static void take_live(Domain *domain, xmlDoc *document) {
        g_autoptr(Definition) live = definition_from_document(document, NULL);
        if (!live) {
                xmlFreeDoc(document);
                return;
        }
        definition_keep(live, document);
        domain_set_live(domain, live);
        domain_save_status(domain);
}

void domain_device_gone(Domain *domain, const char *alias) {
        Operation *operation = domain->operation;
        g_autoptr(xmlDoc) document = domain->live ? definition_document(domain->live, NULL) : NULL;
        xmlNode *element = document ? definition_find_element(document, domain->live, alias) : NULL;
        if (operation && operation->class->device_gone)
                operation->class->device_gone(operation, alias);
        if (!element)
                return;
        xml_remove(element);
        take_live(domain, g_steal_pointer(&document));
}

void domain_link_lost(Domain *domain, const char *alias) {
        g_autoptr(xmlDoc) document = domain->live ? definition_document(domain->live, NULL) : NULL;
        xmlNode *element = document ? definition_find_element(document, domain->live, alias) : NULL;
        if (!element)
                return;
        xml_set_attribute(xml_ensure_child(element, "link"), "state", "down");
        take_live(domain, g_steal_pointer(&document));
}

void domain_memory_changed(Domain *domain, uint64_t bytes) {
        Operation *operation = domain->operation;
        g_autoptr(xmlDoc) document =
                        domain->live && domain->live->memory != bytes ? definition_document(domain->live, NULL) : NULL;
        if (!document)
                return;
        if (operation && operation->class->memory_changed)
                operation->class->memory_changed(operation, bytes);
        definition_edit_memory(xmlDocGetRootElement(document), bytes);
        take_live(domain, g_steal_pointer(&document));
}

void domain_vcpus_changed(Domain *domain, uint32_t count) {
        g_autoptr(xmlDoc) document = domain->live ? definition_document(domain->live, NULL) : NULL;
        if (!document)
                return;
        vcpu_list_set(xmlDocGetRootElement(document), count);
        take_live(domain, g_steal_pointer(&document));
}

void domain_taint(Domain *domain, DomainTaint taint) {
        unsigned before = domain->taints;
        if (!domain_is_active(domain))
                return;
        domain->taints |= 1U << taint;
        if (domain->taints == before)
                return;
        if (domain->state != DOMAIN_STARTING) /* one that starts is written down soon, when there is something of it to find */
                domain_save_status(domain);
        domain_announce(domain, (const int[]){ DOMAIN_TAINTS, -1 });
}

/* Ends */

/* The domain's end: its object goes, references to it may stay. */
static void forget(Domain *domain) {
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "it was undefined, or has ended, meanwhile");
        operations_fail_waiting(domain, error);
        domain_announce_end(domain);
}

/* A transient domain has ended. Somebody may have given it a definition, or started it again, before its turn came. */
static void on_forget_turn(void *data, Turn *turn, const GError *cancelled) {
        g_autoptr(Domain) domain = data; /* the reference that was held */
        (void) cancelled;
        if (domain->published && !domain->persistent && !domain_is_active(domain) && !domain->operation) {
                owners_rights_end_transient(domain);
                forget(domain);
        }
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

const DomainListener domain_run_listener = {
        .idle = on_idle,
};

void domain_undefine(Domain *domain) {
        domain->autostart = false;
        if (domain_is_active(domain) || domain->operation) {
                /* One that is inactive and has an operation at work goes when that has ended. */
                if (!domain->live)
                        domain->live = definition_ref(domain->persistent);
                g_clear_pointer(&domain->persistent, definition_unref);
                g_clear_pointer(&domain->shares, g_strfreev); /* they are kept with the definition */
                domain_announce(domain, (const int[]){ DOMAIN_PERSISTENT, DOMAIN_AUTOSTART, DOMAIN_SHARES, -1 });
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
        domain_forget_disk_errors(domain);
        domain_forget_trays(domain);
        domain_announce_run_end(domain);
        domain->state = DOMAIN_SHUTOFF;
        domain->reason = reason;
        domain->id = 0;
        domain->start_time = 0;
        bool was_tainted = domain->taints != 0;
        domain->taints = 0;
        domain->reboot = domain->was_saving = false;
        domain->connection->n_active--;
        g_autoptr(Definition) live = domain->persistent ? g_steal_pointer(&domain->live) : NULL;
        if (was_tainted) /* before who waits for the state looks */
                domain_announce(domain, (const int[]){ DOMAIN_TAINTS, -1 });
        domain_announce_state(domain, old);
        domain_save_status(domain);
        if (live) {
                Domain before = *domain;
                before.live = live;
                domain_announce_redefined(domain, &before);
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
                domain->connection->hypervisor->destroy(domain);
}

void domain_not_destroyed(Domain *domain, DomainState state, const GError *error) {
        g_autoptr(GError) failure = domain_name_error(domain, error);
        if (domain->state != DOMAIN_STOPPING)
                return;
        set_state(domain, state, REASON_UNKNOWN);
        for (Call *call; (call = g_queue_pop_head(&domain->destroyers));)
                call_fail(call, failure);
}
