/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Single values as XDR has them: words whose highest byte comes first, and bytes that are filled up to whole words. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define XDR_WORD 4 /* bytes */
#define XDR_UUID_BYTES 16

void xdr_put_word(GByteArray *into, uint32_t word);
void xdr_put_long(GByteArray *into, uint64_t value);
void xdr_put_double(GByteArray *into, double value);

/* Bytes with their length before them. */
void xdr_put_bytes(GByteArray *into, const void *data, size_t size);
void xdr_put_text(GByteArray *into, const char *text);

/* Reads the text of a UUID; false where it is not one. */
bool xdr_read_uuid(const char *text, uint8_t uuid[XDR_UUID_BYTES]);

/* Another value for the word at a place. */
void xdr_set_word(GByteArray *into, size_t place, uint32_t word);

/* A word of a message; the bytes that follow SIZE bytes up to a whole word. */
uint32_t xdr_word(const uint8_t *data);
size_t xdr_padding(size_t size);
