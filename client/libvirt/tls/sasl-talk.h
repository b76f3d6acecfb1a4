/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a client of libvirt's and its server say to each other until the client has proven who it is, by SASL (RFC 4422):
 * libvirt's calls AUTH_LIST, AUTH_SASL_INIT, AUTH_SASL_START and AUTH_SASL_STEP. Whatever else is asked before that ends it. */

#include <glib.h>
#include <stdbool.h>

/* The bytes that one call may bring, as libvirt has it, and the calls until that is proven, or not. */
#define SASL_TALK_DATA_MAX 65536
#define SASL_TALK_CALLS_MAX 32

/* The bytes of a message: each of those is a word there. */
#define SASL_TALK_MESSAGE_MAX (4 * SASL_TALK_DATA_MAX + 4096)

typedef enum SaslTalkState {
        SASL_TALK_GOES_ON,
        SASL_TALK_PROVEN, /* the answer says so: what follows is another's */
        SASL_TALK_FAILED, /* the answer says so, where there is one */
} SaslTalkState;

/* What proves it. */
typedef struct SaslTalkServer {
        const char *(*mechanisms)(void *data); /* with commas between them; NULL where there are none */
        /* The first step has the mechanism's name, others NULL; IN is NULL where the client says nothing. *OUT (or NULL)
         * belongs to the server, and is good until its next step. When it is proven it has asked whether that client is let
         * in. */
        SaslTalkState (*step)(void *data, const char *mechanism, const char *in, unsigned in_size, const char **out,
                              unsigned *out_size);
        void *data;
} SaslTalkServer;

typedef struct SaslTalk SaslTalk;

SaslTalk *sasl_talk_new(const SaslTalkServer *server);
void sasl_talk_free(SaslTalk *talk);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SaslTalk, sasl_talk_free)

/* Takes what the client has sent, and appends what it is answered. Nothing is to be taken after the end. */
SaslTalkState sasl_talk_take(SaslTalk *talk, const void *bytes, size_t size, GByteArray *answer);
