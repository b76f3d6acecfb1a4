/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "object.h"

#include <errno.h>
#include <string.h>

#include "pack.h"

const Block *object_block(const Object *object, const InterfaceInfo *interface) {
        for (size_t i = 0; i < object->n_blocks; i++)
                if (object->blocks[i].interface == interface)
                        return &object->blocks[i];
        return NULL;
}

const uint8_t *block_value(const Block *block, size_t property) {
        const uint8_t *at = block->values;
        for (size_t i = 0; i < property; i++)
                at = pack_skip(at, block->interface->properties[i].signature);
        return at;
}

static const uint8_t *object_value(const Object *object, const InterfaceInfo *interface, size_t property) {
        for (; object; object = object->parent) {
                const Block *block = object_block(object, interface);
                if (block)
                        return block_value(block, property);
        }
        return NULL;
}

const char *object_string(const Object *object, const InterfaceInfo *interface, size_t property) {
        const uint8_t *value = object_value(object, interface, property);
        return value ? pack_string(value) : NULL;
}

uint32_t object_uint32(const Object *object, const InterfaceInfo *interface, size_t property) {
        const uint8_t *value = object_value(object, interface, property);
        return value ? pack_uint32(value) : 0;
}

int block_append_property(const Block *block, size_t property, sd_bus_message *message) {
        const char *signature = block->interface->properties[property].signature;
        int r = sd_bus_message_open_container(message, 'v', signature);
        if (r < 0)
                return r;
        if (!pack_append(block_value(block, property), message, signature))
                return -EINVAL;
        return sd_bus_message_close_container(message);
}

int block_append_properties(const Block *block, sd_bus_message *message) {
        return block_append_some(block, UINT64_MAX, message);
}

int block_append_some(const Block *block, uint64_t wanted, sd_bus_message *message) {
        const uint8_t *at = block->values;
        int r = sd_bus_message_open_container(message, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < block->interface->n_properties; i++) {
                const PropertyInfo *property = &block->interface->properties[i];
                if (!(wanted & UINT64_C(1) << i)) {
                        at = pack_skip(at, property->signature);
                        continue;
                }
                r = sd_bus_message_open_container(message, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append_basic(message, 's', property->name);
                if (r >= 0)
                        r = sd_bus_message_open_container(message, 'v', property->signature);
                if (r >= 0 && !(at = pack_append(at, message, property->signature)))
                        r = -EINVAL;
                if (r >= 0)
                        r = sd_bus_message_close_container(message);
                if (r >= 0)
                        r = sd_bus_message_close_container(message);
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int blocks_append(const Block *blocks, size_t n, sd_bus_message *message) {
        int r = sd_bus_message_open_container(message, 'a', "{sa{sv}}");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = sd_bus_message_open_container(message, 'e', "sa{sv}");
                if (r >= 0)
                        r = sd_bus_message_append_basic(message, 's', blocks[i].interface->name);
                if (r >= 0)
                        r = block_append_properties(&blocks[i], message);
                if (r >= 0)
                        r = sd_bus_message_close_container(message);
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* All that is in a dictionary begins at a multiple of 8. */
static size_t entry(size_t offset) {
        return (offset + 7) / 8 * 8;
}

static size_t behind_string(size_t offset, const char *string) {
        return (offset + 3) / 4 * 4 + sizeof(uint32_t) + strlen(string) + 1;
}

/* Behind the size of an array of entries; where the array has any. */
static size_t behind_size(size_t offset) {
        return entry((offset + 3) / 4 * 4 + sizeof(uint32_t));
}

size_t object_measure(const Object *object, size_t offset) {
        offset = behind_size(behind_string(entry(offset), object->path));
        for (size_t i = 0; i < object->n_blocks; i++) {
                const InterfaceInfo *interface = object->blocks[i].interface;
                const uint8_t *at = object->blocks[i].values;
                offset = behind_size(behind_string(entry(offset), interface->name));
                for (size_t n = 0; n < interface->n_properties; n++) {
                        const PropertyInfo *property = interface->properties + n;
                        offset = behind_string(entry(offset), property->name) + strlen(property->signature) + 2;
                        at = pack_measure(at, property->signature, &offset);
                }
        }
        return offset;
}
