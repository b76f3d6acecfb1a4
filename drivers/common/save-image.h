/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the state of a saved guest lies: a header with its document, then what the hypervisor has written, compressed or not.
 * All of these may wait for a file or a pipe: they are for a worker.
 *
 * The header is one line of SAVE_HEADER_BYTES, filled up with blanks, "virtbus-save 1 BYTES COMPRESSION STATE", and then the
 * document of that many bytes. */

#include <glib.h>
#include <stdbool.h>

#define SAVE_HEADER_BYTES 64

/* How long the other end of a pipe may do nothing while the header is written or read, in milliseconds. */
#define SAVE_PATIENCE 10000

typedef struct SaveHeader {
        char *xml;
        char *compression; /* one of save_compressions */
        bool running;      /* what it was: its processors are to run when it is restored */
} SaveHeader;

void save_header_clear(SaveHeader *header);

/* How a state can be compressed: the programs that do it, each with "-c", and "-dc" for the way back. NULL at the end. */
extern const char *const save_compressions[];
#define SAVE_UNCOMPRESSED "none"

/* Finds the program of a compression; NULL with an error where it is none of them, or not installed. */
char *save_compression_program(const char *compression, GError **error);

bool save_header_write(int fd, const SaveHeader *header, GError **error);

/* Reads exactly the header: what follows is the hypervisor's. */
bool save_header_read(int fd, SaveHeader *header, GError **error);
