/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes between a guest's console and the one client that has it open. Each direction holds at most STREAM_BUFFER_BYTES;
 * whoever is slow is waited for, without stopping anyone else. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#define STREAM_BUFFER_BYTES 65536

typedef struct Stream Stream;

/* Relays between GUEST (taken over; closed with the stream) and a new socket, whose other end is put into *CLIENT for the
 * caller to give away and close. ENDED is called when either side has gone, and owes stream_free. */
Stream *stream_new(sd_event *event, int guest, int *client, void (*ended)(void *data), void *data, GError **error);
void stream_free(Stream *stream);
