/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects of a kind whose definitions are documents on our disk: found by UUID, and by whatever else no other may have;
 * read from the state directory at the start, published, and gone when they are undefined. Whoever changes one has its turn
 * for that: registry-change.h. A kind is a table, and what only that kind does: its registry and its entries may be structs
 * that begin with these. It needs no bus. */

#include "base/kept.h"
#include "base/objects.h"
#include "base/store.h"
#include "base/turns.h"
#include "errors.h"

/* How many keys beside its UUID a definition may have. */
#define REGISTRY_KEYS_MAX 2

typedef struct Registry Registry;
typedef struct RegistryKind RegistryKind;

typedef struct Entry {
        unsigned n_references;
        Registry *registry;
        void *definition; /* of the kind; never NULL */
        Kept kept;        /* what is kept with it */
        bool gone;        /* undefined, while somebody still holds it */
        Published *published;
} Entry;

/* What is known of a definition of whatever kind; borrowed from it. */
typedef struct Identity {
        const char *uuid;
        const char *xml;                     /* as xml_document_text writes it */
        const char *keys[REGISTRY_KEYS_MAX]; /* which no other has; NULL: it has none */
        const char *turn;                    /* what else its changes take their turn for; NULL: its UUID alone */
        bool ephemeral;                      /* never written to a disk */
} Identity;

typedef struct RegistryChange RegistryChange;

struct RegistryKind {
        const char *noun;     /* "secret": in messages and paths, and the root of its documents */
        const char *folder;   /* "secrets", below the state directory */
        unsigned max;         /* how many there may be */
        VirtbusError missing; /* what is answered of one that is not there */
        size_t registry_size, entry_size;

        void *(*parse)(const char *xml, GError **error);
        void *(*from_document)(xmlDoc *document, GError **error); /* DOCUMENT is taken */
        void (*definition_free)(void *definition);
        Identity (*identify)(const void *definition);

        /* A key of DEFINITION is USER's: says so, with AlreadyExists. */
        void (*say_taken)(const void *definition, unsigned key, const Entry *user, GError **error);

        /* All others may be NULL. Whether an existing one may get another definition: */
        bool (*check_redefine)(const void *old, const void *new, GError **error);
        /* Adds to a new definition, which is taken, what depends on all others. OLD: of an existing one, or NULL. */
        void *(*complete)(Registry *registry, const void *old, void *definition, GError **error);
        /* Before the file of a new one is written, and when that of one is deleted, which is undefined whatever this says. */
        void (*make_room)(RegistryChange *change, WorkDone done);
        void (*clean_up)(RegistryChange *change, WorkDone done);

        /* Before the file of a definition is written, of a new one or of one that is there; and what has become of that, if it
         * went well. */
        void (*prepare)(RegistryChange *change, WorkDone done);
        void (*settle)(RegistryChange *change, bool is_made);

        bool is_beside; /* its driver has another registry, which was opened before and holds the state directory */
        bool runs;      /* its objects run: what is known of that is in the runtime directory */
        /* Once there is a store. */
        bool (*open)(Registry *registry, const char *state, const char *runtime, GError **error);
        void (*loaded)(Entry *entry);       /* read at the start */
        void (*defined)(Entry *entry);      /* it has a definition, a first one or another */
        void (*opened)(Registry *registry); /* all are read */
        void (*resume)(Registry *registry); /* virtbusd knows all */
        void (*release)(Entry *entry);      /* frees what it has besides */
        bool (*is_busy)(const Registry *registry);
        void (*cancel)(Registry *registry); /* also where OPEN has failed, or has not been called; as the next */
        void (*close)(Registry *registry);
};

/* How a kind is published. */
typedef struct RegistryFace {
        const Vtable *const *registry, *const *entry; /* NULL at the end */
        /* What is below an entry's object: published after it, withdrawn before it; or NULL. */
        void (*published)(Entry *entry);
        void (*withdraw)(Entry *entry);
        const int *changing; /* properties of the first of ENTRY that another definition changes; NULL: all */
} RegistryFace;

struct Registry {
        const RegistryKind *kind;
        sd_event *event;
        Store *store;
        Turns *turns;
        GHashTable *by_uuid;                   /* Entry; it holds the references */
        GHashTable *by_key[REGISTRY_KEYS_MAX]; /* Entry */
        GHashTable *newer;                     /* UUID -> why: whose files a later version has written */
        int lock;                              /* of the state directory, or -1 */
        unsigned n_ephemeral;
        bool cancelled;
        const RegistryFace *face; /* or NULL: not published */
        Objects *objects;
        Published *published;
        char *path;
        void (*idle)(void *data); /* something has ended: see whether anything is left */
        void *idle_data;
};

/* Reads what there is below a state directory. RUNTIME may be NULL for a kind of which nothing runs. */
Registry *registry_open(const RegistryKind *kind, sd_event *event, const char *state, const char *runtime, GError **error);

/* Nothing begins any more; who waits for something is told that it is Cancelled. To be called before the peer goes. */
void registry_cancel(Registry *registry);
void registry_close(Registry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registry, registry_close)

/* Whether it has something to do, or to hold: an ephemeral one. */
bool registry_is_busy(const Registry *registry);

/* Publishes it at PATH, and its entries below that, at NOUN/UUID, as long as there are any: until it is withdrawn. */
void registry_publish(Registry *registry, Objects *objects, const char *path, const RegistryFace *face);
void registry_withdraw(Registry *registry);

Entry *entry_ref(Entry *entry);
void entry_unref(Entry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Entry, entry_unref)

/* Finds one, borrowed; NULL with the kind's error, or InvalidArgument. HOW: "named", for that error. */
Entry *registry_find(Registry *registry, const char *uuid, GError **error);
Entry *registry_find_key(Registry *registry, unsigned key, const char *value, const char *how, GError **error);

/* All of them, Entry, each of which stays as long as the list. */
GPtrArray *registry_list(const Registry *registry);

/* Whether no other has a key of DEFINITION. */
bool registry_check_unique(const Registry *registry, const void *definition, GError **error);

/* Adds one, borrowed; gives one another definition, with the same UUID; takes one away. DEFINITION is taken. */
Entry *registry_add(Registry *registry, void *definition, const Kept *kept);
void entry_redefine(Entry *entry, void *definition);
void entry_remove(Entry *entry);

/* Tells who listens that its properties may have changed. */
void entry_changed(Entry *entry);
