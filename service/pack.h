/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* D-Bus values as plain bytes: what the mirror keeps and what is relayed between bus and drivers.
 *
 * Fixed-size types lie unaligned in host order (a boolean is one byte), strings are a 32-bit length, the bytes and a
 * NUL, arrays are a 32-bit size and their elements, variants a one-byte length, the signature, a NUL and the value.
 * A pack comes from pack_read only, so what reads it trusts it. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

/* Containers within one another. A bus daemon cuts off who sends more than 64, and what we put values into is some of them. */
#define PACK_DEPTH_MAX 32

/* Appends the next values of a message, of all complete types in SIGNATURE, to PACK.
 * Returns 0, -E2BIG beyond MAX bytes in all or PACK_DEPTH_MAX containers, -EPERM for a descriptor, which nobody keeps, or another
 * negative errno where the message holds something else. */
int pack_read(GByteArray *pack, size_t max, sd_bus_message *message, const char *signature);

/* Appends values at AT to a message. Returns the position after them, or NULL on an error. */
const uint8_t *pack_append(const uint8_t *at, sd_bus_message *message, const char *signature);

/* Returns the position after the values of SIGNATURE at AT. */
const uint8_t *pack_skip(const uint8_t *at, const char *signature);

/* As pack_skip; moves *OFFSET, where the values begin in a message, to where they end in it. */
const uint8_t *pack_measure(const uint8_t *at, const char *signature, size_t *offset);

/* Reads a string, object path or signature, or a 32-bit number, at AT. */
const char *pack_string(const uint8_t *at);
/* Of an as: the strings with commas between them, to be freed. */
char *pack_strings(const uint8_t *at);
bool pack_boolean(const uint8_t *at);
uint32_t pack_uint32(const uint8_t *at);

/* Copies the whole body of SIGNATURE, of at most MAX bytes in a message, from one to another. Descriptors too, where SIGNATURE
 * has them, and at most IN_VARIANTS in variants, however often one is named. Adds its size to *SIZE. Returns as pack_read. */
int pack_relay(sd_bus_message *from, sd_bus_message *to, const char *signature, size_t max, unsigned in_variants, size_t *size);
