/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/start.h"

#include "bus.h"
#include "domain/connection.h"
#include "domain/connection-table.h"
#include "domain/domain-run.h"
#include "domain/operations/managed-save.h"
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

/* NULL: it starts from nothing, or is another operation. */
static Restoring *restoring_of(const Operation *operation) {
        return operation_is(operation, &start_class) ? ((const Start *) operation)->options.restoring : NULL;
}

const char *start_snapshot(const Operation *operation) {
        const SnapshotRun *snapshot =
                        operation_is(operation, &start_class) ? ((const Start *) operation)->options.snapshot : NULL;
        return snapshot ? snapshot->name : NULL;
}

GPtrArray *start_fds(const Operation *operation) {
        return operation_is(operation, &start_class) ? ((const Start *) operation)->options.fds : NULL;
}

int start_restoring_fd(const Operation *operation) {
        return restoring_of(operation) ? restoring_fd(restoring_of(operation)) : -1;
}

static bool start_check(const Operation *operation, GError **error) {
        return connection_check_known(operation->domain->connection, operation->domain->uuid, error);
}

/* Its domain gets the saved definition, so that its devices' objects are those that were saved. */
static void take_saved(Operation *operation) {
        const Restoring *restoring = restoring_of(operation);
        domain_set_live(operation->domain, restoring_definition(restoring));
        ((Start *) operation)->options.paused = !restoring_runs(restoring);
}

/* Answers the call of who restores, with a job. */
static void answer_restore(Operation *operation) {
        const Domain *domain = operation->domain;
        Call *call = g_steal_pointer(&operation->call);
        operation->job = job_new(domain->connection->objects, domain->connection->name, "restore",
                                 published_path(domain->published), call->uid, NULL, operation);
        if (restoring_has_path(restoring_of(operation)))
                reply_connection_restore_domain(call, published_path(domain->published), job_path(operation->job));
        else
                reply_connection_restore_domain_from_fd(call, published_path(domain->published), job_path(operation->job));
}

static void on_managed_read(Restoring *restoring, const GError *error, void *data) {
        Operation *operation = data;
        g_autoptr(GError) named = NULL;
        (void) restoring;
        if (error) {
                domain_fail(operation->domain, &named, virtbus_error_code(error),
                            "%s; pass the option force_boot to start it without what was saved", error->message);
                operation_finish(operation, named);
                return;
        }
        take_saved(operation);
        operation->domain->connection->hypervisor->start(operation);
}

static void read_managed(Operation *operation) {
        Connection *connection = operation->domain->connection;
        StartOptions *options = &((Start *) operation)->options;
        g_autofree char *path = managed_save_path(connection, operation->domain->uuid);
        options->restoring = restoring_new(connection, path, -1, 0, NULL, options->paused ? SAVED_PAUSED : SAVED_AS_IT_WAS,
                                           on_managed_read, operation);
}

static void start_begin(Operation *operation) {
        Domain *domain = operation->domain;
        const StartOptions *options = &((Start *) operation)->options;
        DomainReason reason = options->restoring                    ? REASON_RESTORED
                              : options->snapshot                   ? REASON_SNAPSHOT
                              : options->creates || operation->call ? REASON_USER
                                                                    : REASON_UNKNOWN;
        domain_prepare_run(domain);
        if (options->restoring)
                take_saved(operation);
        else if (options->snapshot)
                domain_set_live(domain, options->snapshot->live);
        if (options->restoring && operation->call)
                answer_restore(operation);
        domain_enter(domain, DOMAIN_STARTING, reason);
        if (domain->has_managed_save && !options->restoring && !options->boots)
                read_managed(operation);
        else
                domain->connection->hypervisor->start(operation);
}

/* A guest that is not written down as started would be ended by the next driver, or started a second time: it is ended now. */
static bool start_follow(Operation *operation, GError **error) {
        Domain *domain = operation->domain;
        const StartOptions *options = &((Start *) operation)->options;
        domain->save_is_used = domain->has_managed_save;
        bool written = domain_changed(domain, options->paused ? DOMAIN_PAUSED : DOMAIN_RUNNING,
                                      options->restoring  ? REASON_RESTORED
                                      : options->snapshot ? REASON_SNAPSHOT
                                      : options->paused   ? REASON_USER
                                                          : REASON_BOOTED);
        if (!written) {
                domain_fail(domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                            "it was ended, as its status cannot be written to %s; is there space left?",
                            domain->connection->runtime_directory);
                domain_destroy(domain, REASON_FAILED, NULL);
                return false;
        }
        managed_save_remove(domain);
        return true;
}

static void start_failed(Operation *operation, const GError *error) {
        domain_end_run(operation->domain, REASON_FAILED, error);
        log_error("%s", error->message);
}

static void start_reply(Operation *operation, Call *call) {
        SnapshotRun *snapshot = ((const Start *) operation)->options.snapshot;
        if (snapshot) {
                snapshot->started(g_steal_pointer(&snapshot->rest), call);
                return;
        }
        if (((const Start *) operation)->options.creates)
                reply_connection_create_domain(call, published_path(operation->domain->published));
        else
                call_reply(call, "");
}

/* One that still reads its managed save has nothing of the hypervisor. */
static bool start_destroyed(Operation *operation) {
        const Restoring *restoring = restoring_of(operation);
        g_autoptr(GError) error = NULL;
        if (!restoring || restoring_is_read(restoring))
                return false;
        domain_fail(operation->domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed while it started");
        operation_finish(operation, error);
        return true;
}

static void start_free(Operation *operation) {
        g_clear_pointer(&((Start *) operation)->options.restoring, restoring_free);
        g_clear_pointer(&((Start *) operation)->options.snapshot, snapshot_run_free);
        g_clear_pointer(&((Start *) operation)->options.fds, g_ptr_array_unref);
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
