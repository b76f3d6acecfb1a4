/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was read of a bus beyond a message: its messages are many and small, and several are read at once. Descriptors come with
 * the beginning of a message, and end what is read at once: they are of the last message that begins in it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"

/* How much is read at once. */
#define AHEAD_BYTES (16u * 1024)

typedef struct Ahead {
        uint8_t bytes[AHEAD_BYTES];
        size_t at, end;
        int descriptors[DESCRIPTORS_PER_MESSAGE_MAX];
        unsigned n_descriptors;
        bool lost;     /* some that came could not be kept */
        size_t owner;  /* where the message begins that has them */
        bool is_empty; /* the socket, when it was read last */
} Ahead;

/* BYTES have been filled with SIZE bytes, the first of which begins a message; DESCRIPTORS that came are taken over. */
void ahead_filled(Ahead *ahead, size_t size, const int *descriptors, unsigned n_descriptors, bool lost);

bool ahead_is_used_up(const Ahead *ahead);

/* Takes up to SIZE bytes; returns how many there were. */
size_t ahead_read(Ahead *ahead, void *buffer, size_t size);

/* Takes the descriptors of the message that begins with the next byte; returns how many there are. */
unsigned ahead_take_descriptors(Ahead *ahead, int *descriptors, bool *lost);

/* Drops everything. */
void ahead_clear(Ahead *ahead);
