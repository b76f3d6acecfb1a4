/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/registry-change.h"

#include "bus.h"
#include "log.h"

static Identity identify(const RegistryChange *change) {
        return change->registry->kind->identify(change->definition ? change->definition : change->entry->definition);
}

static void change_free(RegistryChange *change) {
        if (change->own_free)
                change->own_free(change->own);
        g_clear_pointer(&change->definition, change->registry->kind->definition_free);
        g_clear_pointer(&change->entry, entry_unref);
        g_free(change);
}

void registry_change_end(RegistryChange *change, const GError *error) {
        Registry *registry = change->registry;
        Turn *turn = change->turn;
        change->done(change->data, error ? NULL : change->entry, error);
        change_free(change);
        if (turn)
                turn_end(turn);
        if (registry->idle)
                registry->idle(registry->idle_data);
}

static void on_turn(void *data, Turn *turn, const GError *refused) {
        RegistryChange *change = data;
        const RegistryKind *kind = change->registry->kind;
        g_autoptr(GError) error = refused ? g_error_copy(refused) : NULL;
        change->turn = turn;
        if (turn && change->entry && change->entry->gone)
                virtbus_error_set(&error, kind->missing, "there is no %s any more with UUID '%s'", kind->noun,
                                  identify(change).uuid);
        if (error) {
                registry_change_end(change, error);
                return;
        }
        if (change->entry)
                change->kept = change->entry->kept;
        change->begin(change);
}

RegistryChange *registry_change_new(Entry *entry, void (*begin)(RegistryChange *change), void *own, GDestroyNotify own_free,
                                    EntryDone done, void *data) {
        RegistryChange *change = g_new0(RegistryChange, 1);
        *change = (RegistryChange){ .registry = entry->registry,
                                    .entry = entry_ref(entry),
                                    .begin = begin,
                                    .own = own,
                                    .own_free = own_free,
                                    .done = done,
                                    .data = data };
        return change;
}

void registry_change_take_turn(RegistryChange *change) {
        const Identity identity = identify(change);
        turns_take(change->registry->turns, identity.uuid, identity.turn ? identity.turn : identity.uuid, on_turn, change);
}

void registry_change_take_own_turn(RegistryChange *change) {
        const char *uuid = identify(change).uuid;
        turns_take(change->registry->turns, uuid, uuid, on_turn, change);
}

/* Writing */

static void apply(RegistryChange *change) {
        if (!change->entry)
                change->entry = entry_ref(registry_add(change->registry, g_steal_pointer(&change->definition), &change->kept));
        else {
                change->entry->kept = change->kept;
                if (change->definition)
                        entry_redefine(change->entry, g_steal_pointer(&change->definition));
                else
                        entry_changed(change->entry);
        }
}

static void on_written(void *data, const GError *error) {
        RegistryChange *change = data;
        if (!error)
                apply(change);
        if (change->is_prepared)
                change->registry->kind->settle(change, !error);
        registry_change_end(change, error);
}

void registry_change_write(RegistryChange *change) {
        const Identity identity = identify(change);
        if (identity.ephemeral) {
                on_written(change, NULL);
                return;
        }
        g_autofree char *text = kept_text(identity.xml, &change->kept);
        store_define(change->registry->store, identity.uuid, text, on_written, change);
}

/* Defining */

static bool check_define(const RegistryChange *change, const Entry *same, GError **error) {
        const Registry *registry = change->registry;
        const RegistryKind *kind = registry->kind;
        const char *uuid = identify(change).uuid, *newer = g_hash_table_lookup(registry->newer, uuid);
        if (newer)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "the file of %s %s is left alone: %s", kind->noun,
                                         uuid, newer);
        if (!same && g_hash_table_size(registry->by_uuid) >= kind->max)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there are %u %s already; undefine some", kind->max,
                                         kind->folder);
        return true;
}

static bool complete(RegistryChange *change, const Entry *same, GError **error) {
        const RegistryKind *kind = change->registry->kind;
        if (kind->complete)
                change->definition = kind->complete(change->registry, same ? same->definition : NULL, change->definition, error);
        return change->definition;
}

static void on_room(void *data, const GError *error) {
        RegistryChange *change = data;
        if (error)
                registry_change_end(change, error);
        else
                registry_change_write(change);
}

static void on_prepared(void *data, const GError *error) {
        RegistryChange *change = data;
        change->is_prepared = !error;
        on_room(change, error);
}

static void begin_define(RegistryChange *change) {
        const RegistryKind *kind = change->registry->kind;
        g_autoptr(GError) error = NULL;
        const Identity identity = identify(change);
        Entry *same = g_hash_table_lookup(change->registry->by_uuid, identity.uuid);
        bool fine = check_define(change, same, &error) && complete(change, same, &error) &&
                    registry_check_unique(change->registry, change->definition, &error) &&
                    (!same || !kind->check_redefine || kind->check_redefine(same->definition, change->definition, &error));
        if (same) {
                change->entry = entry_ref(same);
                change->kept = same->kept;
        }
        if (!fine)
                registry_change_end(change, error);
        else if (!same && kind->make_room && !identity.ephemeral)
                kind->make_room(change, on_room);
        else if (kind->prepare)
                kind->prepare(change, on_prepared);
        else
                registry_change_write(change);
}

void registry_take(Registry *registry, void *definition, uid_t owner, EntryDone done, void *data) {
        RegistryChange *change = g_new0(RegistryChange, 1);
        *change = (RegistryChange){ .registry = registry,
                                    .definition = definition,
                                    .kept.owner = owner,
                                    .begin = begin_define,
                                    .done = done,
                                    .data = data };
        registry_change_take_turn(change);
}

void registry_define(Registry *registry, const char *xml, uid_t owner, EntryDone done, void *data) {
        g_autoptr(GError) error = NULL;
        void *definition = registry->kind->parse(xml, &error);
        if (definition)
                registry_take(registry, definition, owner, done, data);
        else
                done(data, NULL, error);
}

/* Undefining: the definition goes first. */

static void on_cleaned_up(void *data, const GError *error) {
        RegistryChange *change = data;
        if (error)
                log_error("what %s %s, which is undefined, has left is still there: %s", change->registry->kind->noun,
                          identify(change).uuid, error->message);
        entry_remove(change->entry);
        registry_change_end(change, NULL);
}

static void on_deleted(void *data, const GError *error) {
        RegistryChange *change = data;
        if (error)
                registry_change_end(change, error);
        else if (change->registry->kind->clean_up)
                change->registry->kind->clean_up(change, on_cleaned_up);
        else
                on_cleaned_up(change, NULL);
}

void registry_change_delete(RegistryChange *change) {
        const Identity identity = identify(change);
        if (identity.ephemeral)
                on_cleaned_up(change, NULL);
        else
                store_define(change->registry->store, identity.uuid, NULL, on_deleted, change);
}

void registry_undefine(Entry *entry, EntryDone done, void *data) {
        registry_change_take_turn(registry_change_new(entry, registry_change_delete, NULL, NULL, done, data));
}
