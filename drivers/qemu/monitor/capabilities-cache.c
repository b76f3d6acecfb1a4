/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/capabilities-cache.h"

#include <errno.h>
#include <string.h>

#include "bus.h"
#include "domain/user-work.h"
#include "log.h"
#include "qemu/monitor/interview.h"

/* A QEMU that is being asked, one way. */
typedef struct Question {
        struct Inquiry *inquiry;
        bool kvm;
        Interview *interview; /* NULL: it is over */
        size_t step;
        JsonObject *answers;
        bool failed;
} Question;

/* A binary that is being asked both ways, or waits for that. */
typedef struct Inquiry {
        CapabilitiesCache *cache;
        char *emulator;
        ExecutableIdentity identity;
        Question questions[2];       /* without KVM, with it */
        sd_event_source *conclusion; /* neither has begun */
        GPtrArray *waiting;          /* Waiter */
} Inquiry;

typedef struct Waiter {
        CapabilitiesDone done;
        void *data;
} Waiter;

/* A binary, as it was when it was last looked at. */
typedef struct Seen {
        ExecutableIdentity identity;
        GError *problem; /* why it is not run, or NULL */
        bool is_silent;  /* it has been asked in vain */
} Seen;

struct CapabilitiesCache {
        Connection *connection;
        Interviews *interviews;
        char *directory;
        GHashTable *known;     /* emulator -> Capabilities */
        GHashTable *seen;      /* emulator -> Seen */
        GHashTable *inquiries; /* emulator -> Inquiry */
        GQueue waiting;        /* Inquiry: that have not begun */
        unsigned n_asked;      /* that have */
};

/* Files: the binary's size and time are in them. */

static char *file_of(const CapabilitiesCache *cache, const char *emulator) {
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, emulator, -1);
        return g_strdup_printf("%s/%.32s.json", cache->directory, digest);
}

static void seen_free(Seen *seen) {
        g_clear_error(&seen->problem);
        g_free(seen);
}

static bool is_same(const ExecutableIdentity *one, const ExecutableIdentity *other) {
        return one->size == other->size && one->time == other->time;
}

Capabilities *capabilities_find(CapabilitiesCache *cache, const char *emulator) {
        Capabilities *known = g_hash_table_lookup(cache->known, emulator);
        const Seen *seen = g_hash_table_lookup(cache->seen, emulator);
        return known && (!seen || (!seen->problem && capabilities_is_of(known, &seen->identity))) ? known : NULL;
}

const GError *capabilities_problem(const CapabilitiesCache *cache, const char *emulator) {
        const Seen *seen = g_hash_table_lookup(cache->seen, emulator);
        return seen ? seen->problem : NULL;
}

static void forget_some(GHashTable *table) {
        if (g_hash_table_size(table) >= CAPABILITIES_KNOWN_MAX)
                g_hash_table_remove_all(table);
}

/* Keeps what a worker has seen of a binary. */
static Seen *keep_seen(CapabilitiesCache *cache, const char *emulator, const ExecutableIdentity *identity,
                       const GError *problem) {
        Seen *seen = g_hash_table_lookup(cache->seen, emulator);
        if (!seen) {
                forget_some(cache->seen);
                seen = g_new0(Seen, 1);
                g_hash_table_insert(cache->seen, g_strdup(emulator), seen);
        }
        seen->is_silent = seen->is_silent && is_same(&seen->identity, identity);
        seen->identity = *identity;
        g_clear_error(&seen->problem);
        seen->problem = problem ? g_error_copy(problem) : NULL;
        return seen;
}

static void keep_known(CapabilitiesCache *cache, const char *emulator, Capabilities *capabilities) {
        forget_some(cache->known);
        g_hash_table_insert(cache->known, g_strdup(emulator), capabilities);
}

/* What earlier drivers have learnt. */
static void load_known(CapabilitiesCache *cache) {
        g_autoptr(GDir) listing = g_dir_open(cache->directory, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(cache->directory, name, NULL), *text = NULL;
                g_autoptr(Capabilities) kept = g_str_has_suffix(name, ".json") && g_file_get_contents(path, &text, NULL, NULL)
                                                               ? capabilities_parse(text)
                                                               : NULL;
                const char *emulator = kept ? json_string(capabilities_data(kept), "emulator") : NULL;
                if (emulator && capabilities_knows_features(kept))
                        keep_known(cache, emulator, g_steal_pointer(&kept));
        }
}

/* Asking */

/* The features of processors: asked of a type, where there is one that has all. */
#define FEATURES "device-list-properties"

static const char *const questions_of_tcg[] = { "query-version",  "query-target",          "query-machines",
                                                "qom-list-types", "query-cpu-definitions", FEATURES };
static const char *const questions_of_kvm[] = { "query-kvm", "query-cpu-definitions" };

static void begin_inquiries(CapabilitiesCache *cache);

