/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/stream.h"
#include "bus.h"

#define MUCH ((size_t) 1 << 20) /* more than all buffers on the way hold */

typedef struct Relay {
        sd_event *event;
        Stream *stream;
        GHashTable *left;
        int guest, client;
        bool ended;
} Relay;

static void on_ended(void *data) {
        Relay *relay = data;
        relay->ended = true;
        g_clear_pointer(&relay->stream, stream_free);
}

static void relay_open(Relay *relay) {
        int pair[2];
        g_autoptr(GError) error = NULL;
        *relay = (Relay){ .left = g_hash_table_new_full(NULL, NULL, (GDestroyNotify) stream_free, NULL) };
        g_assert_cmpint(sd_event_new(&relay->event), >=, 0);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        relay->guest = pair[1];
        relay->stream = stream_new(relay->event, pair[0], &relay->client, on_ended, relay, &error);
        g_assert_no_error(error);
        g_assert_cmpint(fcntl(relay->client, F_SETFL, O_NONBLOCK), ==, 0);
}

static void relay_close(Relay *relay) {
        g_clear_pointer(&relay->stream, stream_free);
        g_hash_table_unref(relay->left);
        autofd_close(&relay->guest);
        autofd_close(&relay->client);
        sd_event_unref(relay->event);
}

/* Lets the relay do all that it can do now. */
static void settle(Relay *relay) {
        while (sd_event_run(relay->event, 0) > 0)
                ;
}

static void close_end(int *fd) {
        close(*fd);
        *fd = -1;
}

/* Writes until nobody takes more; returns how much that was. */
static size_t flood(Relay *relay, int fd) {
        static const char piece[4096];
        size_t all = 0;
        for (ssize_t n; all < MUCH; settle(relay)) {
                n = write(fd, piece, sizeof piece);
                if (n < 0)
                        break;
                all += (size_t) n;
        }
        return all;
}

/* Reads to the end; returns how much that was. */
static size_t read_to_end(Relay *relay, int fd) {
        char piece[4096];
        size_t all = 0;
        for (ssize_t n = 1; n != 0; settle(relay)) {
                n = read(fd, piece, sizeof piece);
                g_assert_true(n >= 0);
                all += (size_t) n;
        }
        return all;
}

static void test_both_ways(void) {
        Relay relay;
        char text[6] = "";
        relay_open(&relay);
        g_assert_cmpint(write(relay.guest, "hello", 5), ==, 5);
        settle(&relay);
        g_assert_cmpint(read(relay.client, text, 5), ==, 5);
        g_assert_cmpstr(text, ==, "hello");
        g_assert_cmpint(write(relay.client, "world", 5), ==, 5);
        settle(&relay);
        g_assert_cmpint(read(relay.guest, text, 5), ==, 5);
        g_assert_cmpstr(text, ==, "world");
        g_assert_false(relay.ended);
        relay_close(&relay);
}

static void test_the_last_words_of_a_guest_reach_a_slow_client(void) {
        Relay relay;
        relay_open(&relay);
        size_t said = flood(&relay, relay.guest);
        g_assert_cmpuint(said, >, STREAM_BUFFER_BYTES);
        close_end(&relay.guest);
        settle(&relay);
        g_assert_false(relay.ended);
        g_assert_cmpuint(read_to_end(&relay, relay.client), ==, said);
        g_assert_true(relay.ended);
        relay_close(&relay);
}

static void test_the_last_words_of_a_client_reach_a_slow_guest(void) {
        Relay relay;
        relay_open(&relay);
        size_t said = flood(&relay, relay.client);
        close_end(&relay.client);
        settle(&relay);
        g_assert_false(relay.ended);
        g_assert_true(stream_is_deserted(relay.stream));
        g_assert_cmpuint(read_to_end(&relay, relay.guest), ==, said);
        g_assert_true(relay.ended);
        relay_close(&relay);
}

static void test_a_client_that_only_ends_its_writing_reads_on(void) {
        Relay relay;
        char text[6] = "";
        relay_open(&relay);
        g_assert_cmpint(shutdown(relay.client, SHUT_WR), ==, 0);
        settle(&relay);
        g_assert_false(stream_is_deserted(relay.stream));
        g_assert_cmpint(write(relay.guest, "later", 5), ==, 5);
        settle(&relay);
        g_assert_cmpint(read(relay.client, text, 5), ==, 5);
        g_assert_cmpstr(text, ==, "later");
        close_end(&relay.client);
        settle(&relay);
        g_assert_true(relay.ended);
        relay_close(&relay);
}

/* Nothing is done again and again while one side waits for the other. */
static void test_waiting_costs_nothing(void) {
        Relay relay;
        relay_open(&relay);
        flood(&relay, relay.guest);
        close_end(&relay.guest);
        settle(&relay);
        for (int i = 0; i < 3; i++)
                g_assert_cmpint(sd_event_run(relay.event, 0), ==, 0);
        close_end(&relay.client);
        settle(&relay);
        g_assert_true(relay.ended);
        relay_close(&relay);
}

static void test_a_stream_that_was_left_ends_when_all_is_read(void) {
        Relay relay;
        relay_open(&relay);
        size_t said = flood(&relay, relay.guest);
        stream_leave(g_steal_pointer(&relay.stream), relay.left);
        close_end(&relay.guest);
        settle(&relay);
        g_assert_cmpuint(g_hash_table_size(relay.left), ==, 1);
        g_assert_cmpuint(read_to_end(&relay, relay.client), ==, said);
        g_assert_cmpuint(g_hash_table_size(relay.left), ==, 0);
        g_assert_false(relay.ended);
        relay_close(&relay);
}

static void test_streams_that_were_left_are_bounded(void) {
        Relay relays[STREAMS_LEFT_MAX + 1];
        for (size_t i = 0; i < G_N_ELEMENTS(relays); i++) {
                relay_open(relays + i);
                g_assert_cmpint(write(relays[i].guest, "x", 1), ==, 1);
                stream_leave(g_steal_pointer(&relays[i].stream), relays[0].left);
        }
        g_assert_cmpuint(g_hash_table_size(relays[0].left), ==, STREAMS_LEFT_MAX);
        for (size_t i = 0; i < G_N_ELEMENTS(relays); i++)
                relay_close(relays + i);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/stream/both-ways", test_both_ways);
        g_test_add_func("/stream/the-last-words-of-a-guest-reach-a-slow-client",
                        test_the_last_words_of_a_guest_reach_a_slow_client);
        g_test_add_func("/stream/the-last-words-of-a-client-reach-a-slow-guest",
                        test_the_last_words_of_a_client_reach_a_slow_guest);
        g_test_add_func("/stream/a-client-that-only-ends-its-writing-reads-on",
                        test_a_client_that_only_ends_its_writing_reads_on);
        g_test_add_func("/stream/waiting-costs-nothing", test_waiting_costs_nothing);
        g_test_add_func("/stream/a-stream-that-was-left-ends-when-all-is-read",
                        test_a_stream_that_was_left_ends_when_all_is_read);
        g_test_add_func("/stream/streams-that-were-left-are-bounded", test_streams_that_were_left_are_bounded);
        return g_test_run();
}
