/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secret/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder-lock.h"
#include "base/uuid.h"
#include "bus.h"
#include "log.h"
#include "secret/value-file.h"

/* Threads for clients' pipes. */
#define CLIENT_THREADS 8

static const char *const storage_names[] = {
        [STORAGE_NONE] = "none", [STORAGE_MEMORY] = "memory", [STORAGE_ENCRYPTED] = "encrypted", [STORAGE_PLAIN] = "plain"
};

const char *value_storage_name(ValueStorage storage) {
        return storage_names[storage];
}

/* Secrets */

Secret *secret_ref(Secret *secret) {
        secret->n_references++;
        return secret;
}

void secret_unref(Secret *secret) {
        if (--secret->n_references > 0)
                return;
        g_clear_pointer(&secret->value, secret_value_free);
        secret_definition_free(secret->definition);
        g_free(secret);
}

/* DEFINITION is taken. Borrowed: the table holds it. */
static Secret *add(Secrets *secrets, SecretDefinition *definition, uid_t owner, ValueStorage storage) {
        Secret *secret = g_new0(Secret, 1);
        *secret = (Secret){ .n_references = 1, .secrets = secrets, .definition = definition, .owner = owner, .storage = storage };
        g_hash_table_insert(secrets->by_uuid, definition->uuid, secret);
        if (definition->usage_key)
                g_hash_table_insert(secrets->by_usage, definition->usage_key, secret);
        secrets->n_ephemeral += definition->ephemeral;
        if (secrets->listener)
                secrets->listener->added(secret);
        return secret;
}

static void remove_secret(Secret *secret) {
        Secrets *secrets = secret->secrets;
        const SecretDefinition *definition = secret->definition;
        secret->gone = true;
        secrets->n_ephemeral -= definition->ephemeral;
        if (secrets->listener)
                secrets->listener->removed(secret);
        if (definition->usage_key)
                g_hash_table_remove(secrets->by_usage, definition->usage_key);
        g_hash_table_remove(secrets->by_uuid, definition->uuid);
}

/* UUID and usage stay what they were, which the tables know it by. DEFINITION is taken. */
static void redefine(Secret *secret, SecretDefinition *definition) {
        Secrets *secrets = secret->secrets;
        SecretDefinition *old = secret->definition;
        secret->definition = definition;
        g_hash_table_steal(secrets->by_uuid, old->uuid);
        g_hash_table_insert(secrets->by_uuid, definition->uuid, secret);
        if (definition->usage_key)
                g_hash_table_replace(secrets->by_usage, definition->usage_key, secret);
        secret_definition_free(old);
        if (secrets->listener)
                secrets->listener->changed(secret);
}

static bool no_such_secret(GError **error, const char *what, const char *value) {
        return virtbus_error_set(error, VIRTBUS_ERROR_NO_SUCH_SECRET, "there is no secret %s '%.64s'", what, value);
}

Secret *secrets_find(Secrets *secrets, const char *uuid, GError **error) {
        g_autofree char *normal = uuid_of_argument(uuid, error);
        Secret *secret = normal ? g_hash_table_lookup(secrets->by_uuid, normal) : NULL;
        if (normal && !secret)
                no_such_secret(error, "with UUID", normal);
        return secret;
}

Secret *secrets_find_usage(Secrets *secrets, const char *type, const char *id, GError **error) {
        g_autofree char *key = secret_usage_key(type, id, error);
        Secret *secret = key ? g_hash_table_lookup(secrets->by_usage, key) : NULL;
        if (key && !secret)
                no_such_secret(error, "for", key);
        return secret;
}

/* What is there at the start */

static void load(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Secrets *secrets = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "secret", &error) : NULL;
        Kept kept = { 0 };
        g_autoptr(SecretDefinition) definition =
                        document && kept_take(document, &kept, &error) ? secret_definition_from_document(document, &error) : NULL;
        if (definition && strcmp(definition->uuid, uuid) != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_XML, "its UUID is %s", definition->uuid);
        else if (definition && definition->usage_key && g_hash_table_contains(secrets->by_usage, definition->usage_key))
                virtbus_error_set(&error, VIRTBUS_ERROR_ALREADY_EXISTS, "another secret is for %s", definition->usage_key);
        if (!error) {
                ValueStorage storage = value_file_find(secrets->values, uuid);
                add(secrets, g_steal_pointer(&definition), kept.owner, storage);
                return;
        }
        log_error("the definition of secret %s is left as it is: %s", uuid, error->message);
        if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED))
                g_hash_table_insert(secrets->newer, g_strdup(uuid), g_strdup(error->message));
}