static void tell_waiting(const GPtrArray *waiting) {
        for (guint i = 0; i < waiting->len; i++) {
                Waiter *waiter = waiting->pdata[i];
                if (waiter->done)
                        waiter->done(waiter->data);
        }
}

static void inquiry_free(Inquiry *inquiry) {
        for (size_t i = 0; i < G_N_ELEMENTS(inquiry->questions); i++) {
                g_clear_pointer(&inquiry->questions[i].interview, interview_end);
                g_clear_pointer(&inquiry->questions[i].answers, json_object_unref);
        }
        sd_event_source_disable_unref(inquiry->conclusion);
        g_ptr_array_unref(inquiry->waiting);
        g_free(inquiry->emulator);
        g_free(inquiry);
}

typedef struct Writing {
        char *path, *text;
} Writing;

static void write_file(void *data, GError **error) {
        Writing *writing = data;
        g_file_set_contents_full(writing->path, writing->text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

static void on_written(void *data, const GError *error) {
        Writing *writing = data;
        if (error)
                log_warning("what a QEMU can do is not kept: %s", error->message);
        g_free(writing->path);
        g_free(writing->text);
        g_free(writing);
}

/* Both ways are answered, or have failed. */
static void conclude(Inquiry *inquiry) {
        CapabilitiesCache *cache = inquiry->cache;
        Seen *seen = g_hash_table_lookup(cache->seen, inquiry->emulator);
        if (inquiry->questions[0].failed) {
                log_warning("%s does not say what it can do; is it a QEMU?", inquiry->emulator);
                if (seen)
                        seen->is_silent = is_same(&seen->identity, &inquiry->identity);
        } else {
                Capabilities *capabilities =
                                capabilities_make(inquiry->emulator, &inquiry->identity, inquiry->questions[0].answers,
                                                  inquiry->questions[1].failed ? NULL : inquiry->questions[1].answers);
                Writing *writing = g_new0(Writing, 1);
                *writing = (Writing){ .path = file_of(cache, inquiry->emulator),
                                      .text = g_strdup(capabilities_text(capabilities)) };
                keep_known(cache, inquiry->emulator, capabilities);
                worker_run(cache->connection->worker, write_file, on_written, writing);
        }
        g_autoptr(GPtrArray) waiting = g_ptr_array_ref(inquiry->waiting);
        g_hash_table_remove(cache->inquiries, inquiry->emulator);
        cache->n_asked--;
        begin_inquiries(cache);
        tell_waiting(waiting);
}

static size_t n_questions(const Question *question) {
        return question->kvm ? G_N_ELEMENTS(questions_of_kvm) : G_N_ELEMENTS(questions_of_tcg);
}

static const char *question_name(const Question *question) {
        return question->kvm ? questions_of_kvm[question->step] : questions_of_tcg[question->step];
}

static const char *next_question(void *data, JsonObject **arguments) {
        Question *question = data;
        const char *type = capabilities_feature_type(json_string(json_member(question->answers, "query-target"), "arch"));
        if (question->step < n_questions(question) && strcmp(question_name(question), FEATURES) == 0 && !type)
                question->step++;
        if (question->step == n_questions(question))
                return NULL;
        const char *name = question_name(question);
        *arguments = strcmp(name, "qom-list-types") == 0 ? json_make("implements", 's', "device", "abstract", 'b', FALSE, NULL)
                     : strcmp(name, FEATURES) == 0       ? json_make("typename", 's', type, NULL)
                                                         : NULL;
        return name;
}

static bool on_answer(void *data, JsonNode *answer, const GError *error) {
        Question *question = data;
        if (error)
                return false;
        json_object_set_member(question->answers, question_name(question), json_node_copy(answer));
        question->step++;
        return true;
}

static void on_over(void *data, bool failed) {
        Question *question = data;
        question->interview = NULL;
        question->failed = failed;
        if (!question->inquiry->questions[0].interview && !question->inquiry->questions[1].interview)
                conclude(question->inquiry);
}

static const InterviewListener listener = { .next = next_question, .answered = on_answer, .over = on_over };

static int on_none(sd_event_source *source, void *data) {
        (void) source;
        conclude(data);
        return 0;
}

static void begin(Inquiry *inquiry) {
        for (size_t i = 0; i < G_N_ELEMENTS(inquiry->questions); i++) {
                g_autoptr(GError) error = NULL;
                Question *question = inquiry->questions + i;
                *question = (Question){ .inquiry = inquiry, .kvm = i == 1, .answers = json_object_new() };
                question->interview = interview_begin(inquiry->cache->interviews, inquiry->emulator, question->kvm, &listener,
                                                      question, &error);
                question->failed = !question->interview;
                if (error)
                        log_warning("%s", error->message);
        }
        if (!inquiry->questions[0].interview && !inquiry->questions[1].interview)
                sd_event_add_defer(inquiry->cache->connection->event, &inquiry->conclusion, on_none, inquiry);
}

static void begin_inquiries(CapabilitiesCache *cache) {
        while (cache->n_asked < CAPABILITIES_ASKED_MAX && !g_queue_is_empty(&cache->waiting)) {
                cache->n_asked++;
                begin(g_queue_pop_head(&cache->waiting));
        }
}

/* Asks a binary, unless that is being done. */
static void request(CapabilitiesCache *cache, const char *emulator, const ExecutableIdentity *identity, CapabilitiesDone done,
                    void *data) {
        Inquiry *inquiry = g_hash_table_lookup(cache->inquiries, emulator);
        Waiter *waiter = g_new0(Waiter, 1);
        *waiter = (Waiter){ done, data };
        if (!inquiry) {
                inquiry = g_new0(Inquiry, 1);
                *inquiry = (Inquiry){ .cache = cache,
                                      .emulator = g_strdup(emulator),
                                      .identity = *identity,
                                      .waiting = g_ptr_array_new_with_free_func(g_free) };
                g_hash_table_insert(cache->inquiries, inquiry->emulator, inquiry);
                g_queue_push_tail(&cache->waiting, inquiry);
        }
        g_ptr_array_add(inquiry->waiting, waiter);
        begin_inquiries(cache);
}

bool capabilities_see(CapabilitiesCache *cache, const char *emulator, const ExecutableIdentity *identity) {
        return keep_seen(cache, emulator, identity, NULL)->is_silent || capabilities_find(cache, emulator);
}

bool capabilities_learn(CapabilitiesCache *cache, const char *emulator, const ExecutableIdentity *identity, CapabilitiesDone done,
                        void *data) {
        if (capabilities_see(cache, emulator, identity))
                return true;
        request(cache, emulator, identity, done, data);
        return false;
}

/* A binary that a worker looks at. */
typedef struct Look {
        CapabilitiesCache *cache;
        char *emulator;
        ExecutableIdentity identity;
        CapabilitiesDone done;
        void *data;
} Look;

static void look_in_worker(void *data, GError **error) {
        Look *look = data;
        g_autoptr(GError) failure = NULL;
        const char *package = capabilities_package(look->emulator);
        if (executable_check(look->emulator, &look->identity, &failure))
                return;
        if (package)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s; Debian has it in the package %s", failure->message,
                                  package);
        else
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "%s, or leave out <emulator>: this host's own QEMU is run then", failure->message);
}

