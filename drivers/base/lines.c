/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/lines.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define READ_BYTES 65536

/* What is kept for the next line, in bytes: more is given back once it is empty, as a stranger may have made it so large. */
#define KEPT_BYTES (4 * READ_BYTES)

void lines_open(Lines *lines) {
        *lines = (Lines){ .input = g_byte_array_new() };
}

void lines_close(Lines *lines) {
        g_clear_pointer(&lines->input, g_byte_array_unref);
}

ssize_t lines_receive(Lines *lines, int fd) {
        /* What was read is dropped here, once, however many lines it held. */
        if (lines->start == lines->input->len && lines->largest > KEPT_BYTES) {
                lines_close(lines);
                lines_open(lines);
        }
        g_byte_array_remove_range(lines->input, 0, (guint) lines->start);
        lines->scanned -= lines->start;
        lines->start = 0;
        guint length = lines->input->len;
        g_byte_array_set_size(lines->input, length + READ_BYTES);
        lines->largest = MAX(lines->largest, lines->input->len);
        ssize_t n = recv(fd, lines->input->data + length, READ_BYTES, MSG_DONTWAIT);
        ssize_t result = n < 0 ? -errno : n;
        g_byte_array_set_size(lines->input, length + (n > 0 ? (guint) n : 0));
        return result;
}

char *lines_next(Lines *lines, size_t *length) {
        const uint8_t *from = lines->input->data + lines->scanned;
        const uint8_t *end = lines->scanned < lines->input->len ? memchr(from, '\n', lines->input->len - lines->scanned) : NULL;
        if (!end) {
                lines->scanned = lines->input->len;
                return NULL;
        }
        size_t stop = (size_t) (end - lines->input->data);
        char *line = g_malloc(stop - lines->start + 1);
        memcpy(line, lines->input->data + lines->start, stop - lines->start);
        line[stop - lines->start] = '\0';
        if (length)
                *length = stop - lines->start;
        lines->start = lines->scanned = stop + 1;
        return line;
}

bool lines_exceed(const Lines *lines, size_t bytes) {
        return lines->input->len - lines->start > bytes;
}
