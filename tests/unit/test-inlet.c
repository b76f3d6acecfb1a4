/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The inlet between a client and sd-bus: how long it waits, and what it hands on however it is cut up. */

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bus.h"
#include "inlet.h"

#define TIMEOUT 600000u        /* of connections that are to be ended by it, in microseconds */
#define GIVE_UP (60 * 1000000) /* whatever takes longer has failed */

typedef struct Connection {
        sd_event *event;
        sd_bus *bus;
        Inlet *inlet;
        int client; /* the other end */
        unsigned n_calls, n_cut;
        GString *descriptors; /* of the calls, a digit for each; or NULL */
        char *path, *member;  /* of the last call */
        bool ended;
} Connection;

static const InletRules rules = { .client = true, .header_max = 8192, .body_max = 65536, .timeout = GIVE_UP },
                        hasty_rules = { .client = true, .header_max = 8192, .body_max = 65536, .timeout = TIMEOUT },
                        bus_rules = { .header_max = 8192, .body_max = 65536 };

static void connection_called(Connection *connection, sd_bus_message *call) {
        connection->n_calls++;
        if (connection->descriptors)
                g_string_append_printf(connection->descriptors, "%u", inlet_message(connection->inlet)->descriptors);
        g_free(connection->path);
        g_free(connection->member);
        connection->path = g_strdup(sd_bus_message_get_path(call));
        connection->member = g_strdup(sd_bus_message_get_member(call));
}

static int on_message(sd_bus_message *message, void *data, sd_bus_error *error) {
        Connection *connection = data;
        uint8_t type;
        (void) error;
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected"))
                connection->ended = true;
        else if (sd_bus_message_get_type(message, &type) >= 0 && type == SD_BUS_MESSAGE_METHOD_CALL)
                connection_called(connection, message);
        connection->n_cut += inlet_message(connection->inlet)->cut;
        return 1;
}

