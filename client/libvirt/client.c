/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>

#include "associated.h"
#include "at-once.h"
#include "call.h"
#include "calls.h"
#include "confinement.h"
#include "domains.h"
#include "events.h"
#include "jobs.h"
#include "log.h"
#include "monitor-events.h"
#include "network-events.h"
#include "secret-events.h"
#include "streams.h"

#define SERVICE "org.virtbus1"
/* Why a connection was closed: the other end has gone. */
#define CLOSED_AT_END 1

/* How long a client that is left may take to read its last answers, in milliseconds. */
#define LEAVING_PATIENCE 3000

static void on_call(void *data, const Procedure *procedure, uint32_t serial, GVariant *arguments) {
        call_begin(data, calls_find(procedure), procedure, serial, arguments, NULL);
}

static bool takes_fds(const Procedure *procedure) {
        return procedure == &procedures[REMOTE_DOMAIN_FD_ASSOCIATE];
}

static void on_call_with_fds(void *data, const Procedure *procedure, uint32_t serial, GVariant *arguments, GUnixFDList *fds) {
        call_begin(data, calls_find(procedure), procedure, serial, arguments, fds);
}

static bool on_call_at_once(void *data, const Procedure *procedure, const uint8_t *body, size_t size, GByteArray *into) {
        const Client *client = data;
        const Known *known = domains_known(client->domains);
        return known && at_once_answer(known, procedure, body, size, into);
}

static void on_stream(void *data, const PacketHeader *header, const uint8_t *body, size_t size) {
        Client *client = data;
        streams_take(client->streams, header, body, size);
}

static void on_drained(void *data) {
        Client *client = data;
        streams_drained(client->streams);
}

static void on_ended(void *data) {
        Client *client = data;
        g_main_loop_quit(client->loop);
}

static const ConversationHandler handler = { on_call,         on_stream, on_drained,      on_ended,
                                             on_call_at_once, takes_fds, on_call_with_fds };

static gboolean on_impatient(void *data) {
        Client *client = data;
        g_main_loop_quit(client->loop);
        return G_SOURCE_CONTINUE;
}

/* The service has gone, or the bus, or this process is told to end: the client connects anew when it wants to. */
static void leave(Client *client) {
        if (client->leaving)
                return;
        client->leaving = true;
        g_timeout_add(LEAVING_PATIENCE, on_impatient, client);
        if (client->tells_close)
                conversation_event(client->conversation, REMOTE_CONNECT_EVENT_CONNECTION_CLOSED,
                                   g_variant_new("(i)", CLOSED_AT_END));
        conversation_finish(client->conversation);
        calls_cancel(client);
}

static gboolean on_told_to_end(void *data) {
        leave(data);
        return G_SOURCE_CONTINUE;
}

static void on_owner_changed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                             const char *member, GVariant *arguments, void *data) {
        const char *owner;
        (void) bus;
        (void) sender;
        (void) path;
        (void) interface;
        (void) member;
        g_variant_get(arguments, "(&s&s&s)", NULL, &owner, NULL);
        if (*owner)
                leave(data);
}

static void on_bus_closed(GDBusConnection *bus, gboolean vanished, GError *error, void *data) {
        (void) bus;
        (void) vanished;
        (void) error;
        leave(data);
}

#define BUS_FLAGS (G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION)

/* The one that virtbusd has made: what is said there is said by the client. */
static GDBusConnection *connect_own(int fd, GError **error) {
        g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, error);
        if (!socket)
                return NULL;
        g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
        return g_dbus_connection_new_sync(G_IO_STREAM(stream), NULL, BUS_FLAGS, NULL, NULL, error);
}

/* Each client has a connection of its own: what it says, it says for itself. */
static GDBusConnection *connect_bus(const Origin *origin, GError **error) {
        if (origin_is_system(origin))
                return connect_own(origin->bus, error);
        g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SESSION, NULL, error);
        if (!address)
                return NULL;
        return g_dbus_connection_new_for_address_sync(address, BUS_FLAGS, NULL, NULL, error);
}

/* Tells when virtbusd has gone: where there is no bus in between, the connection ends with it. */
static void watch_service(Client *client) {
        if (!origin_is_system(client->origin))
                client->watch = g_dbus_connection_signal_subscribe(client->bus, "org.freedesktop.DBus", "org.freedesktop.DBus",
                                                                   "NameOwnerChanged", "/org/freedesktop/DBus", SERVICE,
                                                                   G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, client, NULL);
        g_signal_connect(client->bus, "closed", G_CALLBACK(on_bus_closed), client);
}

/* Connects, and gives up what is not needed any more. */
static bool prepare(Client *client) {
        const Origin *origin = client->origin;
        g_autoptr(GError) error = NULL;
        client->bus = connect_bus(origin, &error);
        if (!client->bus) {
                log_error("%s cannot be connected to: %s", origin_is_system(origin) ? "virtbusd" : "the session bus",
                          error->message);
                return false;
        }
        int r = confinement_enter(origin);
        if (r < 0 && r != -EOPNOTSUPP) {
                log_error("a client is sent away: cannot filter system calls: %s", g_strerror(-r));
                return false;
        }
        return true;
}

int client_serve(const Origin *origin) {
        Client client = {
                .origin = origin,
                .loop = g_main_loop_new(NULL, FALSE),
                .read_only = origin->read_only,
        };
        if (!prepare(&client)) {
                g_clear_object(&client.bus);
                g_main_loop_unref(client.loop);
                return EXIT_FAILURE;
        }
        g_unix_signal_add(SIGTERM, on_told_to_end, &client);
        g_unix_signal_add(SIGINT, on_told_to_end, &client);
        watch_service(&client);
        client.jobs = jobs_new(client.bus);
        client.streams = streams_new();
        client.conversation = conversation_new(origin->socket, &handler, &client);
        client.events = events_new(client.conversation);
        client.secret_events = secret_events_new(client.bus, client.conversation);
        client.network_events = network_events_new(client.bus, client.conversation);
        client.monitor_events = monitor_events_new(client.conversation, &client.domains);
        g_main_loop_run(client.loop);
        if (client.watch)
                g_dbus_connection_signal_unsubscribe(client.bus, client.watch);
        g_signal_handlers_disconnect_by_data(client.bus, &client);
        domains_free(client.domains);
        events_free(client.events);
        host_events_free(client.secret_events);
        host_events_free(client.network_events);
        monitor_events_free(client.monitor_events);
        streams_free(client.streams);
        conversation_free(client.conversation);
        jobs_free(client.jobs);
        associated_free(client.associated);
        g_free(client.connection);
        g_free(client.connection_name);
        g_object_unref(client.bus);
        g_main_loop_unref(client.loop);
        return EXIT_SUCCESS;
}
