/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "long-header.h"

#include <string.h>
#include <systemd/sd-bus.h>

#include "message-header.h"

/* What begins a field: its code, and the signature of its value. */
#define FIELD_START 4u

/* Names and signatures are not longer. */
#define VALUE_MAX 255u

typedef enum Field {
        FIELD_PATH = 1,
        FIELD_INTERFACE = 2,
        FIELD_MEMBER = 3,
        FIELD_DESTINATION = 6,
        FIELD_SENDER = 7,
        FIELDS = 10,
} Field;

#define KEPT_FIELDS (1u << FIELD_PATH | 1u << FIELD_INTERFACE | 1u << FIELD_MEMBER | 1u << FIELD_DESTINATION | 1u << FIELD_SENDER)

struct LongHeader {
        GByteArray *shortened;
        size_t at, end, padded; /* in the message: what is read next, where the fields end, and the padding behind them */
        size_t skip;            /* how much of what comes is not looked at */
        guint8 field[FIELD_START + 4 + VALUE_MAX + 1];
        size_t have;
        unsigned seen, kept; /* fields, as bits */
};

static uint32_t number(const LongHeader *header, const guint8 *at) {
        return message_header_read_number(header->shortened->data[0], at);
}

LongHeader *long_header_new(const guint8 *fixed) {
        LongHeader *header = g_new0(LongHeader, 1);
        header->shortened = g_byte_array_append(g_byte_array_new(), fixed, MESSAGE_HEADER_FIXED_SIZE);
        header->at = MESSAGE_HEADER_FIXED_SIZE;
        header->end = MESSAGE_HEADER_FIXED_SIZE + (size_t) number(header, fixed + MESSAGE_HEADER_FIELDS_AT);
        header->padded = message_header_align(header->end);
        return header;
}

void long_header_free(LongHeader *header) {
        if (header->shortened)
                g_byte_array_unref(header->shortened);
        g_free(header);
}

size_t long_header_left(const LongHeader *header) {
        return header->padded - header->at;
}

/* Adds a field, which begins where a multiple of eight bytes is, as it has in the long header. */
static void add(LongHeader *header, const guint8 *field, size_t size) {
        static const guint8 padding[8] = { 0 };
        size_t at = header->shortened->len;
        g_byte_array_append(header->shortened, padding, (guint) (message_header_align(at) - at));
        g_byte_array_append(header->shortened, field, (guint) size);
        header->kept |= 1u << field[0];
}

/* A field ends: what comes up to the next one is padding. */
static void end_field(LongHeader *header, size_t rest) {
        header->have = 0;
        header->skip = rest + (message_header_align(header->at + rest) - (header->at + rest));
}

/* A field has so many of its bytes. False: it cannot be one. */
static bool look(LongHeader *header) {
        const guint8 *field = header->field;
        char type = (char) field[2];
        size_t whole = FIELD_START + 4;
        if (header->have < FIELD_START)
                return true;
        if (header->have == FIELD_START) {
                bool sane = field[0] < FIELDS && !(header->seen & 1u << field[0]) && field[1] == 1 && field[3] == '\0';
                header->seen |= sane ? 1u << field[0] : 0;
                return sane && strchr("sogu", type) && type;
        }
        if (type == 'g') {
                end_field(header, field[FIELD_START] + (size_t) 1);
                return true;
        }
        if (header->have < whole)
                return true;
        size_t length = type == 'u' ? 0 : number(header, field + FIELD_START);
        bool is_kept = type != 'u' && length <= VALUE_MAX && KEPT_FIELDS & 1u << field[0];
        whole += type == 'u' ? 0 : length + 1;
        if (is_kept && header->have < whole)
                return true;
        if (is_kept)
                add(header, field, whole);
        end_field(header, whole - header->have);
        return true;
}

bool long_header_read(LongHeader *header, const guint8 *data, size_t size) {
        for (const guint8 *end = data + size; data < end;) {
                if (header->skip > 0 || header->at >= header->end) {
                        size_t n = MIN(header->skip > 0 ? header->skip : SIZE_MAX, (size_t) (end - data));
                        header->skip -= MIN(n, header->skip);
                        header->at += n;
                        data += n;
                        continue;
                }
                header->field[header->have++] = *data++;
                header->at++;
                if (!look(header))
                        return false;
        }
        return true;
}

/* What is short is of a message with an empty body; a call without a path is not one. */
GByteArray *long_header_shorten(LongHeader *header) {
        static const guint8 padding[8] = { 0 };
        const guint8 root[] = { FIELD_PATH, 1, 'o', 0, 0, 0, 0, 0, '/', 0 };
        bool is_call = header->shortened->data[1] == SD_BUS_MESSAGE_METHOD_CALL &&
                       number(header, header->shortened->data + MESSAGE_HEADER_SERIAL_AT) != 0;
        bool is_whole = header->at == header->padded && header->have == 0 && header->skip == 0;
        if (!is_call || !is_whole || !(header->seen & 1u << FIELD_PATH) || !(header->kept & 1u << FIELD_MEMBER))
                return NULL;
        if (!(header->kept & 1u << FIELD_PATH)) {
                add(header, root, sizeof root);
                message_header_set_number(header->shortened, header->shortened->len - 6, 1);
        }
        GByteArray *shortened = g_steal_pointer(&header->shortened);
        message_header_set_number(shortened, MESSAGE_HEADER_BODY_AT, 0);
        message_header_set_number(shortened, MESSAGE_HEADER_FIELDS_AT, shortened->len - MESSAGE_HEADER_FIXED_SIZE);
        return g_byte_array_append(shortened, padding, (guint) (message_header_align(shortened->len) - shortened->len));
}
