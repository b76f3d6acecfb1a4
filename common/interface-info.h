/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The members of the API's interfaces: the form of the tables that introspection/generate.py makes. Members of a kind
 * are sorted by name. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct MethodInfo {
        const char *name;
        const char *in_signature;
        const char *out_signature;
        const char *action; /* polkit's; NULL on a private interface, and for what anybody may call */
        bool patient;       /* may take as long as the driver lets it */
} MethodInfo;

typedef struct SignalInfo {
        const char *name;
        const char *signature;
} SignalInfo;

/* org.freedesktop.DBus.Property.EmitsChangedSignal, as the D-Bus specification defines its values. */
typedef enum EmitsChanged {
        EMITS_CONST,
        EMITS_TRUE,
        EMITS_INVALIDATES,
        EMITS_FALSE,
} EmitsChanged;

typedef struct PropertyInfo {
        const char *name;
        const char *signature;
        const char *write_action; /* polkit's; NULL for a property that can only be read */
        EmitsChanged emits;
} PropertyInfo;

typedef struct InterfaceInfo {
        const char *name;
        bool is_public;       /* anybody may read its properties and hear of it */
        bool manages_objects; /* its objects are org.freedesktop.DBus.ObjectManagers too */
        const MethodInfo *methods;
        const SignalInfo *signals;
        const PropertyInfo *properties;
        size_t n_methods, n_signals, n_properties;
        const char *xml; /* the <interface> element as Introspect shows it */
} InterfaceInfo;

/* All public interfaces by name, NULL at the end. */
extern const InterfaceInfo *const interfaces[];

/* Each finds a member by its name, or NULL. */
const InterfaceInfo *interface_find(const char *name);
const MethodInfo *interface_method(const InterfaceInfo *interface, const char *name);
const SignalInfo *interface_signal(const InterfaceInfo *interface, const char *name);
/* Finds a property's index, or -1. */
int interface_property(const InterfaceInfo *interface, const char *name);
