/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secret/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

const SecretDefinition *secret_definition(const Secret *secret) {
        return secret->entry.definition;
}

static const char *uuid_of(const Secret *secret) {
        return secret_definition(secret)->uuid;
}

static Secrets *secrets_of(const Secret *secret) {
        return (Secrets *) secret->entry.registry;
}

Secret *secrets_find(Secrets *secrets, const char *uuid, GError **error) {
        return (Secret *) registry_find(&secrets->registry, uuid, error);
}

Secret *secrets_find_usage(Secrets *secrets, const char *type, const char *id, GError **error) {
        g_autofree char *key = secret_usage_key(type, id, error);
        return key ? (Secret *) registry_find_key(&secrets->registry, 0, key, "for", error) : NULL;
}

/* The kind */

static void *parse(const char *xml, GError **error) {
        return secret_definition_parse(xml, error);
}

static void *from_document(xmlDoc *taken, GError **error) {
        g_autoptr(xmlDoc) document = taken;
        return secret_definition_from_document(document, error);
}

static void definition_free(void *definition) {
        secret_definition_free(definition);
}

static Identity identify(const void *data) {
        const SecretDefinition *definition = data;
        return (Identity){ .uuid = definition->uuid,
                           .xml = definition->xml,
                           .keys = { definition->usage_key },
                           .turn = definition->usage_key,
                           .ephemeral = definition->ephemeral };
}

static void say_taken(const void *data, unsigned key, const Entry *user, GError **error) {
        const SecretDefinition *definition = data, *taken = user->definition;
        (void) key;
        virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS, "secret %s is for %.64s already; give that UUID, or undefine it",
                          taken->uuid, definition->usage_key);
}

/* An existing secret stays what its users rely on. */
static bool check_redefine(const void *there, const void *wanted, GError **error) {
        const SecretDefinition *old = there, *new = wanted;
        const char *what = g_strcmp0(old->usage_key, new->usage_key) != 0 ? "it is for something else"
                           : old->ephemeral != new->ephemeral             ? "its 'ephemeral' is another"
                           : old->is_private && !new->is_private          ? "it is private, and stays so"
                                                                          : NULL;
        return !what || virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                          "secret %s exists, and %s; undefine it first, or leave <uuid> out", old->uuid, what);
}

/* A value may be there, of one whose definition is damaged: it is nobody else's. And one that is left behind where the driver
 * is killed between the two files is found at its start. */
static void remove_value(RegistryChange *change, WorkDone done) {
        const Secrets *secrets = (const Secrets *) change->registry;
        const Identity identity = identify(change->definition ? change->definition : change->entry->definition);
        value_file_remove(secrets->files, secrets->values, identity.uuid, done, change);
}

static bool has_definition(void *data, const char *uuid) {
        return store_has_definition(data, uuid);
}

static bool open_values(Registry *registry, const char *state, const char *runtime, GError **error) {
        (void) runtime;
        Secrets *secrets = (Secrets *) registry;
        secrets->sealer = sealer_new(registry->event);
        secrets->values = value_files_open(state, error);
        secrets->files = secrets->values ? worker_new(registry->event, 1, error) : NULL;
        secrets->clients = secrets->files ? worker_new(registry->event, CLIENT_THREADS, error) : NULL;
        if (secrets->clients)
                value_files_clean(secrets->values, has_definition, registry->store);
        return secrets->clients;
}

static void find_value(Entry *entry) {
        Secret *secret = (Secret *) entry;
        secret->storage = value_file_find(secrets_of(secret)->values, uuid_of(secret));
}

static void release(Entry *entry) {
        Secret *secret = (Secret *) entry;
        g_clear_pointer(&secret->value, secret_value_free);
}

static bool is_busy(const Registry *registry) {
        const Secrets *secrets = (const Secrets *) registry;
        return sealer_pending(secrets->sealer) > 0 || worker_pending(secrets->files) > 0 || worker_pending(secrets->clients) > 0;
}

static void cancel(Registry *registry) {
        Secrets *secrets = (Secrets *) registry;
        if (secrets->clients)
                worker_cancel(secrets->clients);
        if (secrets->sealer)
                sealer_cancel(secrets->sealer);
        if (secrets->files)
                worker_cancel(secrets->files);
}

static void close_values(Registry *registry) {
        Secrets *secrets = (Secrets *) registry;
        g_clear_pointer(&secrets->clients, worker_free);
        g_clear_pointer(&secrets->files, worker_free);
        g_clear_pointer(&secrets->sealer, sealer_free);
        g_clear_pointer(&secrets->values, g_free);
}

const RegistryKind secrets_kind = {
        .noun = "secret",
        .folder = "secrets",
        .max = SECRETS_MAX,
        .missing = VIRTBUS_ERROR_NO_SUCH_SECRET,
        .registry_size = sizeof(Secrets),
        .entry_size = sizeof(Secret),
        .parse = parse,
        .from_document = from_document,
        .definition_free = definition_free,
        .identify = identify,
        .say_taken = say_taken,
        .check_redefine = check_redefine,
        .make_room = remove_value,
        .clean_up = remove_value,
        .open = open_values,
        .loaded = find_value,
        .release = release,
        .is_busy = is_busy,
        .cancel = cancel,
        .close = close_values,
};

/* Values */

/* A value that is being set. */
typedef struct Setting {
        SecretValue *value;
        ValueStorage storage; /* where it will be */
        int fd;               /* that it is read from, or -1 */
        char *why;            /* what is kept plain is not encrypted */
} Setting;

