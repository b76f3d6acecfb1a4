/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decisions.h"

#include <string.h>

#include "bounds.h"
#include "pack.h"
#include "paths.h"

/* Subjects */

/* The block of the interface that makes an object a subject; NULL where no interface does. */
static const Block *subject_block(const Object *object) {
        for (size_t i = 0; i < object->n_blocks; i++)
                if (object->blocks[i].interface->subject)
                        return &object->blocks[i];
        return NULL;
}

const SubjectInfo *subject_info(const Object *subject) {
        const Block *block = subject ? subject_block(subject) : NULL;
        return block ? block->interface->subject : NULL;
}

static const uint8_t *subject_value(const Object *subject, int property) {
        return property >= 0 ? block_value(subject_block(subject), (size_t) property) : NULL;
}

static const char *subject_string(const Object *subject, int property) {
        const uint8_t *value = subject_value(subject, property);
        return value ? pack_string(value) : NULL;
}

const char *subject_name(const Object *subject) {
        const SubjectInfo *info = subject_info(subject);
        return info ? subject_string(subject, info->name >= 0 ? info->name : info->uuid) : NULL;
}

const char *subject_uuid(const Object *subject) {
        const SubjectInfo *info = subject_info(subject);
        return info ? subject_string(subject, info->uuid) : NULL;
}

const char *subject_operation(const Object *subject) {
        const SubjectInfo *info = subject_info(subject);
        return info ? subject_string(subject, info->operation) : NULL;
}

const char *subject_acts_on(const Object *subject) {
        const SubjectInfo *info = subject_info(subject);
        return info ? subject_string(subject, info->acts_on) : NULL;
}

bool subject_owner(const Object *subject, uid_t *owner) {
        const SubjectInfo *info = subject_info(subject);
        const uint8_t *value = info ? subject_value(subject, info->owner) : NULL;
        if (value)
                *owner = pack_uint32(value);
        return value != NULL;
}

const Object *decision_subject(const Object *object) {
        while (object && !subject_block(object))
                object = object->parent;
        return object;
}

uint64_t decision_serial(const Object *object) {
        const Object *subject = decision_subject(object);
        return subject ? subject->serial : 0;
}

/* The object at a path below another one, or the nearest above it; NULL where that is not below. */
static const Object *find_below(const Object *top, const char *path) {
        const Object *found = NULL;
        for (const Object *child = top ? top->first_child : NULL; child;) {
                if (path_is_under(path, child->path)) {
                        found = child;
                        child = child->first_child;
                } else
                        child = child->next;
        }
        return found;
}

/* What a subject is done to, or the nearest above that; itself where it is not done to anything. */
static const Object *patient_of(const Object *subject) {
        const char *path = subject_acts_on(subject);
        return path ? find_below(subject->parent, path) : subject;
}

const Object *decision_connection(const Object *subject) {
        const Object *outermost = NULL;
        for (const Object *object = subject ? patient_of(subject) : NULL; object; object = object->parent)
                if (subject_block(object))
                        outermost = object;
        return outermost;
}

const Object *decision_object(const Object *subject) {
        const char *path = subject ? subject_acts_on(subject) : NULL;
        const Object *object = subject ? patient_of(subject) : NULL;
        return path && object && strcmp(path, object->path) != 0 ? NULL : object;
}

/* True where an object, or what it is in, is a user's. */
static bool is_of(const Object *object, uid_t user) {
        uid_t owner;
        for (; object; object = object->parent)
                if (subject_owner(object, &owner) && owner == user)
                        return true;
        return false;
}

bool decision_is_own(const Object *subject, uid_t user) {
        return is_of(subject, user) || is_of(decision_object(subject), user);
}

bool object_is_public(const Object *object) {
        for (size_t i = 0; i < object->n_blocks; i++)
                if (!object->blocks[i].interface->is_public)
                        return false;
        return true;
}

/* Scopes */

uint64_t scope_key(Scope scope) {
        return scope.object ? scope.object->serial << 1 | scope.owned : 0;
}

GHashTable *scopes_new(void) {
        return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

const char *scope_path(Scope scope) {
        return scope.object ? scope.object->path : "";
}

void scopes_add(GHashTable *scopes, uint64_t key, const char *path) {
        g_hash_table_replace(scopes, g_memdup2(&key, sizeof key), g_strdup(path));
}

bool scopes_have(GHashTable *scopes, uint64_t key) {
        return g_hash_table_contains(scopes, &key);
}

static bool has(GHashTable *scopes, Scope scope) {
        return scopes_have(scopes, scope_key(scope));
}

bool scopes_cover(GHashTable *scopes, const Object *object, uid_t user) {
        if (g_hash_table_size(scopes) == 0)
                return false;
        const Object *subject = decision_subject(object), *connection = decision_connection(subject);
        return has(scopes, (Scope){ .object = subject }) ||
               (connection && (has(scopes, (Scope){ .object = connection }) ||
                               (has(scopes, (Scope){ .object = connection, .owned = true }) && decision_is_own(subject, user))));
}

/* Decisions */

/* True where an object says that a caller may read it. */
static bool names_reader(const Caller *caller, const Object *object) {
        const SubjectInfo *info = subject_info(object);
        const uint8_t *reader = info ? subject_value(object, info->reader) : NULL;
        return reader && pack_uint32(reader) == caller->uid;
}

bool decisions_allow(const Caller *caller, const Object *object) {
        return names_reader(caller, object) || scopes_cover(caller->allowed, object, caller->uid);
}

bool decisions_refuse(const Caller *caller, Scope scope) {
        return has(caller->refused, scope);
}

bool decisions_let_hear(const Caller *caller, const Object *object) {
        return object_is_public(object) || names_reader(caller, object) || scopes_cover(caller->hears, object, caller->uid);
}

unsigned decisions_scopes(const Caller *caller, const Object *object, uint64_t scopes[SCOPES_MAX]) {
        const Object *subject = decision_subject(object), *connection = decision_connection(subject);
        unsigned n = 0;
        if (object_is_public(object) || names_reader(caller, object))
                return 0;
        scopes[n++] = scope_key((Scope){ .object = subject });
        if (connection)
                scopes[n++] = scope_key((Scope){ .object = connection });
        if (connection && decision_is_own(subject, caller->uid))
                scopes[n++] = scope_key((Scope){ .object = connection, .owned = true });
        return n;
}

void decisions_keep(Caller *caller, uint64_t key, const char *path, bool allowed, bool temporary) {
        if (allowed) {
                g_hash_table_remove(caller->refused, &key);
                if (g_hash_table_size(caller->hears) < DECISIONS_PER_CALLER_MAX)
                        scopes_add(caller->hears, key, path);
        }
        if (allowed && temporary)
                return;
        GHashTable *kept = allowed ? caller->allowed : caller->refused;
        if (g_hash_table_size(kept) >= DECISIONS_PER_CALLER_MAX)
                g_hash_table_remove_all(kept);
        scopes_add(kept, key, path);
}
