/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/connection-life.h"

#include <string.h>

#include "domain/connection-bus.h"
#include "domain/connection-table.h"
#include "errors.h"
#include "log.h"

static void wipe(char **text) {
        if (*text)
                explicit_bzero(*text, strlen(*text));
        g_clear_pointer(text, g_free);
}

void connection_set_credentials(Connection *connection, const char *username, const char *password) {
        wipe(&connection->username);
        wipe(&connection->password);
        connection->username = g_strdup(username);
        connection->password = g_strdup(password);
}

bool connection_has_credentials(const Connection *connection, const char *username, const char *password) {
        return g_strcmp0(connection->username, username) == 0 && g_strcmp0(connection->password, password) == 0;
}

static void set_state(Connection *connection, ConnectionState state, const char *reason) {
        bool is_same = connection->state == state && strcmp(connection->state_reason, reason) == 0;
        connection->state = state;
        g_autofree char *old = connection->state_reason; /* which REASON may be */
        connection->state_reason = g_strdup(reason);
        if (!is_same)
                connection_announce_state(connection);
}

/* Tells who waits for it how that went. */
static void answer_openers(Connection *connection, const GError *error) {
        for (Call *call; (call = g_queue_pop_head(&connection->openers));)
                if (error)
                        call_fail(call, error);
                else
                        call_reply(call, "o", connection->path);
}

void connection_refuse(GQueue *openers, GError *refusal) {
        for (Call *call; (call = g_queue_pop_head(openers));)
                call_fail(call, refusal);
        g_error_free(refusal);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *data) {
        (void) source;
        (void) usec;
        connection_connect(data, NULL);
        return 0;
}

static uint64_t retry_delay(const Connection *connection) {
        uint64_t delay = RECONNECT_DELAY;
        for (unsigned i = 1; i < connection->n_cuts && delay < RECONNECT_DELAY_MAX; i++)
                delay *= 2;
        return MIN(delay, RECONNECT_DELAY_MAX);
}

static int on_connect_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Connection *connection = data;
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        connection->hypervisor->remote->disconnect(connection);
        virtbus_error_set(&error, VIRTBUS_ERROR_TIMEOUT, "%s has not answered within %d seconds", connection->uri,
                          (int) (CONNECT_TIMEOUT / 1000000));
        connection_cut(connection, error, false);
        return 0;
}

void connection_await_credentials(Connection *connection) {
        connection->was_connected = true;
        connection->lacks_credentials = true;
        set_state(connection, CONNECTION_DISCONNECTED, "its credentials were lost when its driver and virtbusd ended");
}

void connection_connect(Connection *connection, Call *call) {
        bool is_new = !connection->connecting;
        if (call)
                g_queue_push_tail(&connection->openers, call);
        if (!is_new)
                return;
        connection->retry = sd_event_source_disable_unref(connection->retry);
        connection->lacks_credentials = false;
        connection->connecting = true;
        set_state(connection, CONNECTION_CONNECTING, connection->state_reason);
        connection->hypervisor->remote->connect(connection);
        if (!connection->connecting)
                return;
        int r = sd_event_add_time_relative(connection->event, &connection->patience, CLOCK_MONOTONIC, CONNECT_TIMEOUT, 0,
                                           on_connect_timeout, connection);
        if (r < 0)
                log_warning("connection %s: nothing ends its waiting for %s: %s", connection->name, connection->uri,
                            g_strerror(-r));
}

void connection_connected(Connection *connection) {
        connection->connecting = false;
        connection->patience = sd_event_source_disable_unref(connection->patience);
        connection->was_connected = true;
        connection->n_cuts = 0;
        set_state(connection, CONNECTION_CONNECTED, "");
        answer_openers(connection, NULL);
}

void connection_cut(Connection *connection, const GError *error, bool final) {
        connection->connecting = false;
        connection->patience = sd_event_source_disable_unref(connection->patience);
        connection->n_cuts++;
        log_warning("connection %s: %s", connection->name, error->message);
        connection->retry = sd_event_source_disable_unref(connection->retry);
        bool is_first = !connection->was_connected && connection->first_cut;
        set_state(connection, final || is_first ? CONNECTION_DISCONNECTED : CONNECTION_CONNECTING, error->message);
        if (is_first) {
                g_clear_error(&connection->refusal);
                connection->refusal = g_error_copy(error);
                connection->first_cut(connection);
        } else
                answer_openers(connection, error);
        int r = final || is_first ? 0
                                  : sd_event_add_time_relative(connection->event, &connection->retry, CLOCK_MONOTONIC,
                                                               retry_delay(connection), 0, on_retry, connection);
        if (r < 0)
                set_state(connection, CONNECTION_DISCONNECTED, "it cannot be tried again by itself: open it again");
}

void connection_end_calls(Connection *connection) {
        set_state(connection, CONNECTION_DISCONNECTED, "it is being closed");
}

bool connection_check_connected(const Connection *connection, GError **error) {
        static const char *const remedies[] = {
                [CONNECTION_CONNECTING] = "it is connected to again by itself",
                [CONNECTION_DISCONNECTED] = "open it again",
        };
        return connection->state == CONNECTION_CONNECTED ||
               virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "connection %s is %s: %s; %s", connection->name,
                                 connection_state_name(connection), connection->state_reason, remedies[connection->state]);
}

void connection_end_life(Connection *connection, const GError *error) {
        connection->retry = sd_event_source_disable_unref(connection->retry);
        connection->patience = sd_event_source_disable_unref(connection->patience);
        if (connection->hypervisor->remote && !connection->ended)
                connection->hypervisor->remote->disconnect(connection);
        connection->ended = true;
        answer_openers(connection, connection->refusal ? connection->refusal : error);
        g_clear_error(&connection->refusal);
        connection_set_credentials(connection, NULL, NULL);
}
