/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "readers.h"

#include <string.h>

#include "bounds.h"

struct Readers {
        Authority *authority;
        Callers *callers;
        Mirror *mirror;
        const ReadersListener *listener;
        void *data;
        GPtrArray *hearing; /* Caller: who heard of the object that is renewed now */
};

bool readers_may_read(Readers *readers, const Caller *caller, const Object *object, GHashTable *opened) {
        return object_is_public(object) || authority_knows(readers->authority, caller, ACTION_READ, object) ||
               (caller->identified && opened && scopes_cover(opened, object, caller->uid));
}

/* Surveys */

typedef struct Survey {
        Readers *readers;
        Caller *caller;
        GPtrArray *paths;
        char *list;
        bool interactive, asked_person;
        guint at;
        unsigned n_questions, n_restarts;
        uint64_t generation;
        gint64 began;
        GHashTable *asked, *opened; /* scopes */
        uint64_t key;               /* of the scope that is asked for now */
        char *path;
        ReadersSurveyed done;
        void *data;
} Survey;

static void survey_continue(Survey *survey);

static void survey_end(Survey *survey, Verdict verdict) {
        survey->done(survey->data, survey->opened, verdict);
        caller_unref(survey->caller);
        g_ptr_array_unref(survey->paths);
        g_hash_table_unref(survey->asked);
        g_hash_table_unref(survey->opened);
        g_free(survey->list);
        g_free(survey->path);
        g_free(survey);
}

static void on_verdict(void *data, Verdict verdict) {
        Survey *survey = data;
        if (verdict == VERDICT_YES)
                scopes_add(survey->opened, survey->key, survey->path);
        if (survey->caller->gone)
                survey_end(survey, VERDICT_FAILED);
        else if (verdict != VERDICT_YES && (verdict != VERDICT_NO || survey->asked_person))
                survey_end(survey, verdict);
        else
                survey_continue(survey);
}

static void survey_ask(Survey *survey, Scope scope, bool interactive) {
        survey->key = scope_key(scope);
        g_free(survey->path);
        survey->path = g_strdup(scope_path(scope));
        scopes_add(survey->asked, survey->key, survey->path);
        authority_ask(survey->readers->authority, survey->caller, scope, interactive, on_verdict, survey);
}

static bool is_open(const Survey *survey, Scope scope) {
        return !scopes_have(survey->asked, scope_key(scope)) && !decisions_refuse(survey->caller, scope);
}

/* Finds the next question that is to be asked: of a connection that is listed first, though it may have nothing in it now. */
static bool find_question(Survey *survey, Scope *question) {
        const Object *list = survey->list ? mirror_find(survey->readers->mirror, survey->list) : NULL;
        *question = (Scope){ .object = list };
        if (list && decision_connection(list) == list && is_open(survey, *question) &&
            !scopes_have(survey->caller->allowed, scope_key(*question)))
                return true;
        for (; survey->at < survey->paths->len; survey->at++) {
                const Object *object = mirror_find(survey->readers->mirror, survey->paths->pdata[survey->at]);
                if (!object || readers_may_read(survey->readers, survey->caller, object, survey->opened))
                        continue;
                const Object *subject = decision_subject(object), *connection = decision_connection(subject);
                const Scope whole = { .object = connection }, own = { .object = connection, .owned = true },
                            single = { .object = subject };
                *question = whole;
                if (connection && is_open(survey, whole))
                        return true;
                *question = own;
                if (connection && decision_is_own(subject, survey->caller->uid) && is_open(survey, own))
                        return true;
                *question = single;
                if (subject && subject != connection && survey->n_questions < READ_QUESTIONS_MAX && is_open(survey, single)) {
                        survey->n_questions++;
                        return true;
                }
        }
        return false;
}

/* What polkit has said before it said that something has changed does not count. */
static bool is_outdated(Survey *survey) {
        if (survey->generation == authority_generation(survey->readers->authority))
                return false;
        survey->generation = authority_generation(survey->readers->authority);
        g_hash_table_remove_all(survey->asked);
        g_hash_table_remove_all(survey->opened);
        survey->at = survey->n_questions = 0;
        return survey->n_restarts++ < READ_RESTARTS_MAX;
}

