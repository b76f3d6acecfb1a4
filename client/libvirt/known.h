/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domains that are known, found by the path of their object, by UUID and by name; with what lists and clients' first questions
 * need of each made once. */

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#include "xdr.h"

typedef struct KnownTable KnownTable;

typedef struct KnownDomain {
        char *name, *uuid_text;
        int32_t id;           /* as libvirt has it: -1 where it is off */
        GBytes *encoded_name; /* the three as libvirt's protocol has them */
        uint8_t uuid[XDR_UUID_BYTES];
        uint32_t traits;             /* see traits.h */
        int32_t state, reason;       /* see states.h */
        uint64_t memory, max_memory; /* bytes */
        uint32_t vcpus, max_vcpus;
        /* What it was made of: the one, or a row of the other; see known_properties. */
        GVariant *properties;
        KnownTable *table;
        size_t row;
} KnownDomain;

typedef struct Known Known;

Known *known_new(void);
void known_free(Known *known);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Known, known_free)

/* Takes the path and the properties, in the place of what was known of that path. */
void known_put(Known *known, char *path, GVariant *properties);

/* The same for all domains of a table: their paths, and their properties as GetColumns answers them. */
void known_put_table(Known *known, GVariant *paths, GVariant *columns);

/* Its properties, a{sv}: those that calls need, see domains.c; the domain's own. */
GVariant *known_properties(const KnownDomain *domain);

/* Forgets a domain. Returns its properties, to be unreferenced; NULL where it was not known. */
GVariant *known_take(Known *known, const char *path);

/* NULL where it is not known. */
const KnownDomain *known_by_path(const Known *known, const char *path);
const KnownDomain *known_by_uuid(const Known *known, const uint8_t uuid[XDR_UUID_BYTES]);
const KnownDomain *known_by_name(const Known *known, const char *name);

void known_each(const Known *known, void (*visit)(void *data, const KnownDomain *domain), void *data);

/* A domain as libvirt names it, (ssi), of its properties; floating. */
GVariant *known_name_of(GVariant *properties);
