/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a driver tells of an object, read and compared with what the mirror has, before any of it is the mirror's. */

#include <systemd/sd-bus.h>

#include "object.h"

#define INTERFACES_PER_OBJECT_MAX 16

typedef struct Taken {
        Block blocks[INTERFACES_PER_OBJECT_MAX];
        uint64_t changed[INTERFACES_PER_OBJECT_MAX];
        size_t n, bytes;
} Taken;

/* Reads a{sa{sv}}, of an object that may be there already. Returns 0 or more, or a negative errno: nothing of it is left then. */
int taken_read(Taken *taken, const Object *object, sd_bus_message *message);

/* Reads a{sv}, new values of a block's interface; the others are those of the OLD block, or NULL. Sets *CHANGED to those that
 * differ. Returns 0 or more, or a negative errno. */
int taken_read_block(Block *block, const Block *old, sd_bus_message *message, uint64_t *changed);

/* Adds what other drivers have told of an object that they share. Returns 0 or a negative errno. */
int taken_add_others(Taken *taken, const Object *object, const char *host_driver);

/* Whether a block is what a driver tells of an object that it shares. */
bool taken_is_part_of(const Block *block, const char *host_driver);

/* The blocks as an object has them, to be freed; their values are the same. */
Block *taken_blocks(const Taken *taken);

/* Frees the values of N blocks. */
void taken_clear_blocks(Block *blocks, size_t n);
