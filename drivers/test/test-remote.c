/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/test-remote.h"

#include <string.h>

#include "domain/connection-life.h"
#include "domain/connection.h"
#include "test/elsewhere.h"
#include "test/machine.h"

#define HOST_BYTES_MAX 64

static char *name(const char *uri, GError **error) {
        static const char scheme[] = "test://";
        const char *host = uri + strlen(scheme);
        size_t length = g_str_has_prefix(uri, scheme) ? strcspn(host, "/") : 0;
        bool is_name = length > 0 && length <= HOST_BYTES_MAX &&
                       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == length;
        if (is_name && (!host[length] || strcmp(host + length, "/") == 0))
                return g_strndup(host, length);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                          "OpenConnection: the URI does not name a test hypervisor: write test://NAME, of up to %d letters, "
                          "digits, '.' "
                          "and '-'; a username is an option",
                          HOST_BYTES_MAX);
        return NULL;
}

/* Those whose name begins with "locked" want a password. */
static bool may_connect(const Connection *connection) {
        return !g_str_has_prefix(connection->name, "test_locked") ||
               (connection->username && *connection->username && g_strcmp0(connection->password, "open-sesame") == 0);
}

/* Those whose name begins with "silent" never answer. */
static void connect(Connection *connection) {
        const Laboratory *laboratory = connection->data;
        g_autoptr(GError) error = NULL;
        if (g_str_has_prefix(connection->name, "test_silent"))
                return;
        if (laboratory->unreachable)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s is not reached", connection->uri);
        else if (!may_connect(connection))
                virtbus_error_set(&error, VIRTBUS_ERROR_ACCESS_DENIED,
                                  "%s refuses the username or the password; pass others as options of OpenConnection",
                                  connection->uri);
        if (error) {
                connection_cut(connection, error, !laboratory->unreachable);
                return;
        }
        elsewhere_show(connection); /* before it is said to be connected: then it is all there */
        connection_connected(connection);
}

static void disconnect(Connection *connection) {
        (void) connection; /* nothing is at work but timers, which go with the machines */
}

const HypervisorRemote test_remote = {
        .name = name,
        .connect = connect,
        .disconnect = disconnect,
};

void test_remote_fail_operations(Connection *connection, const GError *error) {
        g_autoptr(GList) domains = g_hash_table_get_values(connection->by_uuid);
        for (GList *link = domains; link; link = link->next)
                domain_ref(link->data);
        for (GList *link = domains; link; link = link->next) {
                Machine *machine = ((Domain *) link->data)->run;
                if (!machine || !machine->operation)
                        continue;
                machine->timer = sd_event_source_disable_unref(machine->timer);
                machine_end_operation(machine, error);
        }
        g_list_foreach(domains, (GFunc) (void (*)(void)) domain_unref, NULL);
}