/* True where a caller may read nothing of a list that has something in it, and nothing else either. */
static bool opens_nothing(const Survey *survey) {
        for (guint i = 0; i < survey->paths->len; i++) {
                const Object *object = mirror_find(survey->readers->mirror, survey->paths->pdata[i]);
                if (object && readers_may_read(survey->readers, survey->caller, object, survey->opened))
                        return false;
        }
        return survey->paths->len > 0 && g_hash_table_size(survey->caller->hears) == 0;
}

static void survey_continue(Survey *survey) {
        Scope question;
        bool in_time = g_get_monotonic_time() - survey->began < (gint64) AUTHORITY_TIMEOUT;
        if (in_time && find_question(survey, &question)) {
                survey_ask(survey, question, false);
                return;
        }
        if (is_outdated(survey)) {
                survey_continue(survey);
                return;
        }
        const Object *list = survey->list ? mirror_find(survey->readers->mirror, survey->list) : NULL;
        if (survey->interactive && !survey->asked_person && list && decision_connection(list) == list && opens_nothing(survey)) {
                survey->asked_person = true;
                survey_ask(survey, (Scope){ .object = list }, true);
                return;
        }
        if (list)
                scopes_add(survey->caller->follows, scope_key((Scope){ .object = list }), list->path);
        survey_end(survey, VERDICT_YES);
}

void readers_survey(Readers *readers, Caller *caller, GPtrArray *paths, const Object *list, bool interactive,
                    ReadersSurveyed done, void *data) {
        Survey *survey = g_new0(Survey, 1);
        *survey = (Survey){
                .readers = readers,
                .caller = caller_ref(caller),
                .paths = g_ptr_array_ref(paths),
                .list = list ? g_strdup(list->path) : NULL,
                .interactive = interactive,
                .generation = authority_generation(readers->authority),
                .began = g_get_monotonic_time(),
                .asked = scopes_new(),
                .opened = scopes_new(),
                .done = done,
                .data = data,
        };
        survey_continue(survey);
}

/* New objects */

typedef struct Arrival {
        Readers *readers;
        Caller *caller;
        char *path;
        uint64_t serial;
        bool known; /* it could be read before */
} Arrival;

/* Tells a caller of what it could read below an object, and may not any more: of parts first. */
static void withdraw(Readers *readers, Caller *caller, Object *object) {
        for (Object *child = object->last_child, *previous; child; child = previous) {
                previous = child->previous;
                withdraw(readers, caller, child);
        }
        if (!object_is_public(object) && !decisions_let_hear(caller, object))
                readers->listener->withdrawn(readers->data, caller, object);
}

static void on_arrival_verdict(void *data, Verdict verdict) {
        Arrival *arrival = data;
        Object *object = mirror_find(arrival->readers->mirror, arrival->path);
        bool is_due = !arrival->caller->gone && object && object->serial == arrival->serial && verdict != VERDICT_CANCELLED;
        if (is_due && verdict == VERDICT_YES)
                arrival->readers->listener->arrived(arrival->readers->data, arrival->caller, object);
        else if (is_due && arrival->known)
                withdraw(arrival->readers, arrival->caller, object);
        caller_unref(arrival->caller);
        g_free(arrival->path);
        g_free(arrival);
}

/* True where a caller may read single objects of a connection: there is a rule that knows them. */
static bool reads_single_objects(const Caller *caller, const Object *connection) {
        GHashTableIter iterator;
        void *path;
        size_t length = connection ? strlen(connection->path) : 0;
        g_hash_table_iter_init(&iterator, caller->hears);
        while (length > 0 && g_hash_table_iter_next(&iterator, NULL, &path))
                if (strncmp(path, connection->path, length) == 0 && ((const char *) path)[length] == '/')
                        return true;
        return false;
}

static void ask_about(Readers *readers, Caller *caller, const Object *object, bool known) {
        const Object *connection = decision_connection(object);
        const Scope own = { .object = connection, .owned = true }, single = { .object = object };
        bool is_own = connection && decision_is_own(object, caller->uid) && !decisions_refuse(caller, own);
        Arrival *arrival = g_new(Arrival, 1);
        *arrival = (Arrival){
                .readers = readers,
                .caller = caller_ref(caller),
                .path = g_strdup(object->path),
                .serial = object->serial,
                .known = known,
        };
        authority_ask(readers->authority, caller, is_own ? own : single, false, on_arrival_verdict, arrival);
}

typedef struct Addition {
        Readers *readers;
        Object *object;
        GPtrArray *callers; /* who are to be asked about */
} Addition;

