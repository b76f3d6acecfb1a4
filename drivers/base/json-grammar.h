/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a text is JSON, by the letter of RFC 8259, of bounded depth and of bounded cost. Libraries read more than that
 * (json-c comments, single quotes and NaN), and without a bound: only what passes here is given to one. */

#include <glib.h>
#include <stdbool.h>

/* How deep values may nest. */
#define JSON_DEPTH_MAX 64

/* Values of all kinds in one text: json-c makes up to 200 bytes of each. QEMU's longest answers (of 1024 disks) and a
 * guest's (of 16384 blocks of memory) have half as many. */
#define JSON_VALUES_MAX 131072

/* How often two names of one object may be compared, in all objects: a library whose hash whoever chooses
 * their names can make the same for all of them compares each with each. That is an object of 2895 members, or
 * 1024 of 90. */
#define JSON_COMPARISONS_MAX (4 * 1024 * 1024)

/* Sets *N_MEMBERS to the number of members of all objects: where the parsed tree has fewer, a name was given twice. Numbers must
 * be in the range of double, whole ones from -2^63 to 2^64 - 1; strings must be UTF-8 and may not hold NUL. */
bool json_check_grammar(const char *text, size_t length, unsigned *n_members, GError **error);
