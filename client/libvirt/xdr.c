/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xdr.h"

#include <string.h>

void xdr_put_word(GByteArray *into, uint32_t word) {
        word = GUINT32_TO_BE(word);
        g_byte_array_append(into, (const uint8_t *) &word, sizeof word);
}

void xdr_put_long(GByteArray *into, uint64_t value) {
        value = GUINT64_TO_BE(value);
        g_byte_array_append(into, (const uint8_t *) &value, sizeof value);
}

void xdr_put_double(GByteArray *into, double value) {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        xdr_put_long(into, bits);
}

void xdr_put_bytes(GByteArray *into, const void *data, size_t size) {
        static const uint8_t zeros[XDR_WORD];
        xdr_put_word(into, (uint32_t) size);
        g_byte_array_append(into, data, (unsigned int) size);
        g_byte_array_append(into, zeros, (unsigned int) xdr_padding(size));
}

void xdr_put_text(GByteArray *into, const char *text) {
        xdr_put_bytes(into, text, strlen(text));
}

bool xdr_read_uuid(const char *text, uint8_t uuid[XDR_UUID_BYTES]) {
        size_t n = 0;
        for (; *text; text++) {
                if (*text == '-')
                        continue;
                int high = g_ascii_xdigit_value(text[0]), low = high < 0 ? -1 : g_ascii_xdigit_value(text[1]);
                if (low < 0 || n == XDR_UUID_BYTES)
                        break;
                uuid[n++] = (uint8_t) (high << 4 | low);
                text++;
        }
        return !*text && n == XDR_UUID_BYTES;
}

void xdr_set_word(GByteArray *into, size_t place, uint32_t word) {
        word = GUINT32_TO_BE(word);
        memcpy(into->data + place, &word, sizeof word);
}

uint32_t xdr_word(const uint8_t *data) {
        uint32_t word;
        memcpy(&word, data, sizeof word);
        return GUINT32_FROM_BE(word);
}

size_t xdr_padding(size_t size) {
        return (XDR_WORD - size % XDR_WORD) % XDR_WORD;
}
