/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ahead.h"

#include <string.h>
#include <unistd.h>

#include "message-header.h"

/* Where the last message begins of what was read. */
static size_t last_message(const Ahead *ahead) {
        size_t at = 0, next = 0;
        do {
                const uint8_t *message = ahead->bytes + next;
                at = next;
                if (ahead->end - at < MESSAGE_HEADER_FIXED_SIZE)
                        break;
                size_t fields = message_header_read_number(message[0], message + MESSAGE_HEADER_FIELDS_AT),
                       body = message_header_read_number(message[0], message + MESSAGE_HEADER_BODY_AT);
                next = at + message_header_align(MESSAGE_HEADER_FIXED_SIZE + fields) + body;
        } while (next < ahead->end);
        return at;
}

void ahead_filled(Ahead *ahead, size_t size, const int *descriptors, unsigned n_descriptors, bool lost) {
        ahead->at = 0;
        ahead->end = size;
        ahead->is_empty = size < sizeof ahead->bytes;
        memcpy(ahead->descriptors, descriptors, sizeof *descriptors * n_descriptors);
        ahead->n_descriptors = n_descriptors;
        ahead->lost = lost;
        ahead->owner = n_descriptors > 0 || lost ? last_message(ahead) : 0;
}

bool ahead_is_used_up(const Ahead *ahead) {
        return ahead->at == ahead->end;
}

size_t ahead_read(Ahead *ahead, void *buffer, size_t size) {
        size_t left = ahead->end - ahead->at, n = size < left ? size : left;
        memcpy(buffer, ahead->bytes + ahead->at, n);
        ahead->at += n;
        return n;
}

unsigned ahead_take_descriptors(Ahead *ahead, int *descriptors, bool *lost) {
        unsigned n = ahead->at == ahead->owner ? ahead->n_descriptors : 0;
        *lost = ahead->at == ahead->owner && ahead->lost;
        memcpy(descriptors, ahead->descriptors, sizeof *descriptors * n);
        if (ahead->at == ahead->owner) {
                ahead->n_descriptors = 0;
                ahead->lost = false;
        }
        return n;
}

void ahead_clear(Ahead *ahead) {
        for (unsigned i = 0; i < ahead->n_descriptors; i++)
                close(ahead->descriptors[i]);
        *ahead = (Ahead){ 0 };
}
