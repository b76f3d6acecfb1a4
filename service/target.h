/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a call means: an object, and a property, a method, or a list. */

#include "drivers.h"

#define TARGET_PROPERTIES "org.freedesktop.DBus.Properties"
#define TARGET_MANAGED_OBJECTS "org.virtbus1.ManagedObjects"

typedef enum CallKind {
        CALL_INTROSPECT,
        CALL_GET,
        CALL_GET_ALL,
        CALL_SET,
        CALL_GET_MANAGED_OBJECTS,
        CALL_GET_PART,
        CALL_METHOD,
} CallKind;

/* What a call means. Valid until the mirror changes. */
typedef struct Target {
        CallKind kind;
        Object *object;     /* NULL only for Introspect */
        const Block *block; /* of Get, Set and a method; of GetAll, NULL for all interfaces */
        bool empty;         /* GetAll of an interface without properties */
        size_t property;
        const MethodInfo *method;
        const char *action; /* polkit's; NULL where none is needed */
} Target;

/* Finds out what a call means; sets an error, or returns a negative errno, where it means nothing. */
int target_resolve(Mirror *mirror, Drivers *drivers, sd_bus_message *message, Target *target, sd_bus_error *error);

/* On a connection for reading, only what polkit's action for reading stands for is done, whoever asks. */
int target_check_read_only(const Caller *caller, const Target *target, sd_bus_message *message, sd_bus_error *error);

/* With a call come as many descriptors as its method takes, its options included: others would only be held. */
int target_check_descriptors(const Target *target, sd_bus_message *message, unsigned n, sd_bus_error *error);

/* True where a call is answered with what the caller may read of many objects. */
bool target_is_list(const Target *target);

/* True for a method whose first argument names objects, of which it names none: it is about all. */
bool target_names_all(const Target *target, sd_bus_message *message);

/* The paths of the objects that a call is about, where that is not just the one that is called: what a list has in it, or what
 * the arguments name. */
GPtrArray *target_objects(Mirror *mirror, const Target *target, sd_bus_message *message);