static void connection_serve(Connection *connection, int socket, const InletRules *its) {
        sd_id128_t id;
        *connection = (Connection){ .client = -1 };
        g_assert_cmpint(sd_event_new(&connection->event), >=, 0);
        g_assert_cmpint(sd_bus_new(&connection->bus), >=, 0);
        connection->inlet = inlet_new(its, connection);
        g_assert_cmpint(inlet_connect(connection->inlet, connection->bus, socket), >=, 0);
        g_assert_cmpint(sd_id128_randomize(&id), >=, 0);
        if (its->client)
                g_assert_cmpint(sd_bus_set_server(connection->bus, true, id), >=, 0);
        g_assert_cmpint(sd_bus_add_filter(connection->bus, NULL, on_message, connection), >=, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(connection->bus, true), >=, 0);
        g_assert_cmpint(sd_bus_start(connection->bus), >=, 0);
        g_assert_cmpint(sd_bus_attach_event(connection->bus, connection->event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
        g_assert_cmpint(inlet_start(connection->inlet), >=, 0);
}

static void open_by(Connection *connection, const InletRules *its) {
        int pair[2];
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        connection_serve(connection, pair[1], its);
        connection->client = pair[0];
}

static void connection_open(Connection *connection) {
        open_by(connection, &rules);
}

static void connection_close(Connection *connection) {
        inlet_free(connection->inlet);
        sd_bus_detach_event(connection->bus);
        sd_bus_close_unref(connection->bus);
        sd_event_unref(connection->event);
        close(connection->client);
        g_free(connection->path);
        g_free(connection->member);
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
        open_by(&connection, &hasty_rules);
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
                open_by(&connection, &hasty_rules);
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
        open_by(&connection, &hasty_rules);
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

/* Appends a field of a header: a string. */
static void add_field(GByteArray *message, uint8_t field, char type, const char *value) {
        static const uint8_t padding[8] = { 0 };
        uint32_t length = (uint32_t) strlen(value);
        uint32_t stored = message->data[0] == 'B' ? GUINT32_TO_BE(length) : GUINT32_TO_LE(length);
        g_byte_array_append(message, padding, (8 - message->len % 8) % 8);
        g_byte_array_append(message, (const uint8_t[]){ field, 1, (uint8_t) type, 0 }, 4);
        g_byte_array_append(message, (const uint8_t *) &stored, sizeof stored);
        g_byte_array_append(message, (const uint8_t *) value, length + 1);
}

/* A message of a path, with a body of a hundred bytes; whose member comes before or behind it. */
static GByteArray *make_message(char order, uint8_t type, const char *path, bool member_first) {
        static const uint8_t padding[108] = { 0 };
        GByteArray *message = g_byte_array_new();
        g_byte_array_append(message, (const uint8_t[]){ (uint8_t) order, type, 0, 1 }, 4);
        g_byte_array_append(message, padding, 12);
        if (member_first)
                add_field(message, 3, 's', "Member");
        add_field(message, 1, 'o', path);
        add_field(message, 2, 's', "a.b");
        if (!member_first)
                add_field(message, 3, 's', "Member");
        const uint32_t numbers[] = { 100, 7, message->len - 16 };
        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                uint32_t stored = order == 'B' ? GUINT32_TO_BE(numbers[i]) : GUINT32_TO_LE(numbers[i]);
                memcpy(message->data + 4 + 4 * i, &stored, sizeof stored);
        }
        return g_byte_array_append(message, padding, (8 - message->len % 8) % 8 + 100);
}

/* SIZE bytes of a path. */
static char *make_path(size_t size) {
        char *path = g_strnfill(size, 'a');
        path[0] = '/';
        return path;
}

static void test_calls_with_long_headers_are_handed_on_to_be_refused(void) {
        static const size_t pieces[] = { 1, 3, 7, 1000, 4096, 1000000 };
        static const char orders[] = { 'l', 'B' };
        for (size_t i = 0; i < G_N_ELEMENTS(pieces) * 4; i++) {
                const size_t piece = pieces[i / 4];
                const char order = orders[i % 2];
                g_autofree char *path = make_path(8200 + i);
                g_autoptr(GByteArray) long_call = make_message(order, SD_BUS_MESSAGE_METHOD_CALL, path, i % 4 < 2);
                g_autoptr(GByteArray) long_signal = make_message(order, SD_BUS_MESSAGE_SIGNAL, path, i % 4 < 2);
                g_autoptr(GByteArray) next = make_call('l', 8);
                Connection connection;
                g_byte_array_append(long_signal, long_call->data, long_call->len);
                connection_open(&connection);
                authenticate(&connection);
                for (size_t at = 0, n; at < long_signal->len;
                     at += n) { /* small ones only around what is looked at: a message has a deadline */
                        n = at < 64 || long_signal->len - at < 256 ? MIN(piece, long_signal->len - at)
                                                                   : MIN(MAX(piece, 500), long_signal->len - at - 200);
                        say(&connection, long_signal->data + at, n);
                        settle(&connection);
                }
                g_assert_false(connection.ended);
                g_assert_cmpuint(connection.n_calls, ==, 1);
                g_assert_cmpuint(connection.n_cut, ==, 1);
                g_assert_cmpstr(connection.path, ==, "/");
                g_assert_cmpstr(connection.member, ==, "Member");
                say(&connection, next->data, next->len);
                settle(&connection);
                g_assert_cmpuint(connection.n_calls, ==, 2);
                g_assert_cmpuint(connection.n_cut, ==, 1);
                connection_close(&connection);
        }
}

static void test_long_headers_that_are_none_end_the_connection(void) {
        g_autofree char *path = make_path(9000);
        const struct {
                size_t at;
                uint8_t value;
        } faults[] = { { 16, 99 }, { 17, 2 }, { 18, 'a' }, { 18, 0 }, { 19, 1 }, { 15, 0xff }, { 23, 0x7f }, { 9032, 1 } };
        for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
                g_autoptr(GByteArray) call = make_message('l', SD_BUS_MESSAGE_METHOD_CALL, path, false);
                Connection connection;
                connection_open(&connection);
                authenticate(&connection);
                call->data[faults[i].at] = faults[i].value;
                say(&connection, call->data, call->len);
                settle(&connection);
                g_assert_cmpuint(connection.n_calls, ==, 0);
                connection_close(&connection);
        }
}

/* A call that has a descriptor with it. */
static const uint8_t call_with_descriptor[] = {
        'l', SD_BUS_MESSAGE_METHOD_CALL,
        0,   1,
        4,   0,
        0,   0,
        1,   0,
        0,   0,
        47,  0,
        0,   0, /* sizes */
        1,   1,
        'o', 0,
        1,   0,
        0,   0,
        '/', 0,
        0,   0,
        0,   0,
        0,   0, /* path */
        3,   1,
        's', 0,
        1,   0,
        0,   0,
        'M', 0,
        0,   0,
        0,   0,
        0,   0, /* member */
        9,   1,
        'u', 0,
        1,   0,
        0,   0,
        8,   1,
        'g', 0,
        1,   'h',
        0,   0, /* descriptors, signature */
        0,   0,
        0,   0, /* body */
};

/* Sends bytes, and the socket itself with them. */
static int send_descriptor(int socket, const void *bytes, size_t size) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
        struct iovec piece = { .iov_base = (void *) bytes, .iov_len = size };
        struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        memcpy(CMSG_DATA(&control.header), &socket, sizeof socket);
        return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Reads from a socket as a user who has as many descriptors on their way as a process may have, and no rights to have more. */
static int be_full_and_read(int socket) {
        Connection connection;
        int pair[2], r = 0;
        const struct rlimit limit = { .rlim_cur = 64, .rlim_max = 64 };
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || setresgid(65533, 65533, 65533) < 0 ||
            setresuid(65533, 65533, 65533) < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 2;
        for (int n = 0; n < 1000 && r == 0; n++)
                r = send_descriptor(pair[0], "", 1);
        if (r != -ETOOMANYREFS)
                return 2;
        connection_serve(&connection, socket, &rules);
        settle(&connection);
        return !connection.ended && connection.n_calls == 1 && connection.n_cut == 1 ? 0 : 1;
}

static void test_descriptors_that_cannot_be_handed_on_end_no_connection(void) {
        static const char lines[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
        int pair[2], status = 0;
        if (geteuid() != 0) {
                g_test_skip("needs root, to be another user");
                return;
        }
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        g_assert_cmpint(send(pair[0], lines, sizeof lines - 1, MSG_NOSIGNAL), ==, sizeof lines - 1);
        g_assert_cmpint(send_descriptor(pair[0], call_with_descriptor, sizeof call_with_descriptor), ==, 0);
        pid_t child = fork();
        if (child == 0)
                _exit(be_full_and_read(pair[1]));
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
                g_test_skip("another limit comes first here");
        else
                g_assert_cmpint(status, ==, 0);
        close(pair[0]);
        close(pair[1]);
}

/* As a bus sends them: one after the other, many of which are read at once. */
static void test_descriptors_of_a_bus_come_with_their_own_messages(void) {
        static const char lines[] = "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
        g_autoptr(GString) sent = g_string_new(NULL);
        g_autoptr(GByteArray) plain = make_call('l', 8);
        Connection connection;
        int pair[2];
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        connection_serve(&connection, pair[1], &bus_rules);
        connection.client = pair[0];
        connection.descriptors = g_string_new(NULL);
        say(&connection, lines, sizeof lines - 1);
        settle(&connection);
        for (unsigned turn = 0; turn < 200; turn++) {
                for (unsigned i = 0; i < turn % 60; i++) {
                        bool with = (turn + i) % 7 == 0;
                        g_string_append(sent, with ? "1" : "0");
                        if (with)
                                g_assert_cmpint(send_descriptor(connection.client, call_with_descriptor,
                                                                sizeof call_with_descriptor),
                                                ==, 0);
                        else
                                say(&connection, plain->data, plain->len);
                }
                settle(&connection);
        }
        g_assert_false(connection.ended);
        g_assert_cmpstr(connection.descriptors->str, ==, sent->str);
        g_string_free(connection.descriptors, TRUE);
        connection_close(&connection);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/inlet/who-does-not-authenticate-is-ended", test_who_does_not_authenticate_is_ended);
        g_test_add_func("/inlet/a-message-that-comes-drop-by-drop-is-ended", test_a_message_that_comes_drop_by_drop_is_ended);
        g_test_add_func("/inlet/who-has-authenticated-may-wait", test_who_has_authenticated_may_wait);
        g_test_add_func("/inlet/messages-are-handed-on-however-they-are-cut", test_messages_are_handed_on_however_they_are_cut);
        g_test_add_func("/inlet/calls-with-long-headers-are-handed-on-to-be-refused",
                        test_calls_with_long_headers_are_handed_on_to_be_refused);
        g_test_add_func("/inlet/long-headers-that-are-none-end-the-connection",
                        test_long_headers_that_are_none_end_the_connection);
        g_test_add_func("/inlet/descriptors-that-cannot-be-handed-on-end-no-connection",
                        test_descriptors_that_cannot_be_handed_on_end_no_connection);
        g_test_add_func("/inlet/descriptors-of-a-bus-come-with-their-own-messages",
                        test_descriptors_of_a_bus_come_with_their_own_messages);
        return g_test_run();
}
