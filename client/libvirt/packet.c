/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "packet.h"

#include <errno.h>

#include "xdr.h"

#define N_WORDS (PACKET_HEADER_SIZE / 4)
#define KEPT_MAX 65536   /* bytes of room that a reader keeps */
#define SMALL_PACKET 128 /* bytes that most have at most */

void packet_reader_init(PacketReader *reader) {
        *reader = (PacketReader){ .data = g_byte_array_new() };
}

void packet_reader_clear(PacketReader *reader) {
        g_clear_pointer(&reader->data, g_byte_array_unref);
}

void packet_reader_feed(PacketReader *reader, const uint8_t *data, size_t size) {
        if (reader->used == reader->data->len && reader->data->len > KEPT_MAX) {
                /* What a large message has needed is given back. */
                g_byte_array_unref(reader->data);
                reader->data = g_byte_array_new();
        } else if (reader->used == reader->data->len)
                g_byte_array_set_size(reader->data, 0);
        else if (reader->used > 0)
                g_byte_array_remove_range(reader->data, 0, (unsigned int) reader->used);
        reader->used = 0;
        g_byte_array_append(reader->data, data, size);
}

size_t packet_reader_size(const PacketReader *reader) {
        return reader->data->len - reader->used;
}

static uint32_t word_at(const uint8_t *data, size_t i) {
        uint32_t word;
        memcpy(&word, data + 4 * i, sizeof word);
        return GUINT32_FROM_BE(word);
}

void packet_reader_skip(PacketReader *reader, size_t size) {
        reader->skip += size;
}

static void skip(PacketReader *reader) {
        size_t n = MIN(reader->skip, packet_reader_size(reader));
        reader->used += n;
        reader->skip -= n;
}

bool packet_reader_is_skipping(PacketReader *reader) {
        skip(reader);
        return reader->skip > 0;
}

int packet_reader_next(PacketReader *reader, PacketHeader *header, const uint8_t **body, size_t *size) {
        skip(reader);
        const uint8_t *data = reader->data->data + reader->used;
        size_t left = packet_reader_size(reader);
        if (left < PACKET_LENGTH_SIZE)
                return 0;
        size_t length = word_at(data, 0);
        if (length < PACKET_LENGTH_SIZE + PACKET_HEADER_SIZE || length > PACKET_MAX)
                return -EBADMSG;
        if (left < length)
                return 0;
        *header = (PacketHeader){ .program = word_at(data, 1),
                                  .version = word_at(data, 2),
                                  .procedure = (int32_t) word_at(data, 3),
                                  .type = word_at(data, 4),
                                  .serial = word_at(data, 5),
                                  .status = word_at(data, 6) };
        *body = data + PACKET_LENGTH_SIZE + PACKET_HEADER_SIZE;
        *size = length - PACKET_LENGTH_SIZE - PACKET_HEADER_SIZE;
        reader->used += length;
        return 1;
}

GByteArray *packet_begin(const PacketHeader *header) {
        GByteArray *packet = g_byte_array_sized_new(SMALL_PACKET);
        const uint32_t words[N_WORDS] = { header->program, header->version, (uint32_t) header->procedure,
                                          header->type,    header->serial,  header->status };
        xdr_put_word(packet, 0);
        for (size_t i = 0; i < N_WORDS; i++)
                xdr_put_word(packet, words[i]);
        return packet;
}

GBytes *packet_end(GByteArray *packet) {
        xdr_set_word(packet, 0, packet->len);
        return g_byte_array_free_to_bytes(packet);
}
