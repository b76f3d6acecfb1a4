/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The domains of a connection as the bus shows them, once somebody has asked for all of them: kept by its signals, which come
 * before the
 * answer of the call that makes a change. A client that asks for a list asks for each of its domains next. */

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#include "known.h"
#include "waiters.h"

typedef struct Domains Domains;

/* Who hears of changes. PROPERTIES are those after the change (of one that has gone, the last); borrowed. */
typedef struct DomainsListener {
        void (*added)(void *data, GVariant *properties);
        void (*removed)(void *data, GVariant *properties);
        void (*changed)(void *data, GVariant *before, GVariant *properties, GVariant *changes);
        void (*state_changed)(void *data, GVariant *properties, const char *old_state, const char *new_state, const char *reason);
        void (*redefined)(void *data, GVariant *properties);
        /* Of an object below a domain; INTERFACES is NULL where it has gone. */
        void (*part_changed)(void *data, GVariant *properties, const char *path, GVariant *interfaces);
        /* Properties of such an object. */
        void (*part_has_changed)(void *data, GVariant *properties, const char *path, const char *interface, GVariant *changes);
        /* Another signal of a domain, or of such an object. */
        void (*told)(void *data, GVariant *properties, const char *path, const char *member, GVariant *arguments);
} DomainsListener;

/* Both strings are copied. The listener hears nothing before the first filling is over. */
Domains *domains_new(GDBusConnection *bus, const char *connection, const DomainsListener *listener, void *data);
void domains_free(Domains *domains);

/* Reads all domains, unless they are known, and calls DONE once. */
void domains_fill(Domains *domains, WaitersDone done, void *data);

/* All that are known; NULL where none have been asked for yet, or they are being read again. */
const Known *domains_known(const Domains *domains);

/* A domain by its path, and its properties; NULL where they are not known here. */
const KnownDomain *domains_find(const Domains *domains, const char *path);
GVariant *domains_properties(const Domains *domains, const char *path);
