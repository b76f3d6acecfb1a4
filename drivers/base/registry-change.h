/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Changes of what a registry holds: each has its turn, and ends when it is on disk. */

#include "base/registry.h"

/* What a change answers: ERROR is NULL where it is made; then ENTRY is the one. */
typedef void (*EntryDone)(void *data, Entry *entry, const GError *error);

/* A change that waits for its turn or is being made. */
struct RegistryChange {
        Registry *registry;
        Entry *entry;     /* the existing one, or NULL */
        void *definition; /* the new one, or NULL */
        Kept kept;        /* what will be kept with it */
        void (*begin)(RegistryChange *change);
        bool is_prepared; /* its kind has, and is told what becomes of it */
        void *own;        /* the kind's, of a change of its own */
        GDestroyNotify own_free;
        EntryDone done;
        void *data;
        Turn *turn;
};

/* Makes an entry of a document, or gives an existing one another definition. OWNER: of a new one. */
void registry_define(Registry *registry, const char *xml, uid_t owner, EntryDone done, void *data);

/* The same of a parsed definition, which is taken. */
void registry_take(Registry *registry, void *definition, uid_t owner, EntryDone done, void *data);

void registry_undefine(Entry *entry, EntryDone done, void *data);

/* A change that only one kind knows: when ENTRY is there and it is the change's turn, BEGIN is called, with KEPT as it is now;
 * it ends with registry_change_write, registry_change_delete or registry_change_end. OWN is freed by OWN_FREE, which may be
 * NULL. */
RegistryChange *registry_change_new(Entry *entry, void (*begin)(RegistryChange *change), void *own, GDestroyNotify own_free,
                                    EntryDone done, void *data);
void registry_change_take_turn(RegistryChange *change);

/* The same, for a change on which nothing of another entry depends: it waits for those of its own only. */
void registry_change_take_own_turn(RegistryChange *change);

/* Writes the new definition, or with another KEPT the one there is; then that is the entry's, and the change ends. */
void registry_change_write(RegistryChange *change);

/* Deletes the definition; then the entry is gone, and the change ends. */
void registry_change_delete(RegistryChange *change);
void registry_change_end(RegistryChange *change, const GError *error);
