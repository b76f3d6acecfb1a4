/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads the header of a message that is longer than is kept, and makes a short one of it, so that a call can be answered: of
 * what is not longer than a name, that which says what is called, by whom and of whom. Only paths have no bound of their own;
 * one that is longer is "/" then. */

#include <glib.h>
#include <stdbool.h>

typedef struct LongHeader LongHeader;

/* Begins with the part that is always there, sixteen bytes. */
LongHeader *long_header_new(const guint8 *fixed);
void long_header_free(LongHeader *header);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LongHeader, long_header_free)

/* How many bytes of it have not been read. */
size_t long_header_left(const LongHeader *header);

/* Reads on: SIZE is not more than is left. False: this is not a header. */
bool long_header_read(LongHeader *header, const guint8 *data, size_t size);

/* Returns the header, as that of a message without body and descriptors, where all was read and it is that of a call; else
 * NULL. */
GByteArray *long_header_shorten(LongHeader *header);
