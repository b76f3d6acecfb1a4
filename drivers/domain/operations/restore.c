/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/filter.h"
#include "bus.h"
#include "domain/connection.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/start.h"
#include "vtables.h"

struct Restoring {
        Operation *operation; /* NULL: none yet, or it has ended before */
        Connection *connection;
        char *path, *xml;
        bool managed, paused, in_worker;
        int fd;
        SaveHeader header;
        Definition *definition;
        Call *call; /* until there is an operation */
};

static void free_restoring(Restoring *restoring) {
        if (restoring->in_worker || restoring->operation)
                return;
        autofd_close(&restoring->fd);
        save_header_clear(&restoring->header);
        g_clear_pointer(&restoring->definition, definition_unref);
        g_free(restoring->path);
        g_free(restoring->xml);
        g_free(restoring);
}

void restoring_free(Restoring *restoring) {
        restoring->operation = NULL;
        free_restoring(restoring);
}

int restoring_fd(const Operation *operation) {
        return start_restoring(operation) ? start_restoring(operation)->fd : -1;
}

bool restoring_is_running(const Operation *operation) {
        const Restoring *restoring = start_restoring(operation);
        return restoring->header.running && !restoring->paused;
}

/* In a worker. */
static void open_and_read_header(void *data, GError **error) {
        Restoring *restoring = data;
        struct stat info;
        if (restoring->path) {
                restoring->fd = open(restoring->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
                if (restoring->fd < 0 || fstat(restoring->fd, &info) < 0) {
                        virtbus_error_set_errno(error, errno, "%s cannot be opened", restoring->path);
                        return;
                }
                if (!S_ISREG(info.st_mode)) {
                        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not a file", restoring->path);
                        return;
                }
                fcntl(restoring->fd, F_SETFL, fcntl(restoring->fd, F_GETFL) & ~O_NONBLOCK);
        }
        save_header_read(restoring->fd, &restoring->header, error);
}

/* Puts the program that decompresses between the file and the hypervisor. */
static bool decompress(Restoring *restoring, GError **error) {
        int pair[2];
        if (strcmp(restoring->header.compression, SAVE_UNCOMPRESSED) == 0)
                return true;
        g_autofree char *program = save_compression_program(restoring->header.compression, error);
        char *const arguments[] = { program, (char *) "-dc", NULL };
        if (!program)
                return false;
        if (pipe2(pair, O_CLOEXEC) < 0)
                return virtbus_error_set_errno(error, errno, "a pipe cannot be made");
        Filter *filter = filter_new(restoring->connection, arguments, restoring->fd, pair[1], NULL, NULL, error);
        close(pair[1]);
        close(restoring->fd);
        restoring->fd = pair[0];
        return filter != NULL;
}

/* The definition that was saved, as a document of this connection. */
static Definition *read_definition(Restoring *restoring, GError **error) {
        Connection *connection = restoring->connection;
        const Hypervisor *hypervisor = connection->hypervisor;
        g_autoptr(Definition) saved = definition_parse(restoring->header.xml, error);
        if (!saved)
                return NULL;
        g_autoptr(xmlDoc) document = restoring->xml ? xml_parse(restoring->xml, "domain", error)
                                                    : xml_parse_own(restoring->header.xml, "domain", error);
        if (!document || (hypervisor->complete && !hypervisor->complete(connection, document, error)))
                return NULL;
        g_autoptr(Definition) definition = definition_from_document(document, error);
        if (!definition || (hypervisor->check && !hypervisor->check(connection, definition, document, false, error)))
                return NULL;
        if (strcmp(definition->uuid, saved->uuid) == 0)
                return g_steal_pointer(&definition);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                          "the saved domain has UUID %s, and the document %s; use the same", saved->uuid, definition->uuid);
        return NULL;
}

/* The domain that is to run, which may have to be made; in a turn. */
static Domain *find_domain(Connection *connection, const Definition *definition, uid_t owner, GError **error) {
        Domain *domain = connection_find(connection, definition->uuid),
               *namesake = connection_find_name(connection, definition->name);
        if (namesake && namesake != domain) {
                domain_fail(namesake, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                            "the saved domain has that name too, and another UUID: %s; pass a document with another name",
                            definition->uuid);
                return NULL;
        }
        if (domain && !namesake) {
                domain_fail(domain, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                            "the saved domain has its UUID, and another name: '%s'; pass a document with its name",
                            definition->name);
                return NULL;
        }
        if (domain && domain_is_active(domain)) {
                domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; to be restored it must be shutoff",
                            domain_state_name(domain->state));
                return NULL;
        }
        if (domain)
                return domain;
        g_autoptr(Domain) fresh = domain_new(connection, definition, false, owner);
        return fresh; /* which the connection's table holds */
}

