/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The inlet between a client and sd-bus: how long it waits, and what it hands on however it is cut up. */

#include <sys/socket.h>

#include "bus.h"
#include "inlet.h"

#define TIMEOUT 200000u        /* of these tests' connections, in microseconds */
#define GIVE_UP (60 * 1000000) /* whatever takes longer has failed */

typedef struct Connection {
        sd_event *event;
        sd_bus *bus;
        Inlet *inlet;
        int client; /* the other end */
        unsigned n_calls;
        bool ended;
} Connection;

static const InletRules rules = { .client = true, .header_max = 8192, .body_max = 65536, .timeout = TIMEOUT };

static int on_message(sd_bus_message *message, void *data, sd_bus_error *error) {
        Connection *connection = data;
        uint8_t type;
        (void) error;
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected"))
                connection->ended = true;
        else if (sd_bus_message_get_type(message, &type) >= 0 && type == SD_BUS_MESSAGE_METHOD_CALL)
                connection->n_calls++;
        return 1;
}

static void connection_open(Connection *connection) {
        int pair[2];
        sd_id128_t id;
        *connection = (Connection){ 0 };
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        connection->client = pair[0];
        g_assert_cmpint(sd_event_new(&connection->event), >=, 0);
        g_assert_cmpint(sd_bus_new(&connection->bus), >=, 0);
        connection->inlet = inlet_new(&rules, connection);
        g_assert_cmpint(inlet_connect(connection->inlet, connection->bus, pair[1]), >=, 0);
        g_assert_cmpint(sd_id128_randomize(&id), >=, 0);
        g_assert_cmpint(sd_bus_set_server(connection->bus, true, id), >=, 0);
        g_assert_cmpint(sd_bus_add_filter(connection->bus, NULL, on_message, connection), >=, 0);
        g_assert_cmpint(sd_bus_start(connection->bus), >=, 0);
        g_assert_cmpint(sd_bus_attach_event(connection->bus, connection->event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
        g_assert_cmpint(inlet_start(connection->inlet), >=, 0);
}

static void connection_close(Connection *connection) {
        inlet_free(connection->inlet);
        sd_bus_detach_event(connection->bus);
        sd_bus_close_unref(connection->bus);
        sd_event_unref(connection->event);
        close(connection->client);
}

static void say(Connection *connection, const void *data, size_t size) {
        send(connection->client, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void settle(Connection *connection) {
        while (sd_event_run(connection->event, 0) > 0)
                ;
}

/* Runs the loop for so long. */
static void run_for(Connection *connection, gint64 usec) {
        gint64 end = g_get_monotonic_time() + usec, left;
        while (!connection->ended && (left = end - g_get_monotonic_time()) > 0)
                sd_event_run(connection->event, (uint64_t) left);
}

static void authenticate(Connection *connection) {
        static const char lines[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
        say(connection, lines, sizeof lines - 1);
        settle(connection);
        g_assert_cmpint(sd_bus_is_ready(connection->bus), >, 0);
}

/* A call of member "M" at "/", with so many bytes of body. */
static GByteArray *make_call(char order, uint32_t body) {
        static const uint8_t fields[] = { 1, 1, 'o', 0, 1,   0, 0, 0, '/', 0, 0, 0, 0, 0, 0,   0, 3, 1,   's', 0,
                                          1, 0, 0,   0, 'M', 0, 0, 0, 0,   0, 0, 0, 8, 1, 'g', 0, 2, 'a', 'y', 0 };
        GByteArray *call = g_byte_array_new();
        bool big = order == 'B';
        g_autofree uint8_t *bytes = g_malloc0(body);
        uint32_t length = body - 4, size = sizeof fields;
        const uint32_t numbers[] = { big ? GUINT32_TO_BE(body) : body, big ? GUINT32_TO_BE(1) : 1,
                                     big ? GUINT32_TO_BE(size) : size };
        uint8_t own[sizeof fields];
        memcpy(own, fields, sizeof own);
        for (size_t at = 4; at <= 20; at += 16)
                if (big) {
                        own[at] = 0;
                        own[at + 3] = 1;
                }
        length = big ? GUINT32_TO_BE(length) : length;
        memcpy(bytes, &length, sizeof length);
        g_byte_array_append(call, (const uint8_t[]){ (uint8_t) order, SD_BUS_MESSAGE_METHOD_CALL, 0, 1 }, 4);
        g_byte_array_append(call, (const uint8_t *) numbers, sizeof numbers);
        g_byte_array_append(call, own, sizeof own);
        g_byte_array_append(call, bytes, body);
        return call;
}

static void test_who_does_not_authenticate_is_ended(void) {
        Connection connection;
        gint64 began = g_get_monotonic_time();
        connection_open(&connection);
        for (unsigned n = 0; !connection.ended && g_get_monotonic_time() - began < GIVE_UP; n++) {
                say(&connection, n == 0 ? "" : "A", 1);
                run_for(&connection, TIMEOUT / 10);
        }
        g_assert_true(connection.ended);
        connection_close(&connection);
}

static void test_a_message_that_comes_drop_by_drop_is_ended(void) {
        g_autoptr(GByteArray) call = make_call('l', 60000);
        for (size_t start = 1; start < 200; start += 100) { /* in the header, and in the body */
                Connection connection;
                connection_open(&connection);
                authenticate(&connection);
                say(&connection, call->data, start);
                gint64 began = g_get_monotonic_time();
                for (size_t at = start; !connection.ended && g_get_monotonic_time() - began < GIVE_UP; at++) {
                        say(&connection, call->data + at, 1);
                        run_for(&connection, TIMEOUT / 10);
                        g_assert_cmpuint(at, <, start + 1000); /* each byte had its time */
                }
                g_assert_true(connection.ended);
                connection_close(&connection);
        }
}

static void test_who_has_authenticated_may_wait(void) {
        g_autoptr(GByteArray) call = make_call('l', 8);
        Connection connection;
        connection_open(&connection);
        authenticate(&connection);
        for (unsigned n = 1; n <= 2; n++) {
                run_for(&connection, 2 * TIMEOUT);
                say(&connection, call->data, call->len);
                settle(&connection);
                g_assert_false(connection.ended);
                g_assert_cmpuint(connection.n_calls, ==, n);
        }
        connection_close(&connection);
}

static void test_messages_are_handed_on_however_they_are_cut(void) {
        g_autoptr(GByteArray) all = g_byte_array_new();
        static const uint32_t bodies[] = { 4, 5, 100, 4 };
        for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
                g_autoptr(GByteArray) call = make_call(i % 2 ? 'B' : 'l', bodies[i]);
                g_byte_array_append(all, call->data, call->len);
        }
        for (guint piece = 1; piece < all->len; piece += 7) {
                Connection connection;
                connection_open(&connection);
                authenticate(&connection);
                for (guint at = 0; at < all->len; at += piece) {
                        say(&connection, all->data + at, MIN(piece, all->len - at));
                        settle(&connection);
                }
                g_assert_false(connection.ended);
                g_assert_cmpuint(connection.n_calls, ==, G_N_ELEMENTS(bodies));
                connection_close(&connection);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/inlet/who-does-not-authenticate-is-ended", test_who_does_not_authenticate_is_ended);
        g_test_add_func("/inlet/a-message-that-comes-drop-by-drop-is-ended", test_a_message_that_comes_drop_by_drop_is_ended);
        g_test_add_func("/inlet/who-has-authenticated-may-wait", test_who_has_authenticated_may_wait);
        g_test_add_func("/inlet/messages-are-handed-on-however-they-are-cut", test_messages_are_handed_on_however_they_are_cut);
        return g_test_run();
}
