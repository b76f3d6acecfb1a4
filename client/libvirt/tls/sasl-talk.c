/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/sasl-talk.h"

#include <string.h>

#include "packet.h"
#include "xdr.h"

/* libvirt's remote protocol and its calls, and what AUTH_LIST answers. */
#define PROGRAM 0x20008086
#define VERSION 1
enum { CALL_AUTH_LIST = 66, CALL_SASL_INIT, CALL_SASL_START, CALL_SASL_STEP };
#define AUTH_SASL 1

/* libvirt's numbers: VIR_ERR_AUTH_FAILED of VIR_FROM_RPC, an error. */
#define ERROR_AUTH_FAILED 45
#define ERROR_FROM_RPC 7
#define ERROR_LEVEL 2

/* Names of mechanisms have 20 characters at most. */
#define MECHANISM_BYTES_MAX 64

struct SaslTalk {
        SaslTalkServer server;
        PacketReader reader;
        unsigned n_calls;
        bool has_begun;
};

/* What is left of a body; NULL once it could not be read. */
typedef struct Body {
        const uint8_t *data;
        size_t size;
} Body;

SaslTalk *sasl_talk_new(const SaslTalkServer *server) {
        SaslTalk *talk = g_new0(SaslTalk, 1);
        talk->server = *server;
        packet_reader_init(&talk->reader);
        return talk;
}

void sasl_talk_free(SaslTalk *talk) {
        packet_reader_clear(&talk->reader);
        g_free(talk);
}

static const uint8_t *take(Body *body, size_t size) {
        const uint8_t *data = body->data;
        if (!data || size > body->size) {
                body->data = NULL;
                return NULL;
        }
        *body = (Body){ data + size, body->size - size };
        return data;
}

static uint32_t take_word(Body *body) {
        const uint8_t *data = take(body, XDR_WORD);
        return data ? xdr_word(data) : 0;
}

static char *take_text(Body *body, size_t max) {
        uint32_t size = take_word(body);
        const uint8_t *text = size <= max ? take(body, size + xdr_padding(size)) : NULL;
        if (!text || memchr(text, '\0', size)) {
                body->data = NULL;
                return NULL;
        }
        return g_strndup((const char *) text, size);
}

/* A word for each byte, as libvirt has an array of char. */
static char *take_bytes(Body *body, unsigned *n) {
        uint32_t size = take_word(body);
        const uint8_t *words = size <= SASL_TALK_DATA_MAX ? take(body, (size_t) size * XDR_WORD) : NULL;
        if (!words)
                return NULL;
        char *bytes = g_malloc((size_t) size + 1); /* a zero follows: SASL's plugins like to look there */
        for (uint32_t i = 0; i < size; i++)
                bytes[i] = (char) xdr_word(words + (size_t) i * XDR_WORD);
        bytes[size] = '\0';
        *n = size;
        return bytes;
}

static void put_answer(GByteArray *answer, const PacketHeader *call, PacketStatus status, const GByteArray *body) {
        PacketHeader header = *call;
        header.type = PACKET_REPLY;
        header.status = status;
        GByteArray *packet = packet_begin(&header);
        g_byte_array_append(packet, body->data, body->len);
        g_autoptr(GBytes) bytes = packet_end(packet);
        size_t size;
        const void *data = g_bytes_get_data(bytes, &size);
        g_byte_array_append(answer, data, (unsigned) size);
}

/* Why it fails is the journal's. */
static SaslTalkState fail(GByteArray *answer, const PacketHeader *call, const char *message) {
        g_autoptr(GByteArray) body = g_byte_array_new();
        xdr_put_word(body, ERROR_AUTH_FAILED);
        xdr_put_word(body, ERROR_FROM_RPC);
        xdr_put_word(body, 1);
        xdr_put_text(body, message);
        xdr_put_word(body, ERROR_LEVEL);
        for (unsigned i = 0; i < 7; i++) /* no domain, no texts, no numbers, no network */
                xdr_put_word(body, 0);
        put_answer(answer, call, PACKET_ERROR, body);
        return SASL_TALK_FAILED;
}

static SaslTalkState step(SaslTalk *talk, const PacketHeader *call, Body *body, GByteArray *answer) {
        bool is_first = call->procedure == CALL_SASL_START;
        unsigned in_size = 0, out_size = 0;
        const char *out = NULL;
        g_autofree char *mechanism = is_first ? take_text(body, MECHANISM_BYTES_MAX) : NULL;
        bool is_nothing = take_word(body) != 0;
        g_autofree char *in = take_bytes(body, &in_size);
        if (!body->data || body->size > 0 || is_first == talk->has_begun)
                return fail(answer, call, "authentication failed: SASL's steps are not understood");
        talk->has_begun = true;
        SaslTalkState state = talk->server.step(talk->server.data, mechanism, is_nothing ? NULL : in, is_nothing ? 0 : in_size,
                                                &out, &out_size);
        if (state == SASL_TALK_FAILED || out_size > SASL_TALK_DATA_MAX)
                return fail(answer, call, "authentication failed");
        g_autoptr(GByteArray) said = g_byte_array_new();
        xdr_put_word(said, state == SASL_TALK_PROVEN);
        xdr_put_word(said, !out);
        xdr_put_word(said, out ? out_size : 0);
        for (unsigned i = 0; out && i < out_size; i++)
                xdr_put_word(said, (uint32_t) (int32_t) (signed char) out[i]);
        put_answer(answer, call, PACKET_OK, said);
        return state;
}

static SaslTalkState take_call(SaslTalk *talk, const PacketHeader *call, Body *body, GByteArray *answer) {
        g_autoptr(GByteArray) said = g_byte_array_new();
        const char *mechanisms;
        if (call->program != PROGRAM || call->version != VERSION || call->type != PACKET_CALL ||
            ++talk->n_calls > SASL_TALK_CALLS_MAX)
                return fail(answer, call, "authentication required");
        switch (call->procedure) {
        case CALL_AUTH_LIST:
                xdr_put_word(said, 1);
                xdr_put_word(said, AUTH_SASL);
                break;
        case CALL_SASL_INIT:
                mechanisms = talk->server.mechanisms(talk->server.data);
                if (!mechanisms)
                        return fail(answer, call, "authentication failed: the server has no mechanism of SASL");
                xdr_put_text(said, mechanisms);
                break;
        case CALL_SASL_START:
        case CALL_SASL_STEP:
                return step(talk, call, body, answer);
        default:
                return fail(answer, call, "authentication required");
        }
        put_answer(answer, call, PACKET_OK, said);
        return SASL_TALK_GOES_ON;
}

SaslTalkState sasl_talk_take(SaslTalk *talk, const void *bytes, size_t size, GByteArray *answer) {
        PacketHeader header;
        const uint8_t *data;
        SaslTalkState state = SASL_TALK_GOES_ON;
        int r = 1;
        packet_reader_feed(&talk->reader, bytes, size);
        while (state == SASL_TALK_GOES_ON && (r = packet_reader_next(&talk->reader, &header, &data, &size)) > 0)
                state = take_call(talk, &header, &(Body){ data, size }, answer);
        if (r < 0 || packet_reader_size(&talk->reader) > SASL_TALK_MESSAGE_MAX)
                return SASL_TALK_FAILED;
        /* What it says before it knows whether it is let in is nobody's. */
        return state == SASL_TALK_PROVEN && packet_reader_size(&talk->reader) > 0 ? SASL_TALK_FAILED : state;
}