static void on_turn(void *data, Turn *turn, const GError *error) {
        Restoring *restoring = data;
        Connection *connection = restoring->connection;
        Call *call = g_steal_pointer(&restoring->call);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        /* Until now nobody could see that it was asked for: after its service has been replaced, no guest appears out of nothing. */
        if (turn && !call_is_awaited(call))
                virtbus_error_set(&failure, VIRTBUS_ERROR_CANCELLED, "virtbusd has ended before it began");
        Domain *domain = turn && !failure ? find_domain(connection, restoring->definition, call->uid, &failure) : NULL;
        if (domain)
                domain_operate(domain, start_new(call, (StartOptions){ .restoring = restoring }));
        else {
                call_fail(call, failure);
                free_restoring(restoring);
        }
        if (turn)
                turn_end(turn);
        connection_idle(connection);
}

static void on_header_read(void *data, const GError *error) {
        Restoring *restoring = data;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        restoring->in_worker = false;
        if (!failure)
                restoring->definition = read_definition(restoring, &failure);
        if (!failure && decompress(restoring, &failure)) {
                turns_take(restoring->connection->turns, restoring->definition->uuid, restoring->definition->name, on_turn,
                           restoring);
                return;
        }
        call_fail(restoring->call, failure);
        free_restoring(restoring);
}

void restoring_begin(Connection *connection, const char *path, int fd, const char *xml, bool paused, Call *call) {
        Restoring *restoring = g_new0(Restoring, 1);
        *restoring = (Restoring){
                .connection = connection,
                .path = g_strdup(path),
                .fd = fd,
                .xml = xml && *xml ? g_strdup(xml) : NULL,
                .paused = paused,
                .call = call,
                .in_worker = true,
        };
        worker_run(path ? connection->worker : connection->clients, open_and_read_header, on_header_read, restoring);
}

void restoring_take(Operation *operation) {
        Restoring *restoring = start_restoring(operation);
        Domain *domain = operation->domain;
        restoring->operation = operation;
        domain_set_live(domain, restoring->definition); /* its devices' objects are those that were saved */
        start_set_paused(operation, !restoring_is_running(operation));
        if (restoring->managed || !operation->call)
                return;
        Call *call = g_steal_pointer(&operation->call);
        operation->job = job_new(domain->connection->objects, domain->connection->hypervisor->connection, "restore",
                                 published_path(domain->published), call->uid, NULL, operation);
        if (restoring->path)
                reply_connection_restore_domain(call, published_path(domain->published), job_path(operation->job));
        else
                reply_connection_restore_domain_from_fd(call, published_path(domain->published), job_path(operation->job));
}

static void on_managed_read(void *data, const GError *error) {
        Restoring *restoring = data;
        Operation *operation = restoring->operation;
        g_autoptr(GError) failure = NULL, named = NULL;
        restoring->in_worker = false;
        if (!operation) {
                free_restoring(restoring);
                return;
        }
        if (!error)
                restoring->definition = read_definition(restoring, &failure);
        if (error || failure || !decompress(restoring, &failure)) {
                domain_fail(operation->domain, &named, virtbus_error_code(error ? error : failure),
                            "%s; pass the option force_boot to start it without what was saved",
                            (error ? error : failure)->message);
                operation_finish(operation, named);
                return;
        }
        restoring_take(operation);
        restoring->connection->hypervisor->start(operation);
}

void restoring_begin_managed(Operation *operation) {
        Domain *domain = operation->domain;
        Restoring *restoring = g_new0(Restoring, 1);
        *restoring = (Restoring){
                .operation = operation,
                .connection = domain->connection,
                .path = save_managed_path(domain->connection, domain->uuid),
                .fd = -1,
                .managed = true,
                .paused = start_is_paused(operation),
                .in_worker = true,
        };
        start_set_restoring(operation, restoring);
        worker_run(domain->connection->worker, open_and_read_header, on_managed_read, restoring);
}

bool restoring_cancel(Operation *operation) {
        const Restoring *restoring = start_restoring(operation);
        if (!restoring || !restoring->in_worker)
                return false;
        g_autoptr(GError) error = NULL;
        domain_fail(operation->domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed while it started");
        operation_finish(operation, error);
        return true;
}