static void setting_free(void *data) {
        Setting *setting = data;
        g_clear_pointer(&setting->value, secret_value_free);
        autofd_close(&setting->fd);
        g_free(setting->why);
        g_free(setting);
}

static void on_value_written(void *data, const GError *error) {
        RegistryChange *change = data;
        const Setting *setting = change->own;
        Secret *secret = (Secret *) change->entry;
        if (!error && setting->why)
                log_warning("the value of secret %s is kept in a file that is not encrypted: %s", uuid_of(secret), setting->why);
        if (!error)
                secret->storage = setting->storage;
        registry_change_end(change, error);
}

/* TEXT is taken. */
static void write_value(RegistryChange *change, ValueStorage storage, char *text) {
        const Secrets *secrets = (const Secrets *) change->registry;
        Setting *setting = change->own;
        setting->storage = storage;
        value_file_write(secrets->files, secrets->values, uuid_of((const Secret *) change->entry), text, on_value_written,
                         change);
}

static void write_plain(RegistryChange *change, const char *why) {
        Setting *setting = change->own;
        setting->why = g_strdup(why);
        write_value(change, STORAGE_PLAIN, secret_file_of_value(setting->value));
}

/* Where it refuses, as where it is not there, a value is better kept plain than not at all. */
static void on_sealed(void *data, const char *sealed, const GError *error) {
        RegistryChange *change = data;
        if (sealed)
                write_value(change, STORAGE_ENCRYPTED, secret_file_of_sealed(sealed));
        else if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED))
                write_plain(change, error->message);
        else
                registry_change_end(change, error);
}

static void keep_in_memory(RegistryChange *change) {
        Secret *secret = (Secret *) change->entry;
        Setting *setting = change->own;
        g_clear_pointer(&secret->value, secret_value_free);
        secret->value = g_steal_pointer(&setting->value);
        setting->storage = STORAGE_MEMORY;
        on_value_written(change, NULL);
}

static void begin_set_value(RegistryChange *change) {
        const Secrets *secrets = (const Secrets *) change->registry;
        const SecretDefinition *definition = change->entry->definition;
        const Setting *setting = change->own;
        const char *why = NULL;
        if (definition->ephemeral)
                keep_in_memory(change);
        else if (sealer_can(secrets->sealer, &why))
                sealer_seal(secrets->sealer, definition->uuid, setting->value, on_sealed, change);
        else
                write_plain(change, why);
}

/* VALUE is taken, and FD closed. */
static RegistryChange *setting_new(Secret *secret, SecretValue *value, int fd, EntryDone done, void *data) {
        Setting *setting = g_new0(Setting, 1);
        *setting = (Setting){ .value = value, .fd = fd };
        return registry_change_new(&secret->entry, begin_set_value, setting, setting_free, done, data);
}

void secret_set_value(Secret *secret, SecretValue *value, EntryDone done, void *data) {
        registry_change_take_turn(setting_new(secret, value, -1, done, data));
}

static void read_descriptor(void *data, GError **error) {
        RegistryChange *change = data;
        Setting *setting = change->own;
        setting->value = secret_value_read(setting->fd, error);
}

static void on_descriptor_read(void *data, const GError *error) {
        if (error)
                registry_change_end(data, error);
        else
                registry_change_take_turn(data);
}

void secret_set_value_from(Secret *secret, int fd, EntryDone done, void *data) {
        worker_run(secrets_of(secret)->clients, read_descriptor, on_descriptor_read, setting_new(secret, NULL, fd, done, data));
}

/* A value that is being read. */
typedef struct Reading {
        Secret *secret;
        SecretRead done;
        void *data;
} Reading;

static void reading_end(Reading *reading, SecretValue *value, const GError *error) {
        Secrets *secrets = secrets_of(reading->secret);
        g_autoptr(GError) failure = NULL;
        if (error && reading->secret->entry.gone)
                virtbus_error_set(&failure, VIRTBUS_ERROR_NO_SUCH_SECRET, "there is no secret any more with UUID '%s'",
                                  uuid_of(reading->secret));
        else if (error)
                virtbus_error_set(&failure, virtbus_error_code(error), "the value of secret %s cannot be read: %s",
                                  uuid_of(reading->secret), error->message);
        reading->done(reading->data, value, failure);
        entry_unref(&reading->secret->entry);
        g_free(reading);
        if (secrets->registry.idle)
                secrets->registry.idle(secrets->registry.idle_data);
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
                sealer_open(secrets_of(reading->secret)->sealer, uuid_of(reading->secret), rest, on_opened, reading);
        else {
                SecretValue *value = secret_value_from_plain(rest, &failure);
                reading_end(reading, value, failure);
        }
}

void secret_get_value(Secret *secret, SecretRead done, void *data) {
        g_autoptr(GError) error = NULL;
        if (secret->storage == STORAGE_NONE) {
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID, "secret %s has no value; set one", uuid_of(secret));
                done(data, NULL, error);
        } else if (secret->value)
                done(data, secret_value_new(secret->value->bytes, secret->value->size, NULL), NULL);
        else {
                Reading *reading = g_new0(Reading, 1);
                *reading = (Reading){ secret, done, data };
                entry_ref(&secret->entry);
                value_file_read(secrets_of(secret)->files, secrets_of(secret)->values, uuid_of(secret), on_value_read, reading);
        }
}
