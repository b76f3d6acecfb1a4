/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "packet.h"
#include "tls/sasl-talk.h"
#include "xdr.h"

#define PROGRAM 0x20008086

typedef struct Fixture {
        SaslTalk *talk;
        GByteArray *answer, *call;
        SaslTalkState next;
        char *mechanism, *in;
        const char *out;
        unsigned in_size, out_size, n_steps;
} Fixture;

static const char *mechanisms(void *data) {
        (void) data;
        return "ONE,OTHER";
}

static SaslTalkState step(void *data, const char *mechanism, const char *in, unsigned in_size, const char **out,
                          unsigned *out_size) {
        Fixture *fixture = data;
        g_free(fixture->mechanism);
        g_free(fixture->in);
        fixture->mechanism = g_strdup(mechanism);
        fixture->in = in ? g_memdup2(in, in_size + 1) : NULL;
        fixture->in_size = in_size;
        fixture->n_steps++;
        *out = fixture->out;
        *out_size = fixture->out_size;
        return fixture->next;
}

static void set_up(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        fixture->talk = sasl_talk_new(&(SaslTalkServer){ mechanisms, step, fixture });
        fixture->answer = g_byte_array_new();
        fixture->call = g_byte_array_new();
}

static void tear_down(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        sasl_talk_free(fixture->talk);
        g_byte_array_unref(fixture->answer);
        g_byte_array_unref(fixture->call);
        g_free(fixture->mechanism);
        g_free(fixture->in);
}

/* A call with what has been put in fixture->call. */
static GBytes *end_call(Fixture *fixture, int procedure) {
        GByteArray *packet = packet_begin(&(PacketHeader){ PROGRAM, 1, procedure, PACKET_CALL, 7, PACKET_OK });
        g_byte_array_append(packet, fixture->call->data, fixture->call->len);
        g_byte_array_set_size(fixture->call, 0);
        return packet_end(packet);
}

static SaslTalkState say(Fixture *fixture, int procedure) {
        g_autoptr(GBytes) bytes = end_call(fixture, procedure);
        g_byte_array_set_size(fixture->answer, 0);
        return sasl_talk_take(fixture->talk, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), fixture->answer);
}

static void put_bytes(Fixture *fixture, bool nothing, const char *text) {
        xdr_put_word(fixture->call, nothing);
        xdr_put_word(fixture->call, (uint32_t) strlen(text));
        for (; *text; text++)
                xdr_put_word(fixture->call, (uint32_t) (int32_t) (signed char) *text);
}

static SaslTalkState start(Fixture *fixture, const char *mechanism, bool nothing, const char *text) {
        xdr_put_text(fixture->call, mechanism);
        put_bytes(fixture, nothing, text);
        return say(fixture, 68);
}

/* The words of an answer's body. */
static void assert_answer(const Fixture *fixture, PacketStatus status, unsigned n, const uint32_t *words) {
        size_t header = PACKET_LENGTH_SIZE + PACKET_HEADER_SIZE;
        g_assert_cmpuint(fixture->answer->len, >=, header + n * XDR_WORD);
        g_assert_cmpuint(xdr_word(fixture->answer->data), ==, fixture->answer->len);
        g_assert_cmpuint(xdr_word(fixture->answer->data + 16), ==, PACKET_REPLY);
        g_assert_cmpuint(xdr_word(fixture->answer->data + 20), ==, 7);
        g_assert_cmpuint(xdr_word(fixture->answer->data + 24), ==, status);
        for (unsigned i = 0; i < n; i++)
                g_assert_cmpuint(xdr_word(fixture->answer->data + header + i * XDR_WORD), ==, words[i]);
}

static void test_steps_lead_to_a_name(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        g_assert_cmpint(say(fixture, 66), ==, SASL_TALK_GOES_ON);
        assert_answer(fixture, PACKET_OK, 2, (uint32_t[]){ 1, 1 });
        g_assert_cmpint(say(fixture, 67), ==, SASL_TALK_GOES_ON);
        assert_answer(fixture, PACKET_OK, 1, (uint32_t[]){ 9 });
        fixture->out = "\377";
        fixture->out_size = 1;
        g_assert_cmpint(start(fixture, "ONE", true, ""), ==, SASL_TALK_GOES_ON);
        g_assert_cmpstr(fixture->mechanism, ==, "ONE");
        g_assert_null(fixture->in);
        assert_answer(fixture, PACKET_OK, 4, (uint32_t[]){ 0, 0, 1, 0xffffffffu });
        fixture->out = NULL;
        fixture->next = SASL_TALK_PROVEN;
        put_bytes(fixture, false, "a\200");
        g_assert_cmpint(say(fixture, 69), ==, SASL_TALK_PROVEN);
        g_assert_null(fixture->mechanism);
        g_assert_cmpmem(fixture->in, fixture->in_size + 1, "a\200", 3);
        assert_answer(fixture, PACKET_OK, 3, (uint32_t[]){ 1, 1, 0 });
}

