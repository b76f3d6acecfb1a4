/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include <stdlib.h>

#include "call.h"
#include "calls.h"
#include "domains.h"
#include "events.h"
#include "jobs.h"
#include "log.h"
#include "secret-events.h"
#include "streams.h"

#define SERVICE "org.virtbus1"
/* Why a connection was closed: the other end has gone. */
#define CLOSED_AT_END 1

static void on_call(void *data, const Procedure *procedure, uint32_t serial, GVariant *arguments) {
        call_begin(data, calls_find(procedure), procedure, serial, arguments);
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

static const ConversationHandler handler = { on_call, on_stream, on_drained, on_ended };

/* The service has gone, or the bus: the client connects anew when it wants to. */
static void leave(Client *client) {
        if (client->tells_close)
                conversation_event(client->conversation, REMOTE_CONNECT_EVENT_CONNECTION_CLOSED,
                                   g_variant_new("(i)", CLOSED_AT_END));
        conversation_finish(client->conversation);
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

/* Each client has a connection of its own: what it says, it says for itself. */
static GDBusConnection *connect_bus(GError **error) {
        g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SESSION, NULL, error);
        if (!address)
                return NULL;
        return g_dbus_connection_new_for_address_sync(address,
                                                      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                                      G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                      NULL, NULL, error);
}

int client_serve(int fd) {
        Client client = { .loop = g_main_loop_new(NULL, FALSE) };
        g_autoptr(GError) error = NULL;
        client.bus = connect_bus(&error);
        if (!client.bus) {
                log_error("the session bus cannot be connected to: %s", error->message);
                g_main_loop_unref(client.loop);
                return EXIT_FAILURE;
        }
        unsigned int subscription = g_dbus_connection_signal_subscribe(client.bus, "org.freedesktop.DBus", "org.freedesktop.DBus",
                                                                       "NameOwnerChanged", "/org/freedesktop/DBus", SERVICE,
                                                                       G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, &client, NULL);
        g_signal_connect(client.bus, "closed", G_CALLBACK(on_bus_closed), &client);
        client.jobs = jobs_new(client.bus);
        client.streams = streams_new();
        client.conversation = conversation_new(fd, &handler, &client);
        client.events = events_new(client.conversation);
        client.secret_events = secret_events_new(client.bus, client.conversation);
        g_main_loop_run(client.loop);
        g_dbus_connection_signal_unsubscribe(client.bus, subscription);
        g_signal_handlers_disconnect_by_data(client.bus, &client);
        domains_free(client.domains);
        events_free(client.events);
        secret_events_free(client.secret_events);
        streams_free(client.streams);
        conversation_free(client.conversation);
        jobs_free(client.jobs);
        g_free(client.connection);
        g_free(client.connection_name);
        g_object_unref(client.bus);
        g_main_loop_unref(client.loop);
        return EXIT_SUCCESS;
}
