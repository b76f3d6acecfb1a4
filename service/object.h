/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An object of the mirror: its place among others, and its properties, packed, to be read one by one or into a message. */

#include <glib.h>
#include <systemd/sd-bus.h>

#include "interface-info.h"

/* The properties of one interface of one object, packed in the order of the interface's table. */
typedef struct Block {
        const InterfaceInfo *interface;
        uint8_t *values;
        uint32_t size;
} Block;

typedef struct Object Object;
struct Object {
        Object *parent, *previous, *next, *first_child, *last_child;
        uint64_t serial; /* of this object and no other that has been; another one after mirror_renew */
        uint64_t place;  /* among all objects that have been, in the order in which they came; of children too */
        void *source;    /* the driver that it comes from; NULL for the manager */
        Block *blocks;   /* one for each of its interfaces */
        uint8_t n_blocks;
        bool stale; /* not named again since mirror_mark_stale */
        char path[];
};

const Block *object_block(const Object *object, const InterfaceInfo *interface);

/* A property's packed value. */
const uint8_t *block_value(const Block *block, size_t property);

/* A string or 32-bit property of the nearest object at or above this one that has the interface; NULL or 0 where none has. */
const char *object_string(const Object *object, const InterfaceInfo *interface, size_t property);
uint32_t object_uint32(const Object *object, const InterfaceInfo *interface, size_t property);

/* Where an object ends that begins at OFFSET in a message, as an entry of GetManagedObjects' answer. */
size_t object_measure(const Object *object, size_t offset);

/* Each appends to a message: one property as a variant, all properties, or those that have a bit in WANTED, as a{sv}, blocks as
 * a{sa{sv}}. Returns 0 or a negative errno. */
int block_append_property(const Block *block, size_t property, sd_bus_message *message);
int block_append_properties(const Block *block, sd_bus_message *message);
int block_append_some(const Block *block, uint64_t wanted, sd_bus_message *message);
int blocks_append(const Block *blocks, size_t n, sd_bus_message *message);
