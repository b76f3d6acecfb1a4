/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/start.h"

#include "bus.h"
#include "domain/connection.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/restore.h"
#include "log.h"
#include "vtables.h"

typedef struct Start {
        Operation operation;
        StartOptions options;
} Start;

Operation *start_new(Call *call, StartOptions options) {
        Operation *operation = operation_new(&start_class, call);
        ((Start *) operation)->options = options;
        return operation;
}

bool start_is_paused(const Operation *operation) {
        return ((const Start *) operation)->options.paused;
}

void start_set_paused(Operation *operation, bool paused) {
        ((Start *) operation)->options.paused = paused;
}

Restoring *start_restoring(const Operation *operation) {
        return operation_is(operation, &start_class) ? ((const Start *) operation)->options.restoring : NULL;
}

void start_set_restoring(Operation *operation, Restoring *restoring) {
        ((Start *) operation)->options.restoring = restoring;
}

static bool start_check(const Operation *operation, GError **error) {
        return connection_check_known(operation->domain->connection, operation->domain->uuid, error);
}

static void start_begin(Operation *operation) {
        Domain *domain = operation->domain;
        const StartOptions *options = &((Start *) operation)->options;
        DomainReason reason = options->restoring                    ? REASON_RESTORED
                              : options->creates || operation->call ? REASON_USER
                                                                    : REASON_UNKNOWN;
        domain_prepare_run(domain);
        if (options->restoring)
                restoring_take(operation);
        domain_enter(domain, DOMAIN_STARTING, reason);
        if (domain->has_managed_save && !options->restoring && !options->boots)
                restoring_begin_managed(operation);
        else
                domain->connection->hypervisor->start(operation);
}

/* A guest that is not written down as started would be ended by the next driver, or started a second time: it is ended now. */
static bool start_follow(Operation *operation, GError **error) {
        Domain *domain = operation->domain;
        const StartOptions *options = &((Start *) operation)->options;
        domain->save_is_used = domain->has_managed_save;
        bool written = domain_changed(domain, options->paused ? DOMAIN_PAUSED : DOMAIN_RUNNING,
                                      options->restoring ? REASON_RESTORED
                                      : options->paused  ? REASON_USER
                                                         : REASON_BOOTED);
        if (!written) {
                domain_fail(domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                            "it was ended, as its status cannot be written to %s; is there space left?",
                            domain->connection->runtime_directory);
                domain_destroy(domain, REASON_FAILED, NULL);
                return false;
        }
        save_remove_managed(domain);
        return true;
}

static void start_failed(Operation *operation, const GError *error) {
        domain_end_run(operation->domain, REASON_FAILED, error);
        log_error("%s", error->message);
}

static void start_reply(Operation *operation, Call *call) {
        if (((const Start *) operation)->options.creates)
                reply_connection_create_domain(call, published_path(operation->domain->published));
        else
                call_reply(call, "");
}

static bool start_destroyed(Operation *operation) {
        return restoring_cancel(operation);
}

static void start_free(Operation *operation) {
        g_clear_pointer(&((Start *) operation)->options.restoring, restoring_free);
}

const OperationClass start_class = {
        .name = "Start",
        .states = IN(DOMAIN_SHUTOFF),
        .needs = "be shutoff",
        .tells_state = true,
        .size = sizeof(Start),
        .check = start_check,
        .begin = start_begin,
        .follow = start_follow,
        .failed = start_failed,
        .reply = start_reply,
        .destroyed = start_destroyed,
        .free = start_free,
};
