/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes that are read from a socket and written to another, and the descriptors that go along with them. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bounds.h"

typedef struct Descriptors {
        int list[DESCRIPTORS_PER_MESSAGE_MAX];
        unsigned n;
        bool lost; /* more came than may be kept, or than this process can have */
} Descriptors;

/* Closes those that there are. */
void descriptors_close(Descriptors *descriptors);

/* Reads what there is, and keeps the descriptors besides those that there are. Returns how many bytes were read, 0 where there is
 * nothing now, or a negative errno: -ECONNRESET at the end. */
ssize_t descriptors_receive(Descriptors *descriptors, int socket, void *buffer, size_t size);

/* Writes what there is room for, with the descriptors, which are closed then. Returns how many bytes were written, or a negative
 * errno. */
ssize_t descriptors_send(Descriptors *descriptors, int socket, const void *bytes, size_t size);
