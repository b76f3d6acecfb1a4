/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's messages: a length that counts itself, a header of six words, and a body. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define PACKET_LENGTH_SIZE 4
#define PACKET_HEADER_SIZE 24
#define PACKET_MAX (33554432 + PACKET_LENGTH_SIZE) /* bytes of one message, with its length: libvirt's own limit */
#define PACKET_STREAM_MAX 262120                   /* bytes of a stream in one message: libvirt's own limit */

#define KEEPALIVE_PROGRAM 0x6b656570u
#define KEEPALIVE_PING 1
#define KEEPALIVE_PONG 2

typedef enum PacketType {
        PACKET_CALL,
        PACKET_REPLY,
        PACKET_EVENT,
        PACKET_STREAM,
        PACKET_CALL_WITH_FDS,
        PACKET_REPLY_WITH_FDS,
        PACKET_STREAM_HOLE,
} PacketType;

typedef enum PacketStatus {
        PACKET_OK,
        PACKET_ERROR,
        PACKET_CONTINUE, /* of a stream: there is more */
} PacketStatus;

typedef struct PacketHeader {
        uint32_t program;
        uint32_t version;
        int32_t procedure;
        uint32_t type;
        uint32_t serial;
        uint32_t status;
} PacketHeader;

/* Messages as they come in, in pieces of any size. */
typedef struct PacketReader {
        GByteArray *data;
        size_t used; /* bytes at the beginning that were returned already */
        size_t skip; /* bytes that belong to no message, and come next */
} PacketReader;

void packet_reader_init(PacketReader *reader);
void packet_reader_clear(PacketReader *reader);

/* Takes in what has come. */
void packet_reader_feed(PacketReader *reader, const uint8_t *data, size_t size);

/* The bytes that wait for the rest of their message, or to be returned. */
size_t packet_reader_size(const PacketReader *reader);

/* Passes over bytes that follow the message that was returned last. */
void packet_reader_skip(PacketReader *reader, size_t size);

/* Whether some of these have not come yet. */
bool packet_reader_is_skipping(PacketReader *reader);

/* The next whole message. BODY is borrowed until the next call. Returns 1, 0 where there is none yet, and -EBADMSG for a length
 * that cannot be: nothing that follows it can be understood. */
int packet_reader_next(PacketReader *reader, PacketHeader *header, const uint8_t **body, size_t *size);

/* Begins a message, to which its body is appended; packet_end writes its length. */
GByteArray *packet_begin(const PacketHeader *header);
GBytes *packet_end(GByteArray *packet);
