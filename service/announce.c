/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "announce.h"

#include "bus.h"
#include "interface-info.h"
#include "log.h"
#include "pack.h"

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

static void check(int r, const char *what, const Object *object) {
        if (r < 0)
                log_warning("%s of %s could not be signalled: %s", what, object->path, g_strerror(-r));
}

/* ObjectManager signals come from the object above, which manages this one. */
static const char *manager_path(const Object *object) {
        return object->parent ? object->parent->path : object->path;
}

static size_t size_of(const Block *blocks, size_t n) {
        size_t size = 0;
        for (size_t i = 0; i < n; i++)
                size += blocks[i].size;
        return size;
}

static int make_added(Audience *audience, const Object *object, const Block *blocks, size_t n, sd_bus_message **signal) {
        int r = sd_bus_message_new_signal(peers_bus(audience->peers), signal, manager_path(object), OBJECT_MANAGER,
                                          "InterfacesAdded");
        if (r >= 0)
                r = sd_bus_message_append(*signal, "o", object->path);
        return r < 0 ? r : blocks_append(blocks, n, *signal);
}

static void arrived(void *data, Caller *caller, Object *object) {
        g_autoptr(sd_bus_message) signal = NULL;
        int r = make_added(data, object, object->blocks, object->n_blocks, &signal);
        if (r >= 0)
                r = audience_signal_one(data, caller, signal, size_of(object->blocks, object->n_blocks));
        check(r, "the addition", object);
}

static void added(void *data, Object *object, const Block *blocks, size_t n) {
        Audience *audience = data;
        g_autoptr(sd_bus_message) signal = NULL;
        bool is_told = !audience->arriving || audience_hears(audience, object);
        int r = is_told ? make_added(audience, object, blocks, n, &signal) : 0;
        if (r >= 0 && is_told)
                r = audience_signal(audience, object, signal, size_of(blocks, n));
        check(r, "the addition", object);
        if (n == object->n_blocks && !object_is_public(object))
                readers_added(audience->readers, object);
}

static int make_removed(Audience *audience, const Object *object, const Block *blocks, size_t n, sd_bus_message **signal) {
        int r = sd_bus_message_new_signal(peers_bus(audience->peers), signal, manager_path(object), OBJECT_MANAGER,
                                          "InterfacesRemoved");
        if (r >= 0)
                r = sd_bus_message_append(*signal, "o", object->path);
        if (r >= 0)
                r = sd_bus_message_open_container(*signal, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(*signal, "s", blocks[i].interface->name);
        return r < 0 ? r : sd_bus_message_close_container(*signal);
}

static void removed(void *data, Object *object, const Block *blocks, size_t n) {
        g_autoptr(sd_bus_message) signal = NULL;
        int r = make_removed(data, object, blocks, n, &signal);
        if (r >= 0)
                r = audience_signal(data, object, signal, 0);
        check(r, "the removal", object);
}

static void withdrawn(void *data, Caller *caller, Object *object) {
        g_autoptr(sd_bus_message) signal = NULL;
        int r = make_removed(data, object, object->blocks, object->n_blocks, &signal);
        if (r >= 0)
                r = audience_signal_one(data, caller, signal, 0);
        check(r, "the removal", object);
}

static void reviewed(void *data, Caller *caller) {
        audience_release(data, caller);
}

const ReadersListener announce_to_readers = { .arrived = arrived, .withdrawn = withdrawn, .reviewed = reviewed };

/* Appends either the new values of those that carry them, or the names of those that are only invalidated; adds to
 * *size how large the values are. */
static int append_changed(sd_bus_message *signal, const Block *block, uint64_t changed, EmitsChanged kind, size_t *size) {
        int r = sd_bus_message_open_container(signal, 'a', kind == EMITS_TRUE ? "{sv}" : "s");
        const uint8_t *at = block->values;
        for (size_t i = 0; r >= 0 && i < block->interface->n_properties; i++) {
                const PropertyInfo *property = &block->interface->properties[i];
                const uint8_t *value = at;
                at = pack_skip(at, property->signature);
                if (property->emits != kind || !(changed & UINT64_C(1) << i))
                        continue;
                if (kind == EMITS_INVALIDATES) {
                        r = sd_bus_message_append(signal, "s", property->name);
                        continue;
                }
                *size += (size_t) (at - value);
                r = sd_bus_message_open_container(signal, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append(signal, "s", property->name);
                if (r >= 0)
                        r = sd_bus_message_open_container(signal, 'v', property->signature);
                if (r >= 0 && !pack_append(value, signal, property->signature))
                        r = -EINVAL;
                if (r >= 0)
                        r = sd_bus_message_close_container(signal);
                if (r >= 0)
                        r = sd_bus_message_close_container(signal);
        }
        return r < 0 ? r : sd_bus_message_close_container(signal);
}

/* True where polkit would be told something else about the object now: what it has said before does not count any more. */
static bool is_another(const Block *block, uint64_t changed_properties) {
        const SubjectInfo *subject = block->interface->subject;
        for (size_t i = 0; i < block->interface->n_properties; i++)
                if ((changed_properties & UINT64_C(1) << i) &&
                    (block->interface->properties[i].detail || (subject && subject->owner == (int) i)))
                        return true;
        return false;
}

static void changing(void *data, Object *object, const Block *block, uint64_t changed_properties) {
        Audience *audience = data;
        if (is_another(block, changed_properties))
                readers_renewing(audience->readers, object);
}

static void changed(void *data, Object *object, const Block *block, uint64_t changed_properties) {
        Audience *audience = data;
        if (is_another(block, changed_properties))
                readers_renewed(audience->readers, object);
        g_autoptr(sd_bus_message) signal = NULL;
        size_t size = 0;
        int r = sd_bus_message_new_signal(peers_bus(audience->peers), &signal, object->path, "org.freedesktop.DBus.Properties",
                                          "PropertiesChanged");
        if (r >= 0)
                r = sd_bus_message_append(signal, "s", block->interface->name);
        if (r >= 0)
                r = append_changed(signal, block, changed_properties, EMITS_TRUE, &size);
        if (r >= 0)
                r = append_changed(signal, block, changed_properties, EMITS_INVALIDATES, &size);
        if (r >= 0)
                r = audience_signal(audience, object, signal, size);
        check(r, "a change", object);
}

const MirrorListener announce_listener = { .added = added, .removed = removed, .changed = changed, .changing = changing };
