/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A saved guest: a header with its document, then what the hypervisor has written, compressed or not. All of these may wait for a
 * file or a pipe: they are for a worker.
 *
 * The header is one line of SAVE_HEADER_BYTES, filled up with blanks, "virtbus-save FORMAT BYTES COMPRESSION STATE", and then the
 * document of that many bytes. */

#include <glib.h>
#include <stdbool.h>

#define SAVE_HEADER_BYTES 64

/* The format of the header and of what follows it. It rises when an older version could not read, or would misread, what a
 * newer one writes; "virtbus-save FORMAT " stays the beginning of all formats, so that an older version can name what it
 * refuses. A state of an older format is read. */
#define SAVE_FORMAT 1

/* How long the other end of a pipe may do nothing while the header is written or read, in milliseconds. */
#define SAVE_PATIENCE 10000

typedef struct SaveHeader {
        char *xml;
        char *compression; /* one of save_compressions */
        bool running;      /* what it was: its processors are to run when it is restored */
} SaveHeader;

void save_header_clear(SaveHeader *header);

/* Whether its processors are to run when it is restored, whatever it was. */
typedef enum SavedRuns {
        SAVED_AS_IT_WAS,
        SAVED_RUNS,
        SAVED_PAUSED,
} SavedRuns;

/* What a caller's options "running" and "paused" ask for; InvalidArgument where that is both. */
bool saved_runs_choose(bool running, bool paused, SavedRuns *runs, GError **error);
bool saved_runs(SavedRuns runs, bool it_ran);

/* How a state can be compressed: the programs that do it, each with "-c", and "-dc" for the way back. NULL at the end. */
extern const char *const save_compressions[];
#define SAVE_UNCOMPRESSED "none"

/* Finds the program of a compression; NULL with an error where there is no such compression, or its program is not installed. */
char *save_compression_program(const char *compression, GError **error);

bool save_header_write(int fd, const SaveHeader *header, GError **error);

/* Reads exactly the header: what follows is the hypervisor's. Fails with Unsupported where a later version has written it, with
 * InvalidArgument where it is damaged or something else; HEADER is empty then. */
bool save_header_read(int fd, SaveHeader *header, GError **error);
