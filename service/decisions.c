/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decisions.h"

#include "bounds.h"
#include "interfaces.h"

/* Subjects */

/* The nearest object above that has an interface. */
static const Object *object_with(const Object *object, const InterfaceInfo *interface) {
        while (object && !object_block(object, interface))
                object = object->parent;
        return object;
}

const Object *decision_subject(const Object *object) {
        const Object *subject = object_with(object, &interface_job);
        if (!subject)
                subject = object_with(object, &interface_domain);
        return subject ? subject : object_with(object, &interface_connection);
}

/* An object below another one, by its path. */
static const Object *find_below(const Object *object, const char *path) {
        for (const Object *child = object ? object->first_child : NULL; child; child = child->next)
                if (g_str_equal(child->path, path))
                        return child;
        return NULL;
}

const Object *decision_connection(const Object *subject) {
        if (!subject || !object_block(subject, &interface_job))
                return object_with(subject, &interface_connection);
        for (const Object *child = subject->parent ? subject->parent->first_child : NULL; child; child = child->next)
                if (child->source == subject->source && object_block(child, &interface_connection))
                        return child;
        return NULL;
}

const Object *decision_domain(const Object *subject) {
        if (!subject || !object_block(subject, &interface_job))
                return object_with(subject, &interface_domain);
        return find_below(decision_connection(subject), object_string(subject, &interface_job, JOB_OBJECT));
}

bool decision_is_own(const Object *subject, uid_t user) {
        const Object *domain = decision_domain(subject);
        return (subject && object_block(subject, &interface_job) &&
                object_uint32(subject, &interface_job, JOB_STARTED_BY) == user) ||
               (domain && object_uint32(domain, &interface_domain, DOMAIN_OWNER) == user);
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

/* True where a caller began the job that an object is. */
static bool has_begun(const Caller *caller, const Object *object) {
        return object && object_block(object, &interface_job) &&
               object_uint32(object, &interface_job, JOB_STARTED_BY) == caller->uid;
}

bool decisions_allow(const Caller *caller, const Object *object) {
        return has_begun(caller, object) || scopes_cover(caller->allowed, object, caller->uid);
}

bool decisions_refuse(const Caller *caller, Scope scope) {
        return has(caller->refused, scope);
}

bool decisions_let_hear(const Caller *caller, const Object *object) {
        return object_is_public(object) || has_begun(caller, object) || scopes_cover(caller->hears, object, caller->uid);
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
