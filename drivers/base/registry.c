/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/registry.h"

#include <string.h>

#include "base/folder-lock.h"
#include "base/uuid.h"
#include "base/xml.h"
#include "bus.h"
#include "log.h"

/* Entries */

Entry *entry_ref(Entry *entry) {
        entry->n_references++;
        return entry;
}

void entry_unref(Entry *entry) {
        const RegistryKind *kind = entry->registry->kind;
        if (--entry->n_references > 0)
                return;
        if (kind->release)
                kind->release(entry);
        kind->definition_free(entry->definition);
        g_free(entry);
}

static void enter(Entry *entry) {
        Registry *registry = entry->registry;
        const Identity identity = registry->kind->identify(entry->definition);
        g_hash_table_insert(registry->by_uuid, (char *) identity.uuid, entry);
        for (unsigned i = 0; i < REGISTRY_KEYS_MAX; i++)
                if (identity.keys[i])
                        g_hash_table_insert(registry->by_key[i], (char *) identity.keys[i], entry);
        registry->n_ephemeral += identity.ephemeral;
}

/* The table's reference is the caller's. */
static void leave(Entry *entry) {
        Registry *registry = entry->registry;
        const Identity identity = registry->kind->identify(entry->definition);
        for (unsigned i = 0; i < REGISTRY_KEYS_MAX; i++)
                if (identity.keys[i])
                        g_hash_table_remove(registry->by_key[i], identity.keys[i]);
        g_hash_table_steal(registry->by_uuid, identity.uuid);
        registry->n_ephemeral -= identity.ephemeral;
}

static void publish(Entry *entry) {
        const Registry *registry = entry->registry;
        const char *uuid = registry->kind->identify(entry->definition).uuid;
        if (!registry->face)
                return;
        g_autofree char *path = g_strdup_printf("%s/%s/%s", registry->path, registry->kind->noun, uuid);
        entry->published = objects_publish(registry->objects, g_strdelimit(path, "-", '_'), entry, registry->face->entry);
        if (registry->face->published)
                registry->face->published(entry);
}

static void withdraw(Entry *entry) {
        const RegistryFace *face = entry->registry->face;
        if (face && face->withdraw)
                face->withdraw(entry);
        g_clear_pointer(&entry->published, published_withdraw);
}

void entry_changed(Entry *entry) {
        const RegistryFace *face = entry->registry->face;
        if (entry->published)
                published_changed(entry->published, face->entry[0], face->changing);
}

Entry *registry_add(Registry *registry, void *definition, const Kept *kept) {
        Entry *entry = g_malloc0(registry->kind->entry_size);
        *entry = (Entry){ .n_references = 1, .registry = registry, .definition = definition, .kept = *kept };
        enter(entry);
        publish(entry);
        if (registry->kind->defined)
                registry->kind->defined(entry);
        return entry;
}

void entry_redefine(Entry *entry, void *definition) {
        void *old = entry->definition;
        leave(entry);
        entry->definition = definition;
        enter(entry);
        entry->registry->kind->definition_free(old);
        entry_changed(entry);
        if (entry->registry->kind->defined)
                entry->registry->kind->defined(entry);
}

void entry_remove(Entry *entry) {
        entry->gone = true;
        withdraw(entry);
        leave(entry);
        entry_unref(entry);
}

/* Finding */

static Entry *find(Registry *registry, GHashTable *table, const char *key, const char *how, GError **error) {
        Entry *entry = g_hash_table_lookup(table, key);
        if (!entry)
                virtbus_error_set(error, registry->kind->missing, "there is no %s %s '%.64s'", registry->kind->noun, how, key);
        return entry;
}

Entry *registry_find(Registry *registry, const char *uuid, GError **error) {
        g_autofree char *normal = uuid_of_argument(uuid, error);
        return normal ? find(registry, registry->by_uuid, normal, "with UUID", error) : NULL;
}

Entry *registry_find_key(Registry *registry, unsigned key, const char *value, const char *how, GError **error) {
        return find(registry, registry->by_key[key], value, how, error);
}

GPtrArray *registry_list(const Registry *registry) {
        GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify) entry_unref);
        GHashTableIter iterator;
        void *entry;
        g_hash_table_iter_init(&iterator, registry->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &entry))
                g_ptr_array_add(all, entry_ref(entry));
        return all;
}

bool registry_check_unique(const Registry *registry, const void *definition, GError **error) {
        const RegistryKind *kind = registry->kind;
        const Identity identity = kind->identify(definition);
        for (unsigned i = 0; i < REGISTRY_KEYS_MAX; i++) {
                const Entry *user = identity.keys[i] ? g_hash_table_lookup(registry->by_key[i], identity.keys[i]) : NULL;
                if (user && strcmp(kind->identify(user->definition).uuid, identity.uuid) != 0) {
                        kind->say_taken(definition, i, user, error);
                        return false;
                }
        }
        return true;
}

