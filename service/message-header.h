/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The header of a D-Bus message, as bytes: D-Bus specification, "Message Format". The first byte is its order of bytes. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The part that is always there: in it the size of the body, the serial number, and the size of the fields that follow. */
#define MESSAGE_HEADER_FIXED_SIZE 16u
#define MESSAGE_HEADER_BODY_AT 4u
#define MESSAGE_HEADER_SERIAL_AT 8u
#define MESSAGE_HEADER_FIELDS_AT 12u

/* Fields, and the body, begin at a multiple of eight bytes: the first one from AT. */
size_t message_header_align(size_t at);

uint32_t message_header_read_number(guint8 order, const guint8 *at);
void message_header_set_number(GByteArray *head, size_t at, uint32_t value);

/* How long the fields of a header are, of which the fixed part is there; the header; and the body behind it. */
size_t message_header_fields_size(const GByteArray *head);
size_t message_header_size(const GByteArray *head);
size_t message_header_body_size(const GByteArray *head);

/* Says in a header that the message has neither body nor descriptors. Fields that are not as the specification has them, sd-bus
 * refuses. */
void message_header_cut(GByteArray *head);

/* Whether a header is that of a call with so many descriptors, and one that sd-bus reads: it loses the descriptors of a message
 * that it refuses. */
bool message_header_is_call_with_descriptors(const GByteArray *head, unsigned n_descriptors);