static bool open_state(Secrets *secrets, const char *state, GError **error) {
        secrets->lock = folder_lock(state, error);
        secrets->store = secrets->lock >= 0 ? store_new(secrets->event, "secrets", state, NULL, error) : NULL;
        secrets->values = secrets->store ? value_files_open(state, error) : NULL;
        secrets->files = secrets->values ? worker_new(secrets->event, 1, error) : NULL;
        secrets->clients = secrets->files ? worker_new(secrets->event, CLIENT_THREADS, error) : NULL;
        return secrets->clients != NULL;
}

static bool has_definition(void *data, const char *uuid) {
        return store_has_definition(data, uuid);
}

Secrets *secrets_open(sd_event *event, const char *state, GError **error) {
        g_autoptr(Secrets) secrets = g_new0(Secrets, 1);
        secrets->event = sd_event_ref(event);
        secrets->by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) secret_unref);
        secrets->by_usage = g_hash_table_new(g_str_hash, g_str_equal);
        secrets->newer = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        secrets->turns = turns_new();
        secrets->sealer = sealer_new(event);
        secrets->lock = -1;
        if (!open_state(secrets, state, error))
                return NULL;
        value_files_clean(secrets->values, has_definition, secrets->store);
        store_each_definition(secrets->store, load, secrets);
        return g_steal_pointer(&secrets);
}

void secrets_cancel(Secrets *secrets) {
        g_autoptr(GError) error = NULL;
        if (secrets->cancelled)
                return;
        secrets->cancelled = true;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        turns_cancel(secrets->turns, error);
        if (secrets->clients)
                worker_cancel(secrets->clients);
        sealer_cancel(secrets->sealer);
        if (secrets->files)
                worker_cancel(secrets->files);
        if (secrets->store)
                store_finish(secrets->store);
        calls_cancel(error);
}

void secrets_close(Secrets *secrets) {
        secrets_cancel(secrets);
        if (secrets->clients)
                worker_free(secrets->clients);
        if (secrets->files)
                worker_free(secrets->files);
        if (secrets->store)
                store_free(secrets->store);
        sealer_free(secrets->sealer);
        turns_free(secrets->turns);
        g_hash_table_unref(secrets->by_usage);
        g_hash_table_unref(secrets->by_uuid);
        g_hash_table_unref(secrets->newer);
        autofd_close(&secrets->lock);
        sd_event_unref(secrets->event);
        g_free(secrets->values);
        g_free(secrets);
}

bool secrets_is_busy(const Secrets *secrets) {
        return secrets->n_ephemeral > 0 || turns_pending(secrets->turns) > 0 || sealer_pending(secrets->sealer) > 0 ||
               worker_pending(secrets->files) > 0 || worker_pending(secrets->clients) > 0 || store_is_busy(secrets->store);
}

/* Changes */

/* A change, which waits for its turn or is being made. */
typedef struct Change {
        Secrets *secrets;
        Secret *secret;               /* the existing one, or NULL */
        SecretDefinition *definition; /* the new one, or NULL */
        SecretValue *value;           /* the new one, or NULL */
        ValueStorage storage;         /* of that */
        uid_t owner;
        int fd;    /* that the value is read from, or -1 */
        char *why; /* what is kept plain is not encrypted */
        void (*begin)(struct Change *change);
        SecretDone done;
        void *data;
        Turn *turn;
} Change;

static void change_free(Change *change) {
        g_clear_pointer(&change->secret, secret_unref);
        g_clear_pointer(&change->definition, secret_definition_free);
        g_clear_pointer(&change->value, secret_value_free);
        autofd_close(&change->fd);
        g_free(change->why);
        g_free(change);
}

static void change_end(Change *change, const GError *error) {
        Secrets *secrets = change->secrets;
        Turn *turn = change->turn;
        change->done(change->data, error ? NULL : change->secret, error);
        change_free(change);
        if (turn)
                turn_end(turn);
        if (secrets->idle)
                secrets->idle(secrets->idle_data);
}

static void on_turn(void *data, Turn *turn, const GError *error) {
        Change *change = data;
        change->turn = turn;
        if (turn && change->secret && change->secret->gone) {
                g_autoptr(GError) gone = NULL;
                no_such_secret(&gone, "any more with UUID", change->secret->definition->uuid);
                change_end(change, gone);
        } else if (turn)
                change->begin(change);
        else
                change_end(change, error);
}

static Change *change_new(const Change *template) {
        Change *change = g_new(Change, 1);
        *change = *template;
        if (change->secret)
                secret_ref(change->secret);
        return change;
}

static void take_turn(Change *change) {
        const SecretDefinition *definition = change->definition ? change->definition : change->secret->definition;
        turns_take(change->secrets->turns, definition->uuid, definition->usage_key ? definition->usage_key : definition->uuid,
                   on_turn, change);
}

