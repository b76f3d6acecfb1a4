/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The secrets of a machine, or of a user: by UUID and by usage, and where their values are. A definition is a document in the
 * state directory; so is a value, in a file of its own beside it, encrypted where that can be done. Those of ephemeral secrets
 * are in memory only.
 *
 * Whoever changes a secret has its turn for it, and ends that when the change is on disk. It needs no bus. */

#include "base/kept.h"
#include "base/objects.h"
#include "base/store.h"
#include "base/turns.h"
#include "secret/sealer.h"
#include "secret/secret-definition.h"
#include "secret/secret-value.h"

/* How many secrets there may be, as many as libvirt lists. */
#define SECRETS_MAX 16384

typedef struct Secrets Secrets;

/* Where a value is. */
typedef enum ValueStorage {
        STORAGE_NONE,
        STORAGE_MEMORY,
        STORAGE_ENCRYPTED,
        STORAGE_PLAIN,
} ValueStorage;

typedef struct Secret {
        unsigned n_references;
        Secrets *secrets;
        SecretDefinition *definition;
        uid_t owner;
        ValueStorage storage;
        SecretValue *value;   /* of an ephemeral one */
        bool gone;            /* undefined, while somebody still holds it */
        Published *published; /* the listener's */
} Secret;

/* Told of each change, before who asked for it. */
typedef struct SecretListener {
        void (*added)(Secret *secret);
        void (*changed)(Secret *secret); /* its description, or that it is private */
        void (*value_changed)(Secret *secret);
        void (*removed)(Secret *secret);
} SecretListener;

struct Secrets {
        sd_event *event;
        const SecretListener *listener; /* or NULL */
        Objects *objects;               /* the listener's: where secrets are published */
        Published *published;
        char *path;
        char *values;
        Store *store;
        Worker *files;   /* one thread, which keeps the order of what is written */
        Worker *clients; /* for clients' pipes, which may be slow on purpose: these wait only for each other */
        Sealer *sealer;
        Turns *turns;
        GHashTable *by_uuid, *by_usage; /* Secret; the first holds the references */
        GHashTable *newer;              /* UUID -> why: whose files a later version has written */
        int lock;                       /* of the state directory */
        unsigned n_ephemeral;
        bool cancelled;
        void (*idle)(void *data); /* something has ended: see whether anything is left */
        void *idle_data;
};

/* Reads what there is. */
Secrets *secrets_open(sd_event *event, const char *state, GError **error);

/* Nothing begins any more; who waits for something is told that it is Cancelled. To be called before the peer goes. */
void secrets_cancel(Secrets *secrets);
void secrets_close(Secrets *secrets);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Secrets, secrets_close)

/* Whether it has something to do, or to hold: an ephemeral secret. */
bool secrets_is_busy(const Secrets *secrets);

Secret *secret_ref(Secret *secret);
void secret_unref(Secret *secret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Secret, secret_unref)

/* Finds one, borrowed; NULL with NoSuchSecret, or InvalidArgument. */
Secret *secrets_find(Secrets *secrets, const char *uuid, GError **error);
Secret *secrets_find_usage(Secrets *secrets, const char *type, const char *id, GError **error);

/* What a change answers: ERROR is NULL where it is made; then SECRET is the one. */
typedef void (*SecretDone)(void *data, Secret *secret, const GError *error);

/* Makes a secret of a document, or gives an existing one another definition. OWNER: of a new one. */
void secrets_define(Secrets *secrets, const char *xml, uid_t owner, SecretDone done, void *data);
void secret_undefine(Secret *secret, SecretDone done, void *data);

/* VALUE is taken. The second reads it from a descriptor, which is closed. */
void secret_set_value(Secret *secret, SecretValue *value, SecretDone done, void *data);
void secret_set_value_from(Secret *secret, int fd, SecretDone done, void *data);

/* Reads the value, of a private secret too: the caller has looked who asks. VALUE is DONE's, or NULL with ERROR. */
typedef void (*SecretRead)(void *data, SecretValue *value, const GError *error);
void secret_get_value(Secret *secret, SecretRead done, void *data);

/* The words of the API. */
const char *value_storage_name(ValueStorage storage);
