/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a text is JSON, by the letter of RFC 8259 and of bounded depth. json-glib reads more than that (comments, single quotes,
 * hexadecimal numbers, assignments), and nested values by recursion without a bound: only what passes here is given to it. */

#include <glib.h>
#include <stdbool.h>

/* How deep values may nest. */
#define JSON_DEPTH_MAX 64

/* Sets *N_MEMBERS to the number of members of all objects: where the parsed tree has fewer, a name was given twice. Numbers must
 * be in the range of double, whole ones from -2^63 to 2^64 - 1; strings must be UTF-8 and may not hold NUL. */
bool json_check_grammar(const char *text, size_t length, unsigned *n_members, GError **error);
