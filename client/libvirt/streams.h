/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The streams that calls have opened: between a descriptor, such as a console, and the client's socket. Neither waits for the
 * other:
 * a descriptor is not read while the client is slow, and a client that sends more than a descriptor takes loses the stream. */

#include "conversation.h"

/* Bytes that wait for a descriptor to take them. */
#define STREAM_WAITING_MAX 4194304
/* Streams of one client at once. */
#define STREAMS_MAX 64

typedef struct Streams Streams;

Streams *streams_new(void);
void streams_free(Streams *streams);

/* Whether a call can open a stream: not with the serial of one that is open. */
bool streams_check(const Streams *streams, const Procedure *procedure, uint32_t serial, GError **error);

/* Opens the stream of a call that was answered. Takes the descriptor. SIGPIPE is to be ignored. */
void streams_begin(Streams *streams, Conversation *conversation, const Procedure *procedure, uint32_t serial, int fd);

/* What ConversationHandler says. */
void streams_take(Streams *streams, const PacketHeader *header, const uint8_t *body, size_t size);
void streams_drained(Streams *streams);
