/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The secrets of a machine, or of a user: by UUID and by usage, and where their values are. A definition is a document in the
 * state directory; so is a value, in a file of its own beside it, encrypted where that can be done. Those of ephemeral secrets
 * are in memory only.
 *
 * Whoever changes a secret has its turn for it, and ends that when the change is on disk. It needs no bus. */

#include "base/registry-change.h"
#include "secret/sealer.h"
#include "secret/secret-definition.h"
#include "secret/secret-value.h"

/* How many secrets there may be, as many as libvirt lists. */
#define SECRETS_MAX 16384

/* Where a value is. */
typedef enum ValueStorage {
        STORAGE_NONE,
        STORAGE_MEMORY,
        STORAGE_ENCRYPTED,
        STORAGE_PLAIN,
} ValueStorage;

typedef struct Secrets {
        Registry registry;
        char *values;
        Worker *files;   /* one thread, which keeps the order of what is written */
        Worker *clients; /* for clients' pipes, which may be slow on purpose: these wait only for each other */
        Sealer *sealer;
} Secrets;

typedef struct Secret {
        Entry entry;
        ValueStorage storage;
        SecretValue *value; /* of an ephemeral one */
} Secret;

/* Opened and closed as any registry. */
extern const RegistryKind secrets_kind;

const SecretDefinition *secret_definition(const Secret *secret);

/* Finds one, borrowed; NULL with NoSuchSecret, or InvalidArgument. */
Secret *secrets_find(Secrets *secrets, const char *uuid, GError **error);
Secret *secrets_find_usage(Secrets *secrets, const char *type, const char *id, GError **error);

/* VALUE is taken. The second reads it from a descriptor, which is closed. */
void secret_set_value(Secret *secret, SecretValue *value, EntryDone done, void *data);
void secret_set_value_from(Secret *secret, int fd, EntryDone done, void *data);

/* Reads the value, of a private secret too: the caller has looked who asks. VALUE is DONE's, or NULL with ERROR. */
typedef void (*SecretRead)(void *data, SecretValue *value, const GError *error);
void secret_get_value(Secret *secret, SecretRead done, void *data);

/* The words of the API. */
const char *value_storage_name(ValueStorage storage);
