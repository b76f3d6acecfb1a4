/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/restore.h"

#include "bus.h"
#include "domain/connection.h"
#include "domain/connection-table.h"
#include "domain/operation.h"
#include "domain/owners-rights.h"
#include "domain/operations/restoring.h"
#include "domain/operations/start.h"

/* Until there is an operation. */
typedef struct Restore {
        Connection *connection;
        Restoring *restoring;
        Call *call;
} Restore;

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
                return owners_rights_check_change(domain, definition, false, error) ? domain : NULL;
        g_autoptr(Domain) fresh = domain_new(connection, definition, false, owner, false);
        return fresh; /* which the connection's table holds */
}

static void refuse(Restore *restore, const GError *error) {
        call_fail(restore->call, error);
        restoring_free(restore->restoring);
}

static void on_turn(void *data, Turn *turn, const GError *error) {
        g_autofree Restore *restore = data;
        Connection *connection = restore->connection;
        Definition *definition = restoring_definition(restore->restoring);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        /* Until now nobody could see that it was asked for: after its service has been replaced, no guest appears out of
         * nothing. */
        if (turn && !call_is_awaited(restore->call))
                virtbus_error_set(&failure, VIRTBUS_ERROR_CANCELLED, "virtbusd has ended before it began");
        Domain *domain = turn && !failure ? find_domain(connection, definition, restore->call->uid, &failure) : NULL;
        if (domain)
                domain_operate(domain, start_new(restore->call, (StartOptions){ .restoring = restore->restoring }));
        else
                refuse(restore, failure);
        if (turn)
                turn_end(turn);
        connection_idle(connection);
}

static void on_read(Restoring *restoring, const GError *error, void *data) {
        Restore *restore = data;
        const Definition *definition = restoring_definition(restoring);
        if (error) {
                refuse(restore, error);
                g_free(restore);
        } else
                turns_take(restore->connection->turns, definition->uuid, definition->name, on_turn, restore);
}

void restore_begin(Connection *connection, const char *path, int fd, const char *xml, SavedRuns runs, Call *call) {
        Restore *restore = g_new0(Restore, 1);
        *restore = (Restore){ .connection = connection, .call = call };
        restore->restoring = restoring_new(connection, path, fd, call->uid, xml, runs, on_read, restore);
}
