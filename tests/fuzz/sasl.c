/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a client of libvirt's that nobody knows yet says until it has proven who it is. The first byte chooses how much comes at
 * once, the second which steps go on, prove it or fail; whoever is let in has been proven, and nothing is taken after the
 * end. */

#include "fuzz.h"
#include "tls/sasl-talk.h"

typedef struct Proof {
        unsigned choices, n_steps;
        SaslTalkState last;
} Proof;

static const char *mechanisms(void *data) {
        const Proof *proof = data;
        return proof->choices & 1 ? "PLAIN" : NULL;
}

static SaslTalkState step(void *data, const char *mechanism, const char *in, unsigned in_size, const char **out,
                          unsigned *out_size) {
        Proof *proof = data;
        g_assert_cmpint(proof->last, ==, SASL_TALK_GOES_ON);
        g_assert_true((mechanism != NULL) == (proof->n_steps == 0));
        g_assert_true(in ? in[in_size] == '\0' : in_size == 0);
        g_assert_cmpuint(in_size, <=, SASL_TALK_DATA_MAX);
        *out = proof->choices & 2 ? in : NULL;
        *out_size = *out ? in_size : 0;
        proof->n_steps++;
        proof->last = (SaslTalkState) (proof->choices >> (2 * (proof->n_steps % 4)) & 3) % 3;
        return proof->last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size < 2)
                return 0;
        Proof proof = { .choices = data[1] };
        size_t at_once = data[0] + 1u;
        g_autoptr(SaslTalk) talk = sasl_talk_new(&(SaslTalkServer){ mechanisms, step, &proof });
        g_autoptr(GByteArray) answer = g_byte_array_new();
        SaslTalkState state = SASL_TALK_GOES_ON;
        for (size_t i = 2; i < size && state == SASL_TALK_GOES_ON; i += at_once)
                state = sasl_talk_take(talk, data + i, MIN(at_once, size - i), answer);
        if (state == SASL_TALK_PROVEN)
                g_assert_cmpint(proof.last, ==, SASL_TALK_PROVEN);
        return 0;
}
