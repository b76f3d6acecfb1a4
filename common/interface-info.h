/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The members of the API's interfaces: the form of the tables that introspection/generate.py makes. Members of a kind
 * are sorted by name. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct InterfaceInfo InterfaceInfo;

typedef struct MethodInfo {
        const char *name;
        const char *in_signature;
        const char *out_signature;
        const char *action;            /* polkit's; NULL on a private interface, and for what anybody may call */
        const char *own_rights_action; /* allows it with the caller's own rights alone to who may not by ACTION; or NULL */
        bool patient;                  /* may take as long as the driver lets it */
        /* What the first argument names, below the object that is called: objects with this interface, by an array of paths,
         * of which an empty one stands for all (KEY is -1); or one, by the value of the property KEY of that interface. NULL:
         * neither. */
        const InterfaceInfo *objects;
        int key;
        const char *driver_may; /* the drivers that may call it through the service, "qemu storage" or "*"; NULL: none */
        const char *details;    /* what polkit's rules look the first arguments up by where a driver calls it; NULL: nothing */
        unsigned option_descriptors; /* how many its options may hold, besides those of its signature */
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
        const char *detail; /* what polkit's rules look its value up by; NULL: they are not told of it */
} PropertyInfo;

/* What the service knows of a kind of object that is decided about by itself, together with all below it. Properties are
 * indices, -1 for none. */
typedef struct SubjectInfo {
        const char *noun;    /* "domain": the kind in messages, in details, and in paths: CONNECTION/domain/NAME */
        const char *no_such; /* the error's name that says that there is no such object; or NULL */
        /* The signal (bss: success, error's name and message) that is an object's last, or NULL. Such objects end with their
         * driver's process. */
        const char *completion;
        int name, uuid, operation; /* the properties of the details NOUN_name, NOUN_uuid, NOUN_operation */
        int owner;                 /* the user whose own it is */
        int reader;                /* the user who may read it whatever polkit says */
        int acts_on;               /* the path of the object that it is done to */
} SubjectInfo;

struct InterfaceInfo {
        const char *name;
        bool is_public;       /* anybody may read its properties and hear of it */
        bool manages_objects; /* its objects are org.freedesktop.DBus.ObjectManagers too */
        const MethodInfo *methods;
        const SignalInfo *signals;
        const PropertyInfo *properties;
        size_t n_methods, n_signals, n_properties;
        const char *host_driver; /* the driver that owns the kind on the connection "host", such as "secret"; NULL: none does */
        const SubjectInfo *subject; /* NULL: what has the interface is decided about together with the object above it */
        const char *xml;            /* the <interface> element as Introspect shows it */
};

/* All public interfaces by name, NULL at the end. */
extern const InterfaceInfo *const interfaces[];

/* Each finds a member by its name, or NULL. */
const InterfaceInfo *interface_find(const char *name);
const MethodInfo *interface_method(const InterfaceInfo *interface, const char *name);
const SignalInfo *interface_signal(const InterfaceInfo *interface, const char *name);
/* Finds a property's index, or -1. */
int interface_property(const InterfaceInfo *interface, const char *name);
