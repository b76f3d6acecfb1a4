/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "taken.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "pack.h"

#define PROPERTIES_PER_INTERFACE_MAX 64 /* bits of a change mask */

void taken_clear_blocks(Block *blocks, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(blocks[i].values);
}

/* Values of one interface while they are read: each property's place in PACK. */
typedef struct Values {
        GByteArray *pack;
        uint32_t start[PROPERTIES_PER_INTERFACE_MAX], end[PROPERTIES_PER_INTERFACE_MAX];
        uint64_t present;
} Values;

static int values_read(Values *values, const InterfaceInfo *interface, sd_bus_message *message) {
        int r = sd_bus_message_enter_container(message, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                const char *name;
                r = sd_bus_message_read_basic(message, 's', &name);
                if (r < 0)
                        return r;
                int property = interface_property(interface, name);
                if (property < 0)
                        return -ENOENT;
                const char *signature = interface->properties[property].signature;
                r = sd_bus_message_enter_container(message, 'v', signature);
                if (r < 0)
                        return r;
                values->start[property] = values->pack->len;
                r = pack_read(values->pack, OBJECT_BYTES_MAX, message, signature);
                if (r < 0)
                        return r;
                values->end[property] = values->pack->len;
                values->present |= UINT64_C(1) << property;
                r = sd_bus_message_exit_container(message);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

/* Makes a block of new values, and of the old block's where there are none. Returns which differ, or sets *r. */
static uint64_t block_merge(Block *block, const Block *old, const Values *values, int *r) {
        const InterfaceInfo *interface = block->interface;
        g_autoptr(GByteArray) merged = g_byte_array_new();
        uint64_t changed = 0;
        const uint8_t *at = old ? old->values : NULL;
        *r = 0;
        for (size_t i = 0; i < interface->n_properties; i++) {
                const uint8_t *end = at ? pack_skip(at, interface->properties[i].signature) : NULL;
                if (values->present & UINT64_C(1) << i) {
                        const uint8_t *value = values->pack->data + values->start[i];
                        size_t size = values->end[i] - values->start[i];
                        g_byte_array_append(merged, value, (guint) size);
                        if (!at || size != (size_t) (end - at) || memcmp(value, at, size) != 0)
                                changed |= UINT64_C(1) << i;
                } else if (at)
                        g_byte_array_append(merged, at, (guint) (end - at));
                else {
                        *r = -ENODATA;
                        return 0;
                }
                at = end;
        }
        block->size = merged->len;
        block->values = malloc(MAX(merged->len, 1)); /* not g_byte_array_free: its buffer has room to spare */
        if (!block->values)
                g_error("out of memory");
        if (merged->len > 0)
                memcpy(block->values, merged->data, merged->len);
        return changed;
}

int taken_read_block(Block *block, const Block *old, sd_bus_message *message, uint64_t *changed) {
        g_autoptr(GByteArray) pack = g_byte_array_new();
        Values values = { .pack = pack };
        int r = values_read(&values, block->interface, message);
        if (r >= 0)
                *changed = block_merge(block, old, &values, &r);
        return r;
}

int taken_read(Taken *taken, const Object *object, sd_bus_message *message) {
        int r = sd_bus_message_enter_container(message, 'a', "{sa{sv}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sa{sv}")) > 0) {
                const char *name;
                r = sd_bus_message_read_basic(message, 's', &name);
                if (r < 0)
                        break;
                const InterfaceInfo *interface = interface_find(name);
                if (!interface || interface->n_properties > PROPERTIES_PER_INTERFACE_MAX ||
                    taken->n == INTERFACES_PER_OBJECT_MAX) {
                        r = -ENOENT;
                        break;
                }
                for (size_t i = 0; i < taken->n; i++)
                        if (taken->blocks[i].interface == interface)
                                r = -EEXIST;
                if (r < 0)
                        break;
                Block *block = &taken->blocks[taken->n];
                *block = (Block){ .interface = interface };
                r = taken_read_block(block, object ? object_block(object, interface) : NULL, message, &taken->changed[taken->n]);
                if (r < 0)
                        break;
                taken->n++;
                taken->bytes += block->size;
                r = taken->bytes > OBJECT_BYTES_MAX ? -E2BIG : sd_bus_message_exit_container(message);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0)
                taken_clear_blocks(taken->blocks, taken->n);
        return r;
}

Block *taken_blocks(const Taken *taken) {
        Block *copy = malloc(MAX(taken->n, 1) * sizeof *copy);
        if (!copy)
                g_error("out of memory");
        memcpy(copy, taken->blocks, taken->n * sizeof *copy);
        return copy;
}

static Block block_copy(const Block *block) {
        Block copy = *block;
        copy.values = malloc(MAX(block->size, 1));
        if (!copy.values)
                g_error("out of memory");
        if (block->size > 0)
                memcpy(copy.values, block->values, block->size);
        return copy;
}

bool taken_is_part_of(const Block *block, const char *host_driver) {
        return g_strcmp0(block->interface->host_driver, host_driver) == 0;
}

int taken_add_others(Taken *taken, const Object *object, const char *host_driver) {
        for (size_t i = 0; i < object->n_blocks; i++) {
                if (taken_is_part_of(&object->blocks[i], host_driver))
                        continue;
                if (taken->n == INTERFACES_PER_OBJECT_MAX)
                        return -E2BIG;
                taken->changed[taken->n] = 0;
                taken->blocks[taken->n++] = block_copy(&object->blocks[i]);
        }
        return 0;
}
