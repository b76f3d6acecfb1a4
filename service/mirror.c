/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "taken.h"

#define MILESTONE 256 /* objects whose place is a multiple of it are found by that */

/* What a source has here. */
typedef struct Holding {
        size_t objects, bytes;
} Holding;

struct Mirror {
        GHashTable *objects;    /* by path, which the object holds */
        GHashTable *holdings;   /* Holding of each source */
        GHashTable *milestones; /* by place / MILESTONE */
        const MirrorListener *listener;
        void *data;
        uint64_t first_serial, last_serial;
        uint64_t structure; /* how often it has changed */
        size_t longest;     /* path of an object so far */
};

Mirror *mirror_new(const MirrorListener *listener, void *data) {
        Mirror *mirror = g_new0(Mirror, 1);
        mirror->objects = g_hash_table_new(g_str_hash, g_str_equal);
        mirror->holdings = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        mirror->milestones = g_hash_table_new(NULL, NULL);
        /* Where another run of the service is unlikely to have had any: see mirror_had. */
        mirror->first_serial = mirror->last_serial = (uint64_t) g_random_int() << 28;
        mirror->listener = listener;
        mirror->structure = 1;
        mirror->data = data;
        return mirror;
}

static void object_free(Object *object) {
        taken_clear_blocks(object->blocks, object->n_blocks);
        free(object->blocks);
        free(object);
}

void mirror_free(Mirror *mirror) {
        GHashTableIter iterator;
        void *object;
        g_hash_table_iter_init(&iterator, mirror->objects);
        while (g_hash_table_iter_next(&iterator, NULL, &object))
                object_free(object);
        g_hash_table_unref(mirror->objects);
        g_hash_table_unref(mirror->holdings);
        g_hash_table_unref(mirror->milestones);
        g_free(mirror);
}

void mirror_renew(Mirror *mirror, Object *object) {
        object->serial = ++mirror->last_serial;
}

uint64_t mirror_structure(const Mirror *mirror) {
        return mirror->structure;
}

Object *mirror_find(Mirror *mirror, const char *path) {
        return g_hash_table_lookup(mirror->objects, path);
}

/* What is longer than any object's path is not looked for: a caller's path may have tens of thousands of elements. */
Object *mirror_find_nearest(Mirror *mirror, const char *path) {
        g_autofree char *prefix = g_strndup(path, mirror->longest + 1);
        for (;;) {
                Object *object = mirror_find(mirror, prefix);
                char *slash = strrchr(prefix, '/');
                if (object || slash == prefix)
                        return object;
                *slash = '\0';
        }
}

static const Holding *find_holding(const Mirror *mirror, void *source) {
        static const Holding none;
        const Holding *holding = g_hash_table_lookup(mirror->holdings, source);
        return holding ? holding : &none;
}

size_t mirror_count(Mirror *mirror, void *source) {
        return find_holding(mirror, source)->objects;
}

static size_t bytes_of(const Object *object) {
        size_t bytes = sizeof *object + strlen(object->path);
        for (size_t i = 0; i < object->n_blocks; i++)
                bytes += sizeof *object->blocks + object->blocks[i].size;
        return bytes;
}

static void hold(Mirror *mirror, const Object *object) {
        Holding *holding = g_hash_table_lookup(mirror->holdings, object->source);
        if (!holding) {
                holding = g_new0(Holding, 1);
                g_hash_table_insert(mirror->holdings, object->source, holding);
        }
        holding->objects++;
        holding->bytes += bytes_of(object);
}

static void let_go(Mirror *mirror, const Object *object) {
        Holding *holding = g_hash_table_lookup(mirror->holdings, object->source);
        holding->objects--;
        holding->bytes -= bytes_of(object);
        if (holding->objects == 0)
                g_hash_table_remove(mirror->holdings, object->source);
}

/* Whether a source may have so much more, or an object of it instead of what that has now. */
static bool has_room(const Mirror *mirror, void *source, const Object *object, size_t bytes) {
        return find_holding(mirror, source)->bytes - (object ? bytes_of(object) : 0) + bytes <= OBJECTS_BYTES_PER_DRIVER_MAX;
}

