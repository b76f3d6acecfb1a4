/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conversation.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local-socket.h"
#include "streams.h"

#define CALL procedures[REMOTE_CONNECT_GET_HOSTNAME]
#define STREAM_CALL procedures[REMOTE_DOMAIN_OPEN_CONSOLE]

typedef struct Ends {
        Conversation *conversation;
        Streams *streams;
        int client;
        GArray *calls; /* serials that were not answered */
        bool answers, ended;
        PacketReader reader;
} Ends;

static void answer(Ends *ends, uint32_t serial) {
        conversation_answer(ends->conversation, &CALL, serial, g_variant_new("(s)", "host"));
}

static void on_call(void *data, const Procedure *procedure, uint32_t serial, GVariant *arguments) {
        Ends *ends = data;
        (void) arguments;
        g_assert_true(procedure == &CALL);
        if (ends->answers)
                answer(ends, serial);
        else
                g_array_append_val(ends->calls, serial);
}

static void on_stream(void *data, const PacketHeader *header, const uint8_t *body, size_t size) {
        Ends *ends = data;
        streams_take(ends->streams, header, body, size);
}

static void on_drained(void *data) {
        Ends *ends = data;
        streams_drained(ends->streams);
}

static void on_ended(void *data) {
        Ends *ends = data;
        ends->ended = true;
}

static const ConversationHandler handler = { on_call, on_stream, on_drained, on_ended };

static void open_ends(Ends *ends) {
        int pair[2];
        *ends = (Ends){ .calls = g_array_new(FALSE, FALSE, sizeof(uint32_t)), .streams = streams_new() };
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        ends->client = pair[0];
        ends->conversation = conversation_new(pair[1], &handler, ends);
        packet_reader_init(&ends->reader);
}

static void close_ends(Ends *ends) {
        streams_free(ends->streams);
        conversation_free(ends->conversation);
        g_array_unref(ends->calls);
        packet_reader_clear(&ends->reader);
        close(ends->client);
}

static void settle(void) {
        while (g_main_context_iteration(NULL, FALSE))
                ;
}

static void say(Ends *ends, const PacketHeader *header, const uint8_t *body, unsigned int size) {
        GByteArray *packet = packet_begin(header);
        g_byte_array_append(packet, body, size);
        g_autoptr(GBytes) bytes = packet_end(packet);
        g_assert_cmpint(send(ends->client, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), MSG_NOSIGNAL), ==,
                        (ssize_t) g_bytes_get_size(bytes));
        settle();
}

static void call(Ends *ends, uint32_t serial) {
        const PacketHeader header = { .program = CALL.program, .version = 1, .procedure = CALL.number, .serial = serial };
        say(ends, &header, NULL, 0);
}

/* The next message that was sent to the client; false for none. */
static bool hear(Ends *ends, PacketHeader *header, const uint8_t **body, size_t *size) {
        uint8_t buffer[65536];
        while (packet_reader_next(&ends->reader, header, body, size) == 0) {
                settle();
                ssize_t n = recv(ends->client, buffer, sizeof buffer, MSG_DONTWAIT);
                if (n <= 0)
                        return false;
                packet_reader_feed(&ends->reader, buffer, (size_t) n);
        }
        return true;
}

static uint32_t hear_serial(Ends *ends, PacketStatus status) {
        PacketHeader header;
        const uint8_t *body;
        size_t size;
        g_assert_true(hear(ends, &header, &body, &size));
        g_assert_cmpuint(header.status, ==, status);
        return header.serial;
}

static void test_calls_are_answered_in_any_order(void) {
        Ends ends;
        open_ends(&ends);
        for (uint32_t serial = 0; serial < 3; serial++)
                call(&ends, serial);
        g_assert_cmpuint(ends.calls->len, ==, 3);
        for (uint32_t serial = 3; serial-- > 0;)
                answer(&ends, serial);
        for (uint32_t serial = 3; serial-- > 0;)
                g_assert_cmpuint(hear_serial(&ends, PACKET_OK), ==, serial);
        close_ends(&ends);
}

static void test_a_ping_is_answered_while_as_many_calls_as_can_be_are_at_work(void) {
        Ends ends;
        PacketHeader header = { .program = KEEPALIVE_PROGRAM, .version = 1, .procedure = KEEPALIVE_PING, .type = PACKET_EVENT };
        const uint8_t *body;
        size_t size;
        open_ends(&ends);
        for (uint32_t serial = 0; serial < CALLS_MAX + 10; serial++)
                call(&ends, serial);
        g_assert_cmpuint(ends.calls->len, ==, CALLS_MAX);
        say(&ends, &header, NULL, 0);
        g_assert_true(hear(&ends, &header, &body, &size));
        g_assert_cmpuint(header.program, ==, KEEPALIVE_PROGRAM);
        g_assert_cmpint(header.procedure, ==, KEEPALIVE_PONG);
        /* Each answer lets the next one begin. */
        for (uint32_t serial = 0; serial < 10; serial++)
                answer(&ends, serial);
        g_assert_cmpuint(ends.calls->len, ==, CALLS_MAX + 10);
        close_ends(&ends);
}

