/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What waits to be sent on a client's socket: messages, and descriptors, each of which goes with a byte of its own. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Outbox {
        GQueue items; /* Item, see outbox.c */
        size_t n_bytes;
        size_t n_first_sent; /* bytes of the first item */
} Outbox;

/* One that is all zeros is empty. */
void outbox_clear(Outbox *outbox);

/* Takes a message, or a descriptor. */
void outbox_add(Outbox *outbox, GBytes *message);
void outbox_add_fd(Outbox *outbox, int fd);

bool outbox_is_empty(const Outbox *outbox);

/* Sends what the socket takes now. Returns false where the other end has gone. */
bool outbox_send(Outbox *outbox, int socket);
