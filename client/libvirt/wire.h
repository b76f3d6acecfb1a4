/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* XDR, as libvirt's messages have it, from and to GVariants, by types that are text:
 *
 *   i u x t d    a number, as GVariant has them; numbers of 8 and 16 bits are a word too
 *   s            a string
 *   U            a UUID: 16 bytes, a string of 32 digits and '-' in the GVariant
 *   v            a typed value: its kind, then i, u, x, t, d, a boolean or s; a variant
 *   mT           T, or nothing: any word but 0 says that it is there
 *   aN:T         at most N of T
 *   yN:          at most N bytes; ay
 *   cN:  CN:     text, a word for each character: at most N, exactly N; a string
 *   (...)        a struct; a tuple
 *
 * Nothing is allocated for what is announced, only for what is there. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define WIRE_STRING_MAX 4194304 /* bytes */

/* Reads a body that is a value of this type, whole. Returns NULL, with an error of LIBVIRT_ERROR: LIBVIRT_RPC for what is not
 * such a
 * value, LIBVIRT_INVALID_ARG for text that is not UTF-8, which no text on D-Bus can be. */
GVariant *wire_decode(const char *type, const uint8_t *data, size_t size, GError **error);

/* Appends a value, which is of the GVariant type that belongs to TYPE. What is over a limit is refused with LIBVIRT_RPC; INTO
 * is as
 * before then. The value's reference is taken where it is floating. */
bool wire_encode(const char *type, GVariant *value, GByteArray *into, GError **error);

/* The GVariant type that belongs to a type; to be freed. */
char *wire_variant_type(const char *type);