static void test_calls_that_wait_are_bounded_and_none_is_without_an_answer(void) {
        Ends ends;
        const uint32_t n = CALLS_MAX + CALLS_WAITING_MAX / PACKET_HEADER_SIZE + 5;
        uint32_t n_refused = 0, n_answered = 0;
        PacketHeader header;
        const uint8_t *body;
        size_t size;
        open_ends(&ends);
        for (uint32_t serial = 0; serial < n; serial++)
                call(&ends, serial);
        while (hear(&ends, &header, &body, &size))
                n_refused += header.status == PACKET_ERROR;
        g_assert_cmpuint(n_refused, ==, 5);
        ends.answers = true; /* each one at once, as it begins */
        for (uint32_t serial = 0; serial < CALLS_MAX; serial++)
                answer(&ends, serial);
        while (hear(&ends, &header, &body, &size))
                n_answered += header.status == PACKET_OK;
        g_assert_cmpuint(n_answered, ==, n - 5);
        close_ends(&ends);
}

static void test_what_nobody_knows_is_refused_and_the_rest_goes_on(void) {
        Ends ends;
        const PacketHeader unknown = { .program = REMOTE_PROGRAM, .version = 1, .procedure = 4711, .serial = 5 };
        const PacketHeader version = { .program = REMOTE_PROGRAM, .version = 2, .procedure = CALL.number, .serial = 6 };
        const PacketHeader bad = { .program = REMOTE_PROGRAM, .version = 1, .procedure = CALL.number, .serial = 7 };
        open_ends(&ends);
        say(&ends, &unknown, NULL, 0);
        g_assert_cmpuint(hear_serial(&ends, PACKET_ERROR), ==, 5);
        say(&ends, &version, NULL, 0);
        g_assert_cmpuint(hear_serial(&ends, PACKET_ERROR), ==, 6);
        say(&ends, &bad, (const uint8_t[]){ 1, 2, 3, 4 }, 4);
        g_assert_cmpuint(hear_serial(&ends, PACKET_ERROR), ==, 7);
        ends.answers = true;
        call(&ends, 8);
        g_assert_cmpuint(hear_serial(&ends, PACKET_OK), ==, 8);
        g_assert_false(ends.ended);
        close_ends(&ends);
}

static void test_descriptors_that_nobody_wants_are_passed_over(void) {
        Ends ends;
        PacketHeader heard;
        const PacketHeader header = {
                .program = REMOTE_PROGRAM, .version = 1, .procedure = CALL.number, .type = PACKET_CALL_WITH_FDS
        };
        const uint8_t *body;
        size_t size;
        open_ends(&ends);
        ends.answers = true;
        say(&ends, &header, (const uint8_t[]){ 0, 0, 0, 2 }, 4);
        g_assert_true(hear(&ends, &heard, &body, &size));
        g_assert_cmpuint(heard.status, ==, PACKET_ERROR);
        for (int i = 0; i < 2; i++) /* each comes with a byte */
                g_assert_cmpint(send(ends.client, "", 1, MSG_NOSIGNAL), ==, 1);
        call(&ends, 7);
        g_assert_true(hear(&ends, &heard, &body, &size));
        g_assert_cmpuint(heard.serial, ==, 7);
        g_assert_cmpuint(heard.status, ==, PACKET_OK);
        say(&ends, &header, (const uint8_t[]){ 0, 0, 0, 33 }, 4); /* more than can be */
        g_assert_true(ends.ended);
        close_ends(&ends);
}

static bool takes_all(const Procedure *procedure) {
        return procedure == &CALL;
}

static void on_call_with_fds(void *data, const Procedure *procedure, uint32_t serial, GVariant *arguments, GUnixFDList *fds) {
        Ends *ends = data;
        (void) procedure;
        (void) arguments;
        g_assert_cmpint(g_unix_fd_list_get_length(fds), ==, 2);
        answer(ends, serial);
}

static void send_fd(const Ends *ends, int fd) {
        g_assert_cmpint(local_socket_send(ends->client, "", 1, &fd, fd < 0 ? 0 : 1, 0), ==, 1);
        settle();
}