/* Defining */

static void on_defined(void *data, const GError *error) {
        Change *change = data;
        if (!error && change->secret)
                redefine(change->secret, g_steal_pointer(&change->definition));
        else if (!error)
                change->secret = secret_ref(
                                add(change->secrets, g_steal_pointer(&change->definition), change->owner, STORAGE_NONE));
        change_end(change, error);
}

/* An existing secret stays what its users rely on. */
static bool check_redefine(const SecretDefinition *old, const SecretDefinition *new, GError **error) {
        const char *what = g_strcmp0(old->usage_key, new->usage_key) != 0 ? "it is for something else"
                           : old->ephemeral != new->ephemeral             ? "its 'ephemeral' is another"
                           : old->is_private && !new->is_private          ? "it is private, and stays so"
                                                                          : NULL;
        return !what || virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                          "secret %s exists, and %s; undefine it first, or leave <uuid> out", old->uuid, what);
}

static bool check_define(Change *change, GError **error) {
        Secrets *secrets = change->secrets;
        const SecretDefinition *definition = change->definition;
        Secret *same = g_hash_table_lookup(secrets->by_uuid, definition->uuid);
        Secret *user = definition->usage_key ? g_hash_table_lookup(secrets->by_usage, definition->usage_key) : NULL;
        const char *newer = g_hash_table_lookup(secrets->newer, definition->uuid);
        if (newer)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "the file of secret %s is left alone: %s",
                                         definition->uuid, newer);
        if (user && user != same)
                return virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                         "secret %s is for %.64s already; give that UUID, or undefine it", user->definition->uuid,
                                         definition->usage_key);
        if (!same && g_hash_table_size(secrets->by_uuid) >= SECRETS_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there are %d secrets already; undefine some",
                                         SECRETS_MAX);
        change->secret = same ? secret_ref(same) : NULL;
        return !same || check_redefine(same->definition, definition, error);
}

static void write_definition(Change *change) {
        const Kept kept = { .owner = change->secret ? change->secret->owner : change->owner };
        g_autofree char *text = kept_text(change->definition->xml, &kept);
        store_define(change->secrets->store, change->definition->uuid, text, on_defined, change);
}

static void on_forgotten(void *data, const GError *error) {
        if (error)
                change_end(data, error);
        else
                write_definition(data);
}

static void begin_define(Change *change) {
        g_autoptr(GError) error = NULL;
        if (!check_define(change, &error))
                change_end(change, error);
        else if (change->definition->ephemeral)
                on_defined(change, NULL);
        else if (change->secret)
                write_definition(change);
        else /* a value may be there, of one whose definition is damaged: it is nobody else's */
                value_file_remove(change->secrets->files, change->secrets->values, change->definition->uuid, on_forgotten,
                                  change);
}

void secrets_define(Secrets *secrets, const char *xml, uid_t owner, SecretDone done, void *data) {
        g_autoptr(GError) error = NULL;
        SecretDefinition *definition = secret_definition_parse(xml, &error);
        if (definition)
                take_turn(change_new(&(Change){ .secrets = secrets,
                                                .definition = definition,
                                                .owner = owner,
                                                .fd = -1,
                                                .begin = begin_define,
                                                .done = done,
                                                .data = data }));
        else
                done(data, NULL, error);
}

/* Undefining: the definition goes first. A value that is left behind where the driver is killed between is found at its start. */

static void on_value_removed(void *data, const GError *error) {
        Change *change = data;
        if (error)
                log_error("the value of secret %s, which is undefined, is removed at the next start: %s",
                          change->secret->definition->uuid, error->message);
        remove_secret(change->secret);
        change_end(change, NULL);
}

static void on_definition_removed(void *data, const GError *error) {
        Change *change = data;
        if (error)
                change_end(change, error);
        else
                value_file_remove(change->secrets->files, change->secrets->values, change->secret->definition->uuid,
                                  on_value_removed, change);
}

static void begin_undefine(Change *change) {
        if (change->secret->definition->ephemeral)
                on_value_removed(change, NULL);
        else
                store_define(change->secrets->store, change->secret->definition->uuid, NULL, on_definition_removed, change);
}

void secret_undefine(Secret *secret, SecretDone done, void *data) {
        take_turn(change_new(&(Change){ .secrets = secret->secrets,
                                        .secret = secret,
                                        .fd = -1,
                                        .begin = begin_undefine,
                                        .done = done,
                                        .data = data }));
}

/* Values */

static void on_value_written(void *data, const GError *error) {
        Change *change = data;
        Secret *secret = change->secret;
        if (!error) {
                if (change->why)
                        log_warning("the value of secret %s is kept in a file that is not encrypted: %s",
                                    secret->definition->uuid, change->why);
                secret->storage = change->storage;
                if (change->secrets->listener)
                        change->secrets->listener->value_changed(secret);
        }
        change_end(change, error);
}