/* Finds the nearest object above a path. */
static Object *find_parent(Mirror *mirror, const char *path) {
        g_autofree char *prefix = g_strdup(path);
        for (char *slash; (slash = strrchr(prefix, '/')) && slash != prefix;) {
                *slash = '\0';
                Object *parent = mirror_find(mirror, prefix);
                if (parent)
                        return parent;
        }
        return NULL;
}

static void link_object(Object *object, Object *parent) {
        object->parent = parent;
        if (!parent)
                return;
        object->previous = parent->last_child;
        if (parent->last_child)
                parent->last_child->next = object;
        else
                parent->first_child = object;
        parent->last_child = object;
}

static void unlink_object(Object *object) {
        Object *parent = object->parent;
        if (object->previous)
                object->previous->next = object->next;
        else if (parent)
                parent->first_child = object->next;
        if (object->next)
                object->next->previous = object->previous;
        else if (parent)
                parent->last_child = object->previous;
}

static void *milestone(uint64_t place) {
        return GSIZE_TO_POINTER(place / MILESTONE);
}

static void set_place(Mirror *mirror, Object *object) {
        object->place = object->serial;
        if (object->place % MILESTONE == 0)
                g_hash_table_insert(mirror->milestones, milestone(object->place), object);
}

bool mirror_had(const Mirror *mirror, uint64_t place) {
        return place > mirror->first_serial && place <= mirror->last_serial;
}

/* What is directly below LIST and at or above an object; NULL where that is elsewhere. */
static const Object *child_above(const Object *object, const Object *list) {
        while (object && object->parent != list)
                object = object->parent;
        return object;
}

/* Children are in the order of their places. The way to one is not from the first: there may be a million. */
const Object *mirror_child_after(Mirror *mirror, const Object *list, uint64_t place) {
        const Object *child = NULL;
        for (uint64_t at = place; !child && at > list->place; at = at > MILESTONE ? at - MILESTONE : 0) {
                child = child_above(g_hash_table_lookup(mirror->milestones, milestone(at)), list);
                if (child && child->place > place)
                        child = NULL;
        }
        if (!child)
                child = list->first_child;
        while (child && child->place <= place)
                child = child->next;
        return child;
}

static Object *object_new(const char *path, void *source) {
        size_t length = strlen(path) + 1;
        Object *object = calloc(1, sizeof *object + length);
        if (!object)
                g_error("out of memory");
        memcpy(object->path, path, length);
        object->source = source;
        return object;
}

static void tell_changing(Mirror *mirror, Object *object, const Block *block, uint64_t changed) {
        if (changed && mirror->listener->changing && object_block(object, block->interface))
                mirror->listener->changing(mirror->data, object, block, changed);
}

/* Gives an existing object other blocks and tells what that changed. */
static void object_replace(Mirror *mirror, Object *object, const Taken *taken) {
        Block *old = object->blocks;
        size_t n_old = object->n_blocks;
        mirror->structure++;
        for (size_t i = 0; i < n_old; i++) {
                bool kept = false;
                for (size_t j = 0; j < taken->n; j++)
                        kept |= taken->blocks[j].interface == old[i].interface;
                if (!kept)
                        mirror->listener->removed(mirror->data, object, &old[i], 1);
        }
        for (size_t i = 0; i < taken->n; i++)
                tell_changing(mirror, object, &taken->blocks[i], taken->changed[i]);
        let_go(mirror, object);
        object->blocks = taken_blocks(taken);
        object->n_blocks = (uint8_t) taken->n;
        hold(mirror, object);
        for (size_t j = 0; j < taken->n; j++) {
                bool existed = false;
                for (size_t i = 0; i < n_old; i++)
                        existed |= taken->blocks[j].interface == old[i].interface;
                if (!existed)
                        mirror->listener->added(mirror->data, object, &object->blocks[j], 1);
                else if (taken->changed[j])
                        mirror->listener->changed(mirror->data, object, &object->blocks[j], taken->changed[j]);
        }
        taken_clear_blocks(old, n_old);
        free(old);
}

