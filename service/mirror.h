/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mirror: every object of every driver with all its properties, so that reading never waits for a driver.
 *
 * It follows what drivers send and tells its listener what that changed: a driver that sends all its objects anew (after
 * it was restarted) causes signals for differences only. */

#include "object.h"

typedef struct Mirror Mirror;

/* What is called when something has changed, with the mirror already in its new state; for removed, in its old. */
typedef struct MirrorListener {
        void (*added)(void *data, Object *object, const Block *blocks, size_t n);
        void (*removed)(void *data, Object *object, const Block *blocks, size_t n);
        /* CHANGED has a bit for each property of the block's interface that has another value now. */
        void (*changed)(void *data, Object *object, const Block *block, uint64_t changed);
        /* The same just before, with the mirror in its old state; NULL: not wanted. */
        void (*changing)(void *data, Object *object, const Block *block, uint64_t changed);
} MirrorListener;

Mirror *mirror_new(const MirrorListener *listener, void *data);
void mirror_free(Mirror *mirror);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mirror, mirror_free)

/* Gives an object another serial: what was decided about it does not count any more. */
void mirror_renew(Mirror *mirror, Object *object);

/* Another number whenever an object or an interface of one has come or gone: pointers to what is in the mirror are good until
 * then. */
uint64_t mirror_structure(const Mirror *mirror);

Object *mirror_find(Mirror *mirror, const char *path);

/* The first object directly below LIST that came after the one that had, or has, this place; NULL where there is none. 0: the
 * first of all. */
const Object *mirror_child_after(Mirror *mirror, const Object *list, uint64_t place);

/* True where an object has had this place. Places of one run of the service are none of another. */
bool mirror_had(const Mirror *mirror, uint64_t place);

/* Finds the object of a path, or else the nearest one above it; NULL where there is none. */
Object *mirror_find_nearest(Mirror *mirror, const char *path);

/* Takes an object and, from the message, its interfaces and properties (a{sa{sv}}); the object may exist already.
 * Returns 0, or a negative errno where the message names an interface or a type that the API does not have, lacks a
 * property, or is larger than OBJECT_BYTES_MAX: then nothing changes. */
int mirror_take(Mirror *mirror, void *source, const char *path, sd_bus_message *message);

/* Takes the rest of a PropertiesChanged signal (a{sv}as) of one of the object's interfaces. Returns as mirror_take. */
int mirror_change(Mirror *mirror, Object *object, const InterfaceInfo *interface, sd_bus_message *message);

/* Takes from the message (a{sa{sv}}) the interfaces of an object that several drivers share which are the part of one: those
 * that InterfaceInfo.host_driver gives to it. The parts of others stay. Returns as mirror_take; -EPERM where an interface is
 * not its own. */
int mirror_take_part(Mirror *mirror, Object *object, const char *host_driver, sd_bus_message *message);

/* Takes a driver's part away from such an object. */
void mirror_remove_part(Mirror *mirror, Object *object, const char *host_driver);

/* Removes an object and all below it, children first. */
void mirror_remove(Mirror *mirror, Object *object);

/* Marks all objects of a source; mirror_take takes the mark off; the sweep removes what has it still. */
void mirror_mark_stale(Mirror *mirror, void *source);
void mirror_sweep(Mirror *mirror, void *source);

/* How many objects a source has. */
size_t mirror_count(Mirror *mirror, void *source);