/* What was said after it waits for them; where they do not come, as through a tunnel, it fails. */
static void test_a_call_waits_for_its_descriptors(void) {
        const ConversationHandler taking = { on_call, on_stream, on_drained, on_ended, NULL, takes_all, on_call_with_fds };
        const PacketHeader header = {
                .program = REMOTE_PROGRAM, .version = 1, .procedure = CALL.number, .type = PACKET_CALL_WITH_FDS, .serial = 5
        };
        PacketHeader heard;
        const uint8_t *body;
        size_t size;
        Ends ends;
        int pair[2];
        open_ends(&ends);
        ends.answers = true;
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        conversation_free(ends.conversation);
        close(ends.client);
        ends.client = pair[0];
        ends.conversation = conversation_new(pair[1], &taking, &ends);
        for (int there = 1; there >= 0; there--) {
                say(&ends, &header, (const uint8_t[]){ 0, 0, 0, 2 }, 4);
                send_fd(&ends, 0);
                g_assert_false(hear(&ends, &heard, &body, &size));
                send_fd(&ends, there ? 1 : -1);
                g_assert_true(hear(&ends, &heard, &body, &size));
                g_assert_cmpuint(heard.serial, ==, 5);
                g_assert_cmpuint(heard.status, ==, there ? PACKET_OK : PACKET_ERROR);
        }
        call(&ends, 7);
        g_assert_true(hear(&ends, &heard, &body, &size));
        g_assert_cmpuint(heard.serial, ==, 7);
        close_ends(&ends);
}

static void test_an_answer_has_a_descriptor(void) {
        Ends ends;
        PacketHeader heard;
        const uint8_t *body;
        size_t size;
        int pair[2];
        char byte;
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec part = { &byte, 1 };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
        open_ends(&ends);
        call(&ends, 3);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        conversation_answer_fds(ends.conversation, &CALL, 3, &pair[1], 1);
        uint8_t buffer[PACKET_LENGTH_SIZE + PACKET_HEADER_SIZE + 4];
        g_assert_cmpint(recv(ends.client, buffer, sizeof buffer, 0), ==, sizeof buffer);
        packet_reader_feed(&ends.reader, buffer, sizeof buffer);
        g_assert_cmpint(packet_reader_next(&ends.reader, &heard, &body, &size), ==, 1);
        g_assert_cmpuint(heard.type, ==, PACKET_REPLY_WITH_FDS);
        g_assert_cmpmem(body, size, ((const uint8_t[]){ 0, 0, 0, 1 }), 4);
        g_assert_cmpint(recvmsg(ends.client, &message, MSG_CMSG_CLOEXEC), ==, 1);
        struct cmsghdr *passed = CMSG_FIRSTHDR(&message);
        g_assert_true(passed && passed->cmsg_type == SCM_RIGHTS);
        int fd;
        memcpy(&fd, CMSG_DATA(passed), sizeof fd);
        g_assert_cmpint(send(fd, "x", 1, 0), ==, 1);
        g_assert_cmpint(recv(pair[0], &byte, 1, 0), ==, 1);
        close(fd);
        g_assert_cmpint(recv(pair[0], &byte, 1, 0), ==, 0); /* it was not kept */
        close(pair[0]);
        close_ends(&ends);
}

static void test_a_client_that_goes_is_seen(void) {
        Ends ends;
        open_ends(&ends);
        call(&ends, 1);
        shutdown(ends.client, SHUT_RDWR);
        settle();
        g_assert_true(ends.ended);
        answer(&ends, 1); /* to nobody */
        close_ends(&ends);
}

static void test_an_answer_over_the_limit_becomes_an_error(void) {
        Ends ends;
        PacketHeader header;
        const uint8_t *body;
        size_t size;
        g_autofree char *large = g_strnfill(4194304 + 1, 'x');
        open_ends(&ends);
        call(&ends, 1);
        conversation_answer(ends.conversation, &CALL, 1, g_variant_new("(s)", large));
        g_assert_true(hear(&ends, &header, &body, &size));
        g_assert_cmpuint(header.status, ==, PACKET_ERROR);
        close_ends(&ends);
}

static PacketHeader stream_header(PacketType type, PacketStatus status) {
        return (PacketHeader){ STREAM_CALL.program, 1, STREAM_CALL.number, type, 9, status };
}

static int open_stream(Ends *ends) {
        int pair[2];
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        streams_begin(ends->streams, ends->conversation, &STREAM_CALL, 9, pair[1]);
        return pair[0];
}