static void consider(Caller *caller, void *data) {
        Addition *addition = data;
        const Object *subject = decision_subject(addition->object), *list = addition->object->parent;
        if (caller->identified && list && scopes_have(caller->follows, scope_key((Scope){ .object = list })) &&
            !authority_trusts(addition->readers->authority, caller) && !decisions_let_hear(caller, addition->object) &&
            (decision_is_own(subject, caller->uid) || reads_single_objects(caller, decision_connection(subject))))
                g_ptr_array_add(addition->callers, caller_ref(caller));
}

static void add_who_hears(Caller *caller, void *data) {
        Addition *addition = data;
        if (caller->identified && !authority_trusts(addition->readers->authority, caller) &&
            decisions_let_hear(caller, addition->object))
                g_ptr_array_add(addition->callers, caller_ref(caller));
}

static GPtrArray *choose(Readers *readers, Object *object, void (*each)(Caller *caller, void *data)) {
        GPtrArray *callers = g_ptr_array_new_with_free_func((GDestroyNotify) caller_unref);
        Addition addition = { .readers = readers, .object = object, .callers = callers };
        callers_each(readers->callers, each, &addition);
        return callers;
}

void readers_added(Readers *readers, Object *object) {
        if (decision_subject(object) != object)
                return;
        g_autoptr(GPtrArray) callers = choose(readers, object, consider);
        for (guint i = 0; i < callers->len; i++)
                ask_about(readers, callers->pdata[i], object, false);
}

void readers_renewing(Readers *readers, Object *object) {
        g_clear_pointer(&readers->hearing, g_ptr_array_unref);
        readers->hearing = choose(readers, object, add_who_hears);
}

void readers_renewed(Readers *readers, Object *object) {
        g_autoptr(GPtrArray) before = g_steal_pointer(&readers->hearing);
        mirror_renew(readers->mirror, object);
        g_autoptr(GPtrArray) others = choose(readers, object, consider);
        for (guint i = 0; before && i < before->len; i++)
                if (!decisions_let_hear(before->pdata[i], object))
                        ask_about(readers, before->pdata[i], object, true);
        for (guint i = 0; i < others->len; i++)
                if (!before || !g_ptr_array_find(before, others->pdata[i], NULL))
                        ask_about(readers, others->pdata[i], object, false);
}

/* Who hears of changes */

typedef struct Review {
        Readers *readers;
        Caller *caller;
        GArray *keys;
        guint at;
        bool again;
} Review;

static void review_continue(Review *review);

static void review_end(Review *review) {
        review->caller->review = NULL;
        review->readers->listener->reviewed(review->readers->data, review->caller);
        caller_unref(review->caller);
        g_array_unref(review->keys);
        g_free(review);
}

/* The scope that a key names; false where it names none any more. */
static bool find_scope(Readers *readers, const char *path, uint64_t key, Scope *scope) {
        *scope = (Scope){ .object = path ? mirror_find(readers->mirror, path) : NULL, .owned = key & 1 };
        return scope->object && scope_key(*scope) == key;
}

/* What acts on something in a connection is not below it. */
static void withdraw_acting(Readers *readers, Caller *caller, const Object *connection) {
        Object *manager = connection->parent;
        for (Object *object = manager ? manager->last_child : NULL, *previous; object; object = previous) {
                previous = object->previous;
                if (subject_acts_on(object) && decision_connection(object) == connection)
                        withdraw(readers, caller, object);
        }
}

/* A caller who may not read all of a connection any more, of which polkit is asked about the parts. */
typedef struct Withdrawal {
        Readers *readers;
        Caller *caller;
        char *connection;
} Withdrawal;

static void on_parts_known(void *data, GHashTable *unused, Verdict verdict) {
        Withdrawal *withdrawal = data;
        Object *connection = mirror_find(withdrawal->readers->mirror, withdrawal->connection);
        (void) unused;
        if (connection && !withdrawal->caller->gone && verdict != VERDICT_CANCELLED) {
                withdraw(withdrawal->readers, withdrawal->caller, connection);
                withdraw_acting(withdrawal->readers, withdrawal->caller, connection);
                if (!withdrawal->caller->review)
                        withdrawal->readers->listener->reviewed(withdrawal->readers->data, withdrawal->caller);
        }
        caller_unref(withdrawal->caller);
        g_free(withdrawal->connection);
        g_free(withdrawal);
}