int mirror_take(Mirror *mirror, void *source, const char *path, sd_bus_message *message) {
        Object *object = mirror_find(mirror, path);
        if (object && object->source != source)
                return -EPERM;
        if (!object && (mirror_count(mirror, source) >= OBJECTS_PER_DRIVER_MAX || strlen(path) > OBJECT_PATH_BYTES_MAX))
                return -E2BIG;
        Taken taken = { .n = 0 };
        int r = taken_read(&taken, object, message);
        if (r < 0)
                return r;
        if (!has_room(mirror, source, object, sizeof *object + strlen(path) + taken.n * sizeof(Block) + taken.bytes)) {
                taken_clear_blocks(taken.blocks, taken.n);
                return -ENOSPC;
        }
        if (object) {
                object->stale = false;
                object_replace(mirror, object, &taken);
                return 0;
        }
        object = object_new(path, source);
        mirror->structure++;
        mirror_renew(mirror, object);
        set_place(mirror, object);
        object->blocks = taken_blocks(&taken);
        object->n_blocks = (uint8_t) taken.n;
        link_object(object, find_parent(mirror, path));
        g_hash_table_insert(mirror->objects, object->path, object);
        mirror->longest = MAX(mirror->longest, strlen(path));
        hold(mirror, object);
        mirror->listener->added(mirror->data, object, object->blocks, object->n_blocks);
        return 0;
}

int mirror_take_part(Mirror *mirror, Object *object, const char *host_driver, sd_bus_message *message) {
        Taken taken = { .n = 0 };
        int r = taken_read(&taken, object, message);
        if (r < 0)
                return r;
        for (size_t i = 0; i < taken.n; i++)
                if (!taken_is_part_of(&taken.blocks[i], host_driver))
                        r = -EPERM;
        if (r >= 0)
                r = taken_add_others(&taken, object, host_driver);
        if (r < 0) {
                taken_clear_blocks(taken.blocks, taken.n);
                return r;
        }
        object_replace(mirror, object, &taken);
        return 0;
}

void mirror_remove_part(Mirror *mirror, Object *object, const char *host_driver) {
        Taken taken = { .n = 0 };
        taken_add_others(&taken, object, host_driver);
        object_replace(mirror, object, &taken);
}

/* Whether an object may have a block instead of its old one. What drivers share is bounded by each one's part. */
static int check_change(Mirror *mirror, const Object *object, const Block *old, const Block *block) {
        size_t part = 0;
        for (size_t i = 0; i < object->n_blocks; i++)
                if (taken_is_part_of(&object->blocks[i], block->interface->host_driver))
                        part += object->blocks[i].size;
        if (part - old->size + block->size > OBJECT_BYTES_MAX)
                return -E2BIG;
        return has_room(mirror, object->source, object, bytes_of(object) - old->size + block->size) ? 0 : -ENOSPC;
}

int mirror_change(Mirror *mirror, Object *object, const InterfaceInfo *interface, sd_bus_message *message) {
        Block *old = (Block *) object_block(object, interface);
        if (!old)
                return -ENOENT;
        Block block = { .interface = interface };
        uint64_t changed = 0;
        int r = taken_read_block(&block, old, message, &changed);
        if (r >= 0)
                r = check_change(mirror, object, old, &block);
        if (r < 0) {
                free(block.values);
                return r;
        }
        tell_changing(mirror, object, &block, changed);
        let_go(mirror, object);
        free(old->values);
        *old = block;
        hold(mirror, object);
        if (changed)
                mirror->listener->changed(mirror->data, object, old, changed);
        return 0;
}

void mirror_remove(Mirror *mirror, Object *object) {
        while (object->last_child)
                mirror_remove(mirror, object->last_child);
        mirror->listener->removed(mirror->data, object, object->blocks, object->n_blocks);
        mirror->structure++;
        unlink_object(object);
        if (object->place % MILESTONE == 0)
                g_hash_table_remove(mirror->milestones, milestone(object->place));
        g_hash_table_remove(mirror->objects, object->path);
        let_go(mirror, object);
        object_free(object);
}

void mirror_mark_stale(Mirror *mirror, void *source) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, mirror->objects);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Object *object = value;
                if (object->source == source)
                        object->stale = true;
        }
}

void mirror_sweep(Mirror *mirror, void *source) {
        /* By path, since the removal of an object takes its children along. */
        g_autoptr(GPtrArray) stale = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, mirror->objects);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Object *object = value;
                if (object->source == source && object->stale)
                        g_ptr_array_add(stale, g_strdup(object->path));
        }
        for (guint i = 0; i < stale->len; i++) {
                Object *object = mirror_find(mirror, stale->pdata[i]);
                if (object)
                        mirror_remove(mirror, object);
        }
}
