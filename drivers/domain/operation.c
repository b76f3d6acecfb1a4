/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operation.h"

#include "bus.h"
#include "domain/connection.h"
#include "domain/offers.h"

Operation *operation_new(const OperationClass *class, Call *call) {
        Operation *operation = g_malloc0(MAX(class->size, sizeof(Operation)));
        *operation = (Operation){ .class = class, .call = call, .sender = call ? g_strdup(call_sender(call)) : NULL };
        return operation;
}

bool operation_is(const Operation *operation, const OperationClass *class) {
        return operation && operation->class == class;
}

static void operation_free(Operation *operation) {
        if (operation->class->free)
                operation->class->free(operation);
        g_free(operation->sender);
        g_free(operation);
}

/* Tells who waits for it that it has failed, and frees it. */
static void operation_fail(Operation *operation, const GError *error) {
        if (operation->job)
                job_end(operation->job, error);
        else if (operation->call)
                call_fail(operation->call, error);
        operation_free(operation);
}

static bool check_begin(const Domain *domain, const Operation *operation, GError **error) {
        const OperationClass *class = operation->class;
        if (domain->connection->closing)
                return domain_fail(domain, error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (class->check && !class->check(operation, error))
                return false;
        if (class->states & IN(domain->state))
                return true;
        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; for %s it must %s",
                           domain_state_name(domain->state), class->name, class->needs);
}

void operations_run(Domain *domain) {
        g_autoptr(Domain) keep = domain_ref(domain);
        while (!domain->operation && domain->holds == 0 && !g_queue_is_empty(&domain->waiting)) {
                g_autoptr(GError) error = NULL;
                Operation *operation = g_queue_pop_head(&domain->waiting);
                if (check_begin(domain, operation, &error)) {
                        domain->operation = operation;
                        operation->class->begin(operation);
                } else
                        operation_fail(operation, error);
        }
        if (!domain->operation)
                domain_announce_idle(domain);
}

void domain_hold(Domain *domain, bool hold) {
        hold ? domain->holds++ : domain->holds--;
        operations_run(domain);
}

void operation_enqueue(Domain *domain, Operation *operation) {
        operation->domain = domain;
        g_queue_push_tail(&domain->waiting, operation);
}

void domain_operate(Domain *domain, Operation *operation) {
        const OperationClass *class = operation->class;
        g_autoptr(GError) missing = NULL;
        operation->domain = domain;
        if (class->is_offered &&
            !offers_check_domain(domain, class->is_offered(domain->connection->hypervisor), class->name, &missing)) {
                operation_fail(operation, missing);
                return;
        }
        if (g_queue_get_length(&domain->waiting) >= OPERATIONS_WAITING_MAX) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "%d operations wait already; call again when some are done", OPERATIONS_WAITING_MAX);
                operation_fail(operation, error);
                return;
        }
        operation_enqueue(domain, operation);
        operations_run(domain);
}

/* Destroying explains whatever the operation met first, as its guest ended. */
static GError *explain(const Domain *domain, const GError *error) {
        GError *destroyed = NULL;
        if (domain->state != DOMAIN_STOPPING || domain->stop_reason != REASON_DESTROYED ||
            virtbus_error_code(error) == VIRTBUS_ERROR_CANCELLED)
                return domain_name_error(domain, error);
        domain_fail(domain, &destroyed, VIRTBUS_ERROR_CANCELLED, "it was destroyed");
        return destroyed;
}

static void succeed(Operation *operation) {
        Call *call = g_steal_pointer(&operation->call);
        if (operation->job)
                job_end(operation->job, NULL);
        else if (call && operation->class->reply)
                operation->class->reply(operation, call);
        else if (call)
                call_reply(call, "");
        operation_free(operation);
}

void operation_finish(Operation *operation, const GError *error) {
        const OperationClass *class = operation->class;
        g_autoptr(Domain) domain = domain_ref(operation->domain);
        g_autoptr(GError) failure = error ? explain(domain, error) : NULL;
        g_assert(domain->operation == operation);
        if (!failure && class->proceed && class->proceed(operation))
                return;
        domain->operation = NULL;
        if (failure && class->failed)
                class->failed(operation, failure);
        else if (!failure && class->follow)
                class->follow(operation, &failure);
        if (failure)
                operation_fail(operation, failure);
        else
                succeed(operation);
        operations_run(domain);
}

void operations_fail_waiting(Domain *domain, const GError *error) {
        for (Operation *waiting; (waiting = g_queue_pop_head(&domain->waiting));)
                operation_fail(waiting, error);
}

void operations_end_run(Domain *domain, Operation *operation, const GError *error) {
        g_autoptr(GError) cancelled = NULL;
        bool is_done = operation->class->fate && operation->class->fate(operation) == OPERATION_SUCCEEDS;
        if (!error && !is_done)
                domain_fail(domain, &cancelled, VIRTBUS_ERROR_CANCELLED, "it ended while the operation was at work");
        if (is_done)
                succeed(operation);
        else
                operation_fail(operation, error ? error : cancelled);
}

/* It is given up with its domain. */
static void on_freed(Domain *domain) {
        g_autoptr(GError) error = NULL;
        Operation *operation = g_steal_pointer(&domain->operation);
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (operation && operation->job)
                job_end(operation->job, error);
        if (operation)
                operation_free(operation);
        g_queue_clear_full(&domain->waiting, (GDestroyNotify) operation_free);
}

const DomainListener operations_listener = {
        .freed = on_freed,
};
