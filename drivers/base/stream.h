/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes between a guest's console and the one client that has it open. Each direction holds at most STREAM_BUFFER_BYTES;
 * whoever is slow is waited for, without stopping anyone else. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#define STREAM_BUFFER_BYTES 65536

typedef struct Stream Stream;

/* How many clients may still be reading the last words of guests that have ended. Each costs two buffers and two descriptors. */
#define STREAMS_LEFT_MAX 64

/* Relays between GUEST (taken over; closed with the stream) and a new socket, whose other end is put into *CLIENT for the
 * caller to give away and close. ENDED is called when either side has gone and the other has what it had said, and owes
 * stream_free. */
Stream *stream_new(sd_event *event, int guest, int *client, void (*ended)(void *data), void *data, GError **error);

/* Ends it at once: what waits to be read is lost. */
void stream_free(Stream *stream);

/* The client has gone, and what it wrote last waits for the guest to read it: somebody else may take the console over. */
bool stream_is_deserted(const Stream *stream);

/* Its guest ends. The stream, which is taken, stays in LEFT (whose values are freed by stream_free) until the client has what
 * the guest had said; nobody is told. Beyond STREAMS_LEFT_MAX it ends at once. */
void stream_leave(Stream *stream, GHashTable *left);