static void on_looked(void *data, const GError *error) {
        Look *look = data;
        bool known = true;
        if (error)
                keep_seen(look->cache, look->emulator, &look->identity, error);
        else
                known = capabilities_learn(look->cache, look->emulator, &look->identity, look->done, look->data);
        if (known)
                look->done(look->data);
        g_free(look->emulator);
        g_free(look);
}

void capabilities_look(CapabilitiesCache *cache, const char *emulator, uid_t user, CapabilitiesDone done, void *data) {
        Look *look = g_new0(Look, 1);
        *look = (Look){ .cache = cache, .emulator = g_strdup(emulator), .done = done, .data = data };
        user_work_run(cache->connection, user, look_in_worker, on_looked, look);
}

void capabilities_forget(CapabilitiesCache *cache, const void *data) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, cache->inquiries);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Inquiry *inquiry = value;
                for (guint i = 0; i < inquiry->waiting->len; i++)
                        if (((Waiter *) inquiry->waiting->pdata[i])->data == data)
                                ((Waiter *) inquiry->waiting->pdata[i])->done = NULL;
        }
}

CapabilitiesCache *capabilities_cache_new(Connection *connection, Interviews *interviews) {
        CapabilitiesCache *cache = g_new0(CapabilitiesCache, 1);
        cache->connection = connection;
        cache->interviews = interviews;
        cache->directory = g_build_filename(connection->state_directory, "capabilities", NULL);
        cache->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) capabilities_unref);
        cache->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) seen_free);
        cache->inquiries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) inquiry_free);
        if (g_mkdir_with_parents(cache->directory, 0700) < 0)
                log_warning("directory %s cannot be made: what QEMUs can do is asked again each time", cache->directory);
        load_known(cache);
        return cache;
}

/* Those who wait are told, so that they free what they have: nothing more is known. */
void capabilities_cache_free(CapabilitiesCache *cache) {
        g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func((GDestroyNotify) g_ptr_array_unref);
        GHashTableIter iterator;
        void *inquiry;
        g_hash_table_iter_init(&iterator, cache->inquiries);
        while (g_hash_table_iter_next(&iterator, NULL, &inquiry))
                g_ptr_array_add(lists, g_ptr_array_ref(((Inquiry *) inquiry)->waiting));
        g_queue_clear(&cache->waiting);
        g_hash_table_remove_all(cache->inquiries);
        for (guint i = 0; i < lists->len; i++)
                tell_waiting(lists->pdata[i]);
        g_hash_table_unref(cache->inquiries);
        g_hash_table_unref(cache->known);
        g_hash_table_unref(cache->seen);
        g_free(cache->directory);
        g_free(cache);
}
