/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/restoring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/filter.h"
#include "base/named-file.h"
#include "bus.h"
#include "domain/connection.h"
#include "domain/operations/save-image.h"
#include "domain/user-work.h"

struct Restoring {
        Connection *connection;
        char *path, *xml;
        SavedRuns runs;
        bool in_worker, is_forgotten;
        int fd;
        SaveHeader header;
        Definition *definition;
        RestoringRead read;
        void *data;
};

void restoring_free(Restoring *restoring) {
        restoring->is_forgotten = true;
        if (restoring->in_worker)
                return;
        autofd_close(&restoring->fd);
        save_header_clear(&restoring->header);
        g_clear_pointer(&restoring->definition, definition_unref);
        g_free(restoring->path);
        g_free(restoring->xml);
        g_free(restoring);
}

int restoring_fd(const Restoring *restoring) {
        return restoring->fd;
}

bool restoring_runs(const Restoring *restoring) {
        return saved_runs(restoring->runs, restoring->header.running);
}

bool restoring_is_read(const Restoring *restoring) {
        return !restoring->in_worker;
}

bool restoring_has_path(const Restoring *restoring) {
        return restoring->path != NULL;
}

Definition *restoring_definition(const Restoring *restoring) {
        return restoring->definition;
}

/* In a worker. */
static void open_and_read_header(void *data, GError **error) {
        Restoring *restoring = data;
        struct stat info;
        if (restoring->path) {
                restoring->fd = named_file_open("the saved state", restoring->path, O_RDONLY, false, &info, error);
                if (restoring->fd < 0)
                        return;
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
        Filter *filter = filter_new(restoring->connection->event, &restoring->connection->filter_user, arguments, restoring->fd,
                                    pair[1], NULL, NULL, error);
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
        if (!document ||
            (HYPERVISOR_HAS(hypervisor, documents, complete) && !hypervisor->documents->complete(connection, document, error)))
                return NULL;
        g_autoptr(Definition) definition = definition_from_document(document, error);
        if (!definition || (HYPERVISOR_HAS(hypervisor, documents, check) &&
                            !hypervisor->documents->check(connection, definition, document, false, error)))
                return NULL;
        if (strcmp(definition->uuid, saved->uuid) == 0)
                return g_steal_pointer(&definition);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                          "the saved domain has UUID %s, and the document %s; use the same", saved->uuid, definition->uuid);
        return NULL;
}

static void on_header_read(void *data, const GError *error) {
        Restoring *restoring = data;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        restoring->in_worker = false;
        if (restoring->is_forgotten) {
                restoring_free(restoring);
                return;
        }
        if (!failure)
                restoring->definition = read_definition(restoring, &failure);
        if (!failure)
                decompress(restoring, &failure);
        restoring->read(restoring, failure, restoring->data);
}

Restoring *restoring_new(Connection *connection, const char *path, int fd, uid_t user, const char *xml, SavedRuns runs,
                         RestoringRead read, void *data) {
        Restoring *restoring = g_new0(Restoring, 1);
        *restoring = (Restoring){
                .connection = connection,
                .path = g_strdup(path),
                .fd = fd,
                .xml = xml && *xml ? g_strdup(xml) : NULL,
                .runs = runs,
                .in_worker = true,
                .read = read,
                .data = data,
        };
        if (path)
                user_work_run(connection, user, open_and_read_header, on_header_read, restoring);
        else
                worker_run_of(connection->clients, user, open_and_read_header, on_header_read, restoring);
        return restoring;
}
