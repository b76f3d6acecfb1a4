/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines from a socket whose other end is not trusted: read without waiting, none longer than a bound. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct Lines {
        GByteArray *input;
        size_t start;   /* of input: where the next line begins */
        size_t scanned; /* of input: no line ends between start and here */
        size_t largest; /* of input: how much it has held since it was made */
} Lines;

void lines_open(Lines *lines);
void lines_close(Lines *lines);

/* Takes what has come; returns how much, 0 at the end, or a negative errno. */
ssize_t lines_receive(Lines *lines, int fd);

/* The next whole line without its end, to be freed; NULL where there is none. LENGTH, which may be NULL, counts all of it: a
 * line of a stranger's may have zeros in it. */
char *lines_next(Lines *lines, size_t *length);

/* Whether the line that has begun is longer than that already. */
bool lines_exceed(const Lines *lines, size_t bytes);