static void withdraw_connection(Readers *readers, Caller *caller, const Object *connection) {
        g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
        for (const Object *child = connection->first_child; child; child = child->next)
                g_ptr_array_add(paths, g_strdup(child->path));
        Withdrawal *withdrawal = g_new(Withdrawal, 1);
        *withdrawal = (Withdrawal){
                .readers = readers,
                .caller = caller_ref(caller),
                .connection = g_strdup(connection->path),
        };
        readers_survey(readers, caller, paths, NULL, false, on_parts_known, withdrawal);
}

/* A caller may not read a scope any more: it is told of what was in it, but for what it may read by another one. */
static void end_hearing(Readers *readers, Caller *caller, uint64_t key) {
        Scope scope;
        bool is_there = find_scope(readers, g_hash_table_lookup(caller->hears, &key), key, &scope);
        g_autoptr(GPtrArray) own = g_ptr_array_new();
        for (Object *child = is_there && scope.owned ? scope.object->first_child : NULL; child; child = child->next)
                if (decision_is_own(decision_subject(child), caller->uid))
                        g_ptr_array_add(own, child);
        g_hash_table_remove(caller->hears, &key);
        if (!is_there || caller->gone)
                return;
        for (guint i = 0; i < own->len; i++)
                withdraw(readers, caller, own->pdata[i]);
        if (!scope.owned && decision_connection(scope.object) == scope.object)
                withdraw_connection(readers, caller, scope.object);
        else if (!scope.owned)
                withdraw(readers, caller, mirror_find(readers->mirror, scope.object->path));
}

static void on_review_verdict(void *data, Verdict verdict) {
        Review *review = data;
        if (verdict == VERDICT_CANCELLED) {
                review_end(review);
                return;
        }
        if (verdict != VERDICT_YES)
                end_hearing(review->readers, review->caller, g_array_index(review->keys, uint64_t, review->at));
        review->at++;
        review_continue(review);
}

static void collect_keys(Review *review) {
        GHashTableIter iterator;
        void *key;
        g_array_set_size(review->keys, 0);
        review->at = 0;
        review->again = false;
        g_hash_table_iter_init(&iterator, review->caller->hears);
        while (g_hash_table_iter_next(&iterator, &key, NULL))
                g_array_append_vals(review->keys, key, 1);
}

static void review_continue(Review *review) {
        if (review->again)
                collect_keys(review);
        for (; !review->caller->gone && review->at < review->keys->len; review->at++) {
                uint64_t *key = &g_array_index(review->keys, uint64_t, review->at);
                Scope scope;
                if (find_scope(review->readers, g_hash_table_lookup(review->caller->hears, key), *key, &scope)) {
                        authority_ask(review->readers->authority, review->caller, scope, false, on_review_verdict, review);
                        return;
                }
                g_hash_table_remove(review->caller->hears, key);
        }
        review_end(review);
}

/* Asks again about what a caller hears. What happens meanwhile is told afterwards, if it may still hear it. */
static void add_to_review(Caller *caller, void *data) {
        Review *review = caller->review;
        if (g_hash_table_size(caller->hears) == 0)
                return;
        if (review) {
                review->again = true;
                return;
        }
        g_ptr_array_add(data, caller_ref(caller));
}

static void on_change(void *data) {
        Readers *readers = data;
        g_autoptr(GPtrArray) callers = g_ptr_array_new_with_free_func((GDestroyNotify) caller_unref);
        callers_each(readers->callers, add_to_review, callers);
        for (guint i = 0; i < callers->len; i++) {
                Review *review = g_new(Review, 1);
                *review = (Review){
                        .readers = readers,
                        .caller = caller_ref(callers->pdata[i]),
                        .keys = g_array_new(false, false, sizeof(uint64_t)),
                        .again = true,
                };
                review->caller->review = review;
                review_continue(review);
        }
}

Readers *readers_new(Authority *authority, Callers *callers, Mirror *mirror, const ReadersListener *listener, void *data) {
        Readers *readers = g_new(Readers, 1);
        *readers = (Readers){ .authority = authority, .callers = callers, .mirror = mirror, .listener = listener, .data = data };
        authority_on_change(authority, on_change, readers);
        return readers;
}

void readers_free(Readers *readers) {
        authority_on_change(readers->authority, NULL, NULL);
        g_clear_pointer(&readers->hearing, g_ptr_array_unref);
        g_free(readers);
}