static void test_nothing_and_an_empty_text_are_two(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        fixture->out = "";
        g_assert_cmpint(start(fixture, "ONE", false, ""), ==, SASL_TALK_GOES_ON);
        g_assert_nonnull(fixture->in);
        g_assert_cmpuint(fixture->in_size, ==, 0);
        assert_answer(fixture, PACKET_OK, 3, (uint32_t[]){ 0, 0, 0 });
}

static void assert_refused(const Fixture *fixture, SaslTalkState state, unsigned n_steps) {
        g_assert_cmpint(state, ==, SASL_TALK_FAILED);
        g_assert_cmpuint(fixture->n_steps, ==, n_steps);
        assert_answer(fixture, PACKET_ERROR, 3, (uint32_t[]){ 45, 7, 1 });
}

static void test_whatever_else_is_asked_ends_it(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        xdr_put_word(fixture->call, 0);
        xdr_put_word(fixture->call, 0);
        assert_refused(fixture, say(fixture, 1), 0); /* CONNECT_OPEN */
}

static void test_steps_have_an_order(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        put_bytes(fixture, false, "a");
        assert_refused(fixture, say(fixture, 69), 0);
}

static void test_it_begins_once(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        g_assert_cmpint(start(fixture, "ONE", true, ""), ==, SASL_TALK_GOES_ON);
        assert_refused(fixture, start(fixture, "OTHER", true, ""), 1);
}

static void test_what_fails_is_told(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        fixture->next = SASL_TALK_FAILED;
        assert_refused(fixture, start(fixture, "ONE", true, ""), 1);
}

static void test_lengths_that_lie_are_refused(Fixture *fixture, gconstpointer unused) {
        static const uint32_t bodies[][4] = { { 0xffffffffu, 0, 0, 0 },
                                              { 0, 0, 0xffffffffu, 0 },
                                              { 0, 0, 2, 1 },
                                              { 0, 0, SASL_TALK_DATA_MAX + 1, 0 },
                                              { 0, 0, 0, 0 } };
        (void) unused;
        for (unsigned i = 0; i < G_N_ELEMENTS(bodies); i++) {
                for (unsigned n = 0; n < 4; n++)
                        xdr_put_word(fixture->call, bodies[i][n]);
                assert_refused(fixture, say(fixture, 68), 0);
        }
}

static void test_calls_are_counted(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        for (unsigned i = 0; i < SASL_TALK_CALLS_MAX; i++)
                g_assert_cmpint(say(fixture, 67), ==, SASL_TALK_GOES_ON);
        assert_refused(fixture, say(fixture, 67), 0);
}

static void test_what_is_said_too_soon_or_too_long_ends_it(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        fixture->next = SASL_TALK_PROVEN;
        xdr_put_text(fixture->call, "ONE");
        put_bytes(fixture, true, "");
        g_autoptr(GBytes) bytes = end_call(fixture, 68);
        g_autofree char *more = g_malloc0(SASL_TALK_MESSAGE_MAX + 1);
        memcpy(more, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
        g_assert_cmpint(sasl_talk_take(fixture->talk, more, g_bytes_get_size(bytes) + 1, fixture->answer), ==, SASL_TALK_FAILED);
        g_autoptr(SaslTalk) other = sasl_talk_new(&(SaslTalkServer){ mechanisms, step, fixture });
        more[0] = 1; /* 16 MiB */
        g_assert_cmpint(sasl_talk_take(other, more, SASL_TALK_MESSAGE_MAX, fixture->answer), ==, SASL_TALK_GOES_ON);
        g_assert_cmpint(sasl_talk_take(other, more, 1, fixture->answer), ==, SASL_TALK_FAILED);
        g_autoptr(SaslTalk) short_one = sasl_talk_new(&(SaslTalkServer){ mechanisms, step, fixture });
        g_assert_cmpint(sasl_talk_take(short_one, "\0\0\0\4", 4, fixture->answer), ==, SASL_TALK_FAILED);
}

#define TEST(name) g_test_add("/sasl-talk/" #name, Fixture, NULL, set_up, test_##name, tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST(steps_lead_to_a_name);
        TEST(nothing_and_an_empty_text_are_two);
        TEST(whatever_else_is_asked_ends_it);
        TEST(steps_have_an_order);
        TEST(it_begins_once);
        TEST(what_fails_is_told);
        TEST(lengths_that_lie_are_refused);
        TEST(calls_are_counted);
        TEST(what_is_said_too_soon_or_too_long_ends_it);
        return g_test_run();
}
