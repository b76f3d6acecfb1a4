/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the fuzz targets share. A target is one file that defines LLVMFuzzerTestOneInput: built with -Dfuzz=true, libFuzzer calls
 * it with inputs that it makes up; in every build, replay.c calls it with those that are kept in seeds/ and regressions/.
 *
 * A target runs without rights, in a folder of its own, and holds what it finds against assertions: a crash, a leak, a
 * sanitizer's word or a failed assertion is a finding. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libFuzzer's, for mutators. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* The folder of this process, made by the first who asks: from then on the process has no rights, wherever it began as root. */
const char *fuzz_folder(void);

/* Handles what has happened, without waiting; at most so many events, as two ends may talk to each other for ever. */
#define FUZZ_EVENTS_MAX 10000
void fuzz_settle(sd_event *event);

/* Both ends of a D-Bus connection without a bus, attached to EVENT. FD: the server's end of the socket, or NULL. */
void fuzz_bus_pair(sd_event *event, sd_bus **client, sd_bus **server);

/* An input that is read as decisions: what is missing counts as zeros. */
typedef struct Bytes {
        const uint8_t *at;
        size_t left;
} Bytes;

uint8_t bytes_take(Bytes *bytes);
size_t bytes_pick(Bytes *bytes, size_t n);

/* Appends values of a signature that the input decides; strings are mostly words that mean something. A descriptor is
 * /dev/null. */
int bytes_append(Bytes *bytes, sd_bus_message *message, const char *signature, const char *const *words);

/* Whether a message's body can be read whole as values of this signature. */
bool fuzz_is_readable(sd_bus_message *message, const char *signature);

/* Refused means told why, in text that D-Bus carries. */
void fuzz_check_error(const GError *error);