static void test_a_stream_carries_both_ways_until_both_have_ended(void) {
        Ends ends;
        char buffer[8];
        PacketHeader header, data = stream_header(PACKET_STREAM, PACKET_CONTINUE), end = stream_header(PACKET_STREAM, PACKET_OK);
        const uint8_t *body;
        size_t size;
        open_ends(&ends);
        int console = open_stream(&ends);
        say(&ends, &data, (const uint8_t *) "abc", 3);
        g_assert_cmpint(recv(console, buffer, sizeof buffer, MSG_DONTWAIT), ==, 3);
        g_assert_cmpint(send(console, "defg", 4, 0), ==, 4);
        g_assert_true(hear(&ends, &header, &body, &size));
        g_assert_cmpmem(body, size, "defg", 4);
        g_assert_cmpuint(header.status, ==, PACKET_CONTINUE);
        g_assert_cmpuint(header.serial, ==, 9);
        shutdown(console, SHUT_WR);
        g_assert_true(hear(&ends, &header, &body, &size));
        g_assert_true(size == 0 && header.status == PACKET_CONTINUE);
        say(&ends, &end, NULL, 0);
        g_assert_cmpuint(hear_serial(&ends, PACKET_OK), ==, 9);
        say(&ends, &data, (const uint8_t *) "late", 4); /* after its end: nothing */
        g_assert_false(hear(&ends, &header, &body, &size));
        g_assert_false(ends.ended);
        close(console);
        close_ends(&ends);
}

static void test_a_slow_client_costs_no_memory_and_hears_all_in_the_end(void) {
        Ends ends;
        static uint8_t block[65536];
        PacketHeader header;
        const uint8_t *body;
        size_t size, sent = 0, heard = 0;
        ssize_t n;
        open_ends(&ends);
        int console = open_stream(&ends);
        for (int i = 0; i < 200; i++) {
                if ((n = send(console, block, sizeof block, MSG_DONTWAIT)) > 0)
                        sent += (size_t) n;
                settle();
        }
        g_assert_cmpuint(sent, >, UNSENT_STREAM_MAX);
        g_assert_cmpuint(sent, <, 4 * UNSENT_STREAM_MAX);
        while (hear(&ends, &header, &body, &size))
                heard += size;
        g_assert_cmpuint(heard, ==, sent);
        close(console);
        close_ends(&ends);
}

static void test_a_client_that_sends_more_than_a_stream_takes_loses_the_stream_alone(void) {
        Ends ends;
        static uint8_t block[65536];
        PacketHeader header, data = stream_header(PACKET_STREAM, PACKET_CONTINUE);
        const uint8_t *body;
        size_t size;
        open_ends(&ends);
        int console = open_stream(&ends);
        bool failed = false;
        for (size_t sent = 0; !failed && sent < 2 * STREAM_WAITING_MAX; sent += sizeof block) {
                say(&ends, &data, block, sizeof block);
                failed = hear(&ends, &header, &body, &size);
        }
        g_assert_true(failed);
        g_assert_cmpuint(header.status, ==, PACKET_ERROR);
        ends.answers = true;
        call(&ends, 8);
        g_assert_cmpuint(hear_serial(&ends, PACKET_OK), ==, 8);
        close(console);
        close_ends(&ends);
}

static void test_a_serial_number_has_one_stream(void) {
        Ends ends;
        g_autoptr(GError) error = NULL;
        open_ends(&ends);
        int console = open_stream(&ends);
        g_assert_false(streams_check(ends.streams, &STREAM_CALL, 9, &error));
        g_assert_error(error, LIBVIRT_ERROR, LIBVIRT_RPC);
        g_assert_true(streams_check(ends.streams, &STREAM_CALL, 10, NULL));
        close(console);
        close_ends(&ends);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/conversation/" #name, test_##name)
        TEST(calls_are_answered_in_any_order);
        TEST(a_ping_is_answered_while_as_many_calls_as_can_be_are_at_work);
        TEST(calls_that_wait_are_bounded_and_none_is_without_an_answer);
        TEST(what_nobody_knows_is_refused_and_the_rest_goes_on);
        TEST(descriptors_that_nobody_wants_are_passed_over);
        TEST(a_call_waits_for_its_descriptors);
        TEST(an_answer_has_a_descriptor);
        TEST(a_client_that_goes_is_seen);
        TEST(an_answer_over_the_limit_becomes_an_error);
        TEST(a_stream_carries_both_ways_until_both_have_ended);
        TEST(a_slow_client_costs_no_memory_and_hears_all_in_the_end);
        TEST(a_client_that_sends_more_than_a_stream_takes_loses_the_stream_alone);
        TEST(a_serial_number_has_one_stream);
        return g_test_run();
}