/* TEXT is taken. */
static void write_value(Change *change, ValueStorage storage, char *text) {
        change->storage = storage;
        value_file_write(change->secrets->files, change->secrets->values, change->secret->definition->uuid, text,
                         on_value_written, change);
}

static void write_plain(Change *change, const char *why) {
        change->why = g_strdup(why);
        write_value(change, STORAGE_PLAIN, secret_file_of_value(change->value));
}

/* Where it refuses, as where it is not there, a value is better kept plain than not at all. */
static void on_sealed(void *data, const char *sealed, const GError *error) {
        Change *change = data;
        if (sealed)
                write_value(change, STORAGE_ENCRYPTED, secret_file_of_sealed(sealed));
        else if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED))
                write_plain(change, error->message);
        else
                change_end(change, error);
}

static void begin_set_value(Change *change) {
        Secret *secret = change->secret;
        const char *why = NULL;
        if (secret->definition->ephemeral) {
                g_clear_pointer(&secret->value, secret_value_free);
                secret->value = g_steal_pointer(&change->value);
                change->storage = STORAGE_MEMORY;
                on_value_written(change, NULL);
        } else if (sealer_can(change->secrets->sealer, &why))
                sealer_seal(change->secrets->sealer, secret->definition->uuid, change->value, on_sealed, change);
        else
                write_plain(change, why);
}

void secret_set_value(Secret *secret, SecretValue *value, SecretDone done, void *data) {
        take_turn(change_new(&(Change){ .secrets = secret->secrets,
                                        .secret = secret,
                                        .value = value,
                                        .fd = -1,
                                        .begin = begin_set_value,
                                        .done = done,
                                        .data = data }));
}

static void read_descriptor(void *data, GError **error) {
        Change *change = data;
        change->value = secret_value_read(change->fd, error);
}

static void on_descriptor_read(void *data, const GError *error) {
        if (error)
                change_end(data, error);
        else
                take_turn(data);
}

void secret_set_value_from(Secret *secret, int fd, SecretDone done, void *data) {
        Change *change = change_new(&(Change){ .secrets = secret->secrets,
                                               .secret = secret,
                                               .fd = fd,
                                               .begin = begin_set_value,
                                               .done = done,
                                               .data = data });
        worker_run(secret->secrets->clients, read_descriptor, on_descriptor_read, change);
}

/* A value that is being read. */
typedef struct Reading {
        Secret *secret;
        SecretRead done;
        void *data;
} Reading;

static void reading_end(Reading *reading, SecretValue *value, const GError *error) {
        Secrets *secrets = reading->secret->secrets;
        g_autoptr(GError) failure = NULL;
        if (error && reading->secret->gone)
                no_such_secret(&failure, "any more with UUID", reading->secret->definition->uuid);
        else if (error)
                virtbus_error_set(&failure, virtbus_error_code(error), "the value of secret %s cannot be read: %s",
                                  reading->secret->definition->uuid, error->message);
        reading->done(reading->data, value, failure);
        secret_unref(reading->secret);
        g_free(reading);
        if (secrets->idle)
                secrets->idle(secrets->idle_data);
}

static void on_opened(void *data, SecretValue *value, const GError *error) {
        g_autoptr(GError) failure = NULL;
        if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED)) /* systemd-creds has refused it */
                virtbus_error_set(&failure, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s; set it again", error->message);
        reading_end(data, value, failure ? failure : error);
}

static void on_value_read(void *data, ValueForm form, const char *rest, const GError *error) {
        Reading *reading = data;
        g_autoptr(GError) failure = NULL;
        if (error)
                reading_end(reading, NULL, error);
        else if (form == VALUE_SEALED)
                sealer_open(reading->secret->secrets->sealer, reading->secret->definition->uuid, rest, on_opened, reading);
        else {
                SecretValue *value = secret_value_from_plain(rest, &failure);
                reading_end(reading, value, failure);
        }
}

void secret_get_value(Secret *secret, SecretRead done, void *data) {
        g_autoptr(GError) error = NULL;
        if (secret->storage == STORAGE_NONE) {
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID, "secret %s has no value; set one",
                                  secret->definition->uuid);
                done(data, NULL, error);
        } else if (secret->value)
                done(data, secret_value_new(secret->value->bytes, secret->value->size, NULL), NULL);
        else {
                Reading *reading = g_new0(Reading, 1);
                *reading = (Reading){ secret_ref(secret), done, data };
                value_file_read(secret->secrets->files, secret->secrets->values, secret->definition->uuid, on_value_read,
                                reading);
        }
}
