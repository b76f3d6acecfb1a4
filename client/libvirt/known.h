/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domains that are known, found by the path of their object, by UUID and by name; with what lists and clients' first questions
 * need of each made once. */

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#include "xdr.h"

typedef struct KnownDomain {
        GVariant *properties; /* a{sv}: those that calls need, see domains.c */
        GVariant *name;       /* as libvirt names it: (ssi) */
        GBytes *encoded_name; /* the same as libvirt's protocol has it */
        uint8_t uuid[XDR_UUID_BYTES];
        uint32_t traits;             /* see traits.h */
        int32_t state, reason;       /* see states.h */
        uint64_t memory, max_memory; /* bytes */
        uint32_t vcpus, max_vcpus;
} KnownDomain;

typedef struct Known Known;

Known *known_new(void);
void known_free(Known *known);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Known, known_free)

/* Takes the path and the properties, in the place of what was known of that path. */
void known_put(Known *known, char *path, GVariant *properties);

/* Forgets a domain. Returns its properties, to be unreferenced; NULL where it was not known. */
GVariant *known_take(Known *known, const char *path);

/* NULL where it is not known. */
const KnownDomain *known_by_path(const Known *known, const char *path);
const KnownDomain *known_by_uuid(const Known *known, const uint8_t uuid[XDR_UUID_BYTES]);
const KnownDomain *known_by_name(const Known *known, const char *name);

void known_each(const Known *known, void (*visit)(void *data, const KnownDomain *domain), void *data);

/* A domain as libvirt names it, (ssi), of its properties; floating. */
GVariant *known_name_of(GVariant *properties);
