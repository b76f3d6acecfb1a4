/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keys by their numbers, of the kernel's and of others' code sets. */

#include <stdint.h>

/* The names of keys, by the kernel's numbers; NULL for those that have none. */
#define KEYS 256
extern const char *const key_names[KEYS];

/* What others call them: the columns of key-codes. */
enum {
        KEY_SET_1, /* of IBM's scan codes: 0xe0xx, or, as displays' clients send it, 0x80 with the code */
        KEY_SET_2,
        KEY_SET_3,
        KEY_USB,
        KEY_WINDOWS,
        KEY_MACOS,
        KEY_SETS,
};

#define KEY_NONE UINT16_MAX

typedef struct KeyCodes {
        const char *name; /* NULL: the end */
        uint16_t codes[KEY_SETS];
} KeyCodes;

extern const KeyCodes key_codes[];