/* What is there at the start */

/* What a file holds, where it can be that of UUID, and where no other has what it takes. */
static void *read_kept(Registry *registry, const char *uuid, const char *text, Kept *kept, GError **error) {
        const RegistryKind *kind = registry->kind;
        g_autoptr(xmlDoc) document = xml_parse_own(text, kind->noun, error);
        void *definition = document && kept_take(document, kept, error) ? kind->from_document(g_steal_pointer(&document), error)
                                                                        : NULL;
        if (!definition)
                return NULL;
        bool is_its = strcmp(kind->identify(definition).uuid, uuid) == 0 ||
                      virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "its UUID is %s", kind->identify(definition).uuid);
        if (!is_its || !registry_check_unique(registry, definition, error))
                g_clear_pointer(&definition, kind->definition_free);
        return definition;
}

static void load(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Registry *registry = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        Kept kept = { 0 };
        void *definition = text ? read_kept(registry, uuid, text, &kept, &error) : NULL;
        if (definition) {
                Entry *entry = registry_add(registry, definition, &kept);
                if (registry->kind->loaded)
                        registry->kind->loaded(entry);
                return;
        }
        log_error("the definition of %s %s is left as it is: %s", registry->kind->noun, uuid, error->message);
        if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED))
                g_hash_table_insert(registry->newer, g_strdup(uuid), g_strdup(error->message));
}

static bool open_state(Registry *registry, const char *state, const char *runtime, GError **error) {
        const RegistryKind *kind = registry->kind;
        bool is_locked = kind->is_beside || (registry->lock = folder_lock(state, error)) >= 0;
        registry->store = is_locked ? store_new(registry->event, kind->folder, state, kind->runs ? runtime : NULL, error) : NULL;
        return registry->store && (!kind->open || kind->open(registry, state, runtime, error));
}

Registry *registry_open(const RegistryKind *kind, sd_event *event, const char *state, const char *runtime, GError **error) {
        g_autoptr(Registry) registry = g_malloc0(kind->registry_size);
        registry->kind = kind;
        registry->event = sd_event_ref(event);
        registry->by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) entry_unref);
        for (unsigned i = 0; i < REGISTRY_KEYS_MAX; i++)
                registry->by_key[i] = g_hash_table_new(g_str_hash, g_str_equal);
        registry->newer = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        registry->turns = turns_new();
        registry->lock = -1;
        if (!open_state(registry, state, runtime, error))
                return NULL;
        store_each_definition(registry->store, load, registry);
        if (kind->opened)
                kind->opened(registry);
        return g_steal_pointer(&registry);
}

void registry_cancel(Registry *registry) {
        g_autoptr(GError) error = NULL;
        if (registry->cancelled)
                return;
        registry->cancelled = true;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        turns_cancel(registry->turns, error);
        if (registry->kind->cancel)
                registry->kind->cancel(registry);
        if (registry->store)
                store_finish(registry->store);
        calls_cancel(error);
}

void registry_close(Registry *registry) {
        registry_cancel(registry);
        if (registry->kind->close)
                registry->kind->close(registry);
        if (registry->store)
                store_free(registry->store);
        turns_free(registry->turns);
        for (unsigned i = 0; i < REGISTRY_KEYS_MAX; i++)
                g_hash_table_unref(registry->by_key[i]);
        g_hash_table_unref(registry->by_uuid);
        g_hash_table_unref(registry->newer);
        autofd_close(&registry->lock);
        sd_event_unref(registry->event);
        g_free(registry);
}

bool registry_is_busy(const Registry *registry) {
        return registry->n_ephemeral > 0 || turns_pending(registry->turns) > 0 || store_is_busy(registry->store) ||
               (registry->kind->is_busy && registry->kind->is_busy(registry));
}

/* Publishing */

void registry_publish(Registry *registry, Objects *objects, const char *path, const RegistryFace *face) {
        registry->face = face;
        registry->objects = objects;
        registry->path = g_strdup(path);
        registry->published = objects_publish(objects, path, registry, face->registry);
        g_autoptr(GPtrArray) all = registry_list(registry);
        for (guint i = 0; i < all->len; i++)
                publish(all->pdata[i]);
}

void registry_withdraw(Registry *registry) {
        g_autoptr(GPtrArray) all = registry_list(registry);
        for (guint i = 0; i < all->len; i++)
                withdraw(all->pdata[i]);
        g_clear_pointer(&registry->published, published_withdraw);
        g_clear_pointer(&registry->path, g_free);
        registry->face = NULL;
}
