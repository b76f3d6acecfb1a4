/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/capabilities.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <systemd/sd-id128.h>

#include "bus.h"
#include "log.h"
#include "qemu/monitor/monitor.h"

struct Capabilities {
        unsigned n_references;
        JsonObject *data;
        char *text;          /* of data: every status file has it, and making it costs a millisecond */
        GHashTable *devices; /* char *; empty before somebody asks */
};

/* A process that was started to be asked; it outlives the question until it has ended. */
typedef struct Asked {
        CapabilitiesCache *cache;
        Process *process;
        bool has_ended, is_let_go;
} Asked;

/* A QEMU that is being asked, one way. */
typedef struct Question {
        struct Inquiry *inquiry;
        bool kvm;
        Asked *asked;
        Monitor *monitor;
        size_t step;
        JsonObject *answers;
        bool failed;
} Question;

/* A binary that is being asked both ways, or waits for that. */
typedef struct Inquiry {
        CapabilitiesCache *cache;
        char *emulator;
        ExecutableIdentity identity;
        Question questions[2]; /* without KVM, with it */
        sd_event_source *timeout;
        GPtrArray *waiting; /* Waiter */
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
        ProcessSetup template;
        char *directory;
        GHashTable *known;     /* emulator -> Capabilities */
        GHashTable *seen;      /* emulator -> Seen */
        GHashTable *inquiries; /* emulator -> Inquiry */
        GQueue waiting;        /* Inquiry: that have not begun */
        unsigned n_asked;      /* that have */
        GPtrArray *ending;     /* Asked: that are being ended */
};

/* Values */

static Capabilities *capabilities_new(JsonObject *data, char *text) {
        Capabilities *capabilities = g_new0(Capabilities, 1);
        capabilities->n_references = 1;
        capabilities->data = data;
        capabilities->text = text;
        capabilities->devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        return capabilities;
}

Capabilities *capabilities_ref(Capabilities *capabilities) {
        capabilities->n_references++;
        return capabilities;
}

void capabilities_unref(Capabilities *capabilities) {
        if (--capabilities->n_references > 0)
                return;
        g_hash_table_unref(capabilities->devices);
        json_object_unref(capabilities->data);
        g_free(capabilities->text);
        g_free(capabilities);
}

const char *capabilities_text(const Capabilities *capabilities) {
        return capabilities->text;
}

Capabilities *capabilities_parse(const char *text) {
        g_autoptr(JsonNode) node = json_parse(text, -1, NULL);
        JsonObject *data = node ? json_node_get_object(node) : NULL;
        bool fine = json_string(data, "version") && json_array(data, "machines") && json_string(data, "devices") &&
                    json_member(data, "cpus");
        return fine ? capabilities_new(json_object_ref(data), g_strdup(text)) : NULL;
}

const char *capabilities_version(const Capabilities *capabilities) {
        return json_string(capabilities->data, "version");
}

static JsonObject *find_machine(const Capabilities *capabilities, const char *name) {
        JsonArray *machines = json_array(capabilities->data, "machines");
        for (guint i = 0; i < json_array_get_length(machines); i++) {
                JsonObject *machine = json_object_at(machines, i);
                if (g_strcmp0(json_string(machine, "name"), name) == 0 || g_strcmp0(json_string(machine, "alias"), name) == 0)
                        return machine;
        }
        return NULL;
}

const char *capabilities_machine(const Capabilities *capabilities, const char *name) {
        return json_string(find_machine(capabilities, name), "name");
}

/* They are a thousand, and a minimal guest has none of them. */
static void index_devices(const Capabilities *capabilities) {
        g_auto(GStrv) names = g_strsplit(json_string(capabilities->data, "devices"), " ", -1);
        for (char **name = names; *name; name++)
                g_hash_table_add(capabilities->devices, g_steal_pointer(name));
}

bool capabilities_has_device(const Capabilities *capabilities, const char *driver) {
        /* Other names that QEMU takes for a type: qdev_alias_table. */
        static const char *const aliases[][2] = {
                { "lsi", "lsi53c895a" },
                { "ahci", "ich9-ahci" },
                { "e1000-82540em", "e1000" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++)
                if (strcmp(driver, aliases[i][0]) == 0)
                        driver = aliases[i][1];
        if (g_hash_table_size(capabilities->devices) == 0)
                index_devices(capabilities);
        return g_hash_table_contains(capabilities->devices, driver);
}

bool capabilities_has_kvm(const Capabilities *capabilities) {
        return json_string(json_member(capabilities->data, "cpus"), "kvm") != NULL;
}

/* The processor models, as keep_cpus has written them. */
static GStrv cpus_of(const Capabilities *capabilities, bool kvm) {
        JsonObject *cpus = json_member(capabilities->data, "cpus");
        const char *found = json_string(cpus, kvm ? "kvm" : "tcg");
        if (!found)
                found = json_string(cpus, "tcg");
        return g_strsplit(found ? found : "", " ", -1);
}

GPtrArray *capabilities_cpus(const Capabilities *capabilities, bool kvm) {
        g_auto(GStrv) cpus = cpus_of(capabilities, kvm);
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        for (char **cpu = cpus; *cpu; cpu++)
                if (**cpu)
                        g_ptr_array_add(names, g_strndup(*cpu, strcspn(*cpu, "|")));
        g_ptr_array_add(names, NULL);
        return names;
}

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

static bool is_of(const Capabilities *capabilities, const ExecutableIdentity *identity) {
        return json_int(capabilities->data, "size", -1) == identity->size &&
               json_int(capabilities->data, "time", -1) == identity->time;
}

Capabilities *capabilities_find(CapabilitiesCache *cache, const char *emulator) {
        Capabilities *known = g_hash_table_lookup(cache->known, emulator);
        const Seen *seen = g_hash_table_lookup(cache->seen, emulator);
        return known && (!seen || (!seen->problem && is_of(known, &seen->identity))) ? known : NULL;
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
                const char *emulator = kept ? json_string(kept->data, "emulator") : NULL;
                if (emulator)
                        keep_known(cache, emulator, g_steal_pointer(&kept));
        }
}

/* Asking */

static const char *const questions_of_tcg[] = { "query-version", "query-target", "query-machines", "qom-list-types",
                                                "query-cpu-definitions" };
static const char *const questions_of_kvm[] = { "query-kvm", "query-cpu-definitions" };

static void next_question(Question *question);
static void begin_inquiries(CapabilitiesCache *cache);

static void asked_free(Asked *asked) {
        process_free(asked->process);
        g_free(asked);
}

static void end_question(Question *question) {
        g_clear_pointer(&question->monitor, monitor_free);
        Asked *asked = g_steal_pointer(&question->asked);
        if (!asked)
                return;
        if (asked->has_ended) {
                asked_free(asked);
                return;
        }
        asked->is_let_go = true;
        g_ptr_array_add(asked->cache->ending, asked);
        process_end(asked->process);
}

static void tell_waiting(const GPtrArray *waiting) {
        for (guint i = 0; i < waiting->len; i++) {
                Waiter *waiter = waiting->pdata[i];
                if (waiter->done)
                        waiter->done(waiter->data);
        }
}

static void inquiry_free(Inquiry *inquiry) {
        for (size_t i = 0; i < G_N_ELEMENTS(inquiry->questions); i++) {
                end_question(inquiry->questions + i);
                g_clear_pointer(&inquiry->questions[i].answers, json_object_unref);
        }
        sd_event_source_disable_unref(inquiry->timeout);
        g_ptr_array_unref(inquiry->waiting);
        g_free(inquiry->emulator);
        g_free(inquiry);
}

/* The plain members of each element of an answer that are kept. Every status file has them: they are few. */
static JsonArray *keep(JsonObject *answers, const char *question, const char *const *members) {
        JsonArray *array = json_array(answers, question), *kept = json_array_new();
        for (guint i = 0; array && i < MIN(json_array_get_length(array), CAPABILITIES_ITEMS_MAX); i++) {
                JsonObject *object = json_object_at(array, i), *copy = json_object_new();
                for (const char *const *member = members; *member; member++) {
                        JsonNode *node = object ? json_object_get_member(object, *member) : NULL;
                        if (node && JSON_NODE_HOLDS_VALUE(node))
                                json_object_set_member(copy, *member, json_node_copy(node));
                }
                json_array_add_object_element(kept, copy);
        }
        return kept;
}

/* The processor models as one text: each is its name, '|', '+' where it lacks nothing here or '-' where it does, and '!' where it
 * is deprecated. */
#define CPU_USABLE '+'
#define CPU_UNUSABLE '-'
#define CPU_DEPRECATED '!'

static char *keep_cpus(JsonObject *answers) {
        JsonArray *array = json_array(answers, "query-cpu-definitions");
        g_autoptr(GString) kept = g_string_new(NULL);
        for (guint i = 0; array && i < MIN(json_array_get_length(array), CAPABILITIES_ITEMS_MAX); i++) {
                JsonObject *model = json_object_at(array, i);
                const char *name = json_string(model, "name");
                JsonArray *missing = json_array(model, "unavailable-features");
                if (!name || strpbrk(name, " |"))
                        continue;
                g_string_append_printf(kept, "%s%s|", kept->len > 0 ? " " : "", name);
                if (missing)
                        g_string_append_c(kept, json_array_get_length(missing) == 0 ? CPU_USABLE : CPU_UNUSABLE);
                if (json_object_get_boolean_member_with_default(model, "deprecated", FALSE))
                        g_string_append_c(kept, CPU_DEPRECATED);
        }
        return g_string_free(g_steal_pointer(&kept), FALSE);
}

/* The names as one text with blanks between them: a thousand strings of JSON would cost each start a millisecond. */
static char *keep_names(JsonObject *answers, const char *question) {
        JsonArray *array = json_array(answers, question);
        g_autoptr(GString) kept = g_string_new(NULL);
        for (guint i = 0; array && i < MIN(json_array_get_length(array), CAPABILITIES_ITEMS_MAX); i++) {
                const char *name = json_string(json_object_at(array, i), "name");
                if (name && !strchr(name, ' '))
                        g_string_append_printf(kept, "%s%s", kept->len > 0 ? " " : "", name);
        }
        return g_string_free(g_steal_pointer(&kept), FALSE);
}

static Capabilities *assemble(Inquiry *inquiry) {
        static const char *const of_machine[] = { "name", "alias", "cpu-max", NULL };
        JsonObject *tcg = inquiry->questions[0].answers, *kvm = inquiry->questions[1].answers;
        JsonObject *version = json_member(json_member(tcg, "query-version"), "qemu"), *cpus = json_object_new();
        g_autofree char *number = g_strdup_printf("%d.%d.%d", (int) json_int(version, "major", 0),
                                                  (int) json_int(version, "minor", 0), (int) json_int(version, "micro", 0));
        JsonObject *data = json_make("emulator", 's', inquiry->emulator, "size", 'i', inquiry->identity.size, "time", 'i',
                                     inquiry->identity.time, "version", 's', number, "target", 's',
                                     json_string(json_member(tcg, "query-target"), "arch"), NULL);
        json_object_set_array_member(data, "machines", keep(tcg, "query-machines", of_machine));
        g_autofree char *devices = keep_names(tcg, "qom-list-types");
        json_add(data, "devices", 's', devices, NULL);
        g_autofree char *emulated = keep_cpus(tcg), *accelerated = keep_cpus(kvm);
        json_add(cpus, "tcg", 's', emulated, NULL);
        JsonObject *has_kvm = json_member(kvm, "query-kvm");
        if (!inquiry->questions[1].failed && has_kvm && json_object_get_boolean_member_with_default(has_kvm, "enabled", FALSE))
                json_add(cpus, "kvm", 's', accelerated, NULL);
        json_add(data, "cpus", 'o', cpus, NULL);
        return capabilities_new(data, json_text(data));
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
                Capabilities *capabilities = assemble(inquiry);
                Writing *writing = g_new0(Writing, 1);
                *writing = (Writing){ .path = file_of(cache, inquiry->emulator), .text = g_strdup(capabilities->text) };
                keep_known(cache, inquiry->emulator, capabilities);
                worker_run(cache->connection->worker, write_file, on_written, writing);
        }
        g_autoptr(GPtrArray) waiting = g_ptr_array_ref(inquiry->waiting);
        g_hash_table_remove(cache->inquiries, inquiry->emulator);
        cache->n_asked--;
        begin_inquiries(cache);
        tell_waiting(waiting);
}

static bool is_answered(const Inquiry *inquiry) {
        for (size_t i = 0; i < G_N_ELEMENTS(inquiry->questions); i++) {
                const Question *question = inquiry->questions + i;
                size_t n = question->kvm ? G_N_ELEMENTS(questions_of_kvm) : G_N_ELEMENTS(questions_of_tcg);
                if (!question->failed && question->step < n)
                        return false;
        }
        return true;
}

static int on_answered(sd_event_source *source, void *data) {
        Inquiry *inquiry = data;
        (void) source;
        for (size_t i = 0; i < G_N_ELEMENTS(inquiry->questions); i++)
                end_question(inquiry->questions + i);
        conclude(inquiry);
        return 0;
}

/* From the loop: a callback of what is freed then may be on the stack. */
static void check_answered(Inquiry *inquiry) {
        if (!is_answered(inquiry))
                return;
        sd_event_source_disable_unref(inquiry->timeout);
        inquiry->timeout = NULL;
        sd_event_add_defer(inquiry->cache->connection->event, &inquiry->timeout, on_answered, inquiry);
}

static void on_answer(void *data, JsonObject *answer, const GError *error) {
        Question *question = data;
        const char *const *names = question->kvm ? questions_of_kvm : questions_of_tcg;
        if (error) {
                question->failed = true;
                check_answered(question->inquiry);
                return;
        }
        json_object_set_member(question->answers, names[question->step],
                               json_node_copy(json_object_get_member(answer, "return")));
        question->step++;
        next_question(question);
}

static void next_question(Question *question) {
        const char *const *names = question->kvm ? questions_of_kvm : questions_of_tcg;
        size_t n = question->kvm ? G_N_ELEMENTS(questions_of_kvm) : G_N_ELEMENTS(questions_of_tcg);
        if (question->step == n) {
                check_answered(question->inquiry);
                return;
        }
        const char *name = names[question->step];
        JsonObject *arguments = strcmp(name, "qom-list-types") == 0
                                                ? json_make("implements", 's', "device", "abstract", 'b', FALSE, NULL)
                                                : NULL;
        monitor_command(question->monitor, name, arguments, -1, on_answer, question);
}

static void on_ready(void *data) {
        next_question(data);
}

static void on_event(void *data, const char *name, JsonObject *arguments) {
        (void) data;
        (void) name;
        (void) arguments;
}

static void on_closed(void *data, const GError *error) {
        Question *question = data;
        (void) error;
        question->failed = true;
        check_answered(question->inquiry);
}

static const MonitorListener listener = { .ready = on_ready, .event = on_event, .closed = on_closed };

static void on_ended(void *data, int status) {
        Asked *asked = data;
        (void) status;
        asked->has_ended = true; /* what it has not answered, its monitor tells */
        if (asked->is_let_go)
                g_ptr_array_remove(asked->cache->ending, asked);
}

static bool ask(Question *question, GError **error) {
        CapabilitiesCache *cache = question->inquiry->cache;
        int pair[2];
        g_autofd int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return virtbus_error_set_errno(error, errno, "%s cannot be asked", question->inquiry->emulator);
        g_autofd int theirs = pair[1];
        g_autofree char *chardev = g_strdup_printf("socket,id=monitor,fd=%d", theirs);
        char *const arguments[] = { question->inquiry->emulator,
                                    "-S",
                                    "-no-user-config",
                                    "-nodefaults",
                                    "-nographic",
                                    "-sandbox",
                                    QEMU_SANDBOX,
                                    "-machine",
                                    question->kvm ? "none,accel=kvm" : "none,accel=tcg",
                                    "-chardev",
                                    chardev,
                                    "-mon",
                                    "chardev=monitor,mode=control",
                                    NULL };
        ProcessSetup setup = cache->template;
        setup.arguments = arguments;
        setup.fds = &theirs;
        setup.n_fds = 1;
        setup.log = log;
        setup.file_size = CAPABILITIES_FILE_BYTES;
        setup.seconds = CAPABILITIES_SECONDS;
        setup.ends_with_us = true;
        question->answers = json_object_new();
        question->monitor = monitor_new(cache->connection->event, pair[0], &listener, question, error);
        if (!question->monitor)
                return false;
        Asked *asked = g_new0(Asked, 1);
        asked->cache = cache;
        asked->process = process_new(cache->connection->event, &setup, on_ended, asked, error);
        if (!asked->process) {
                g_free(asked);
                return false;
        }
        question->asked = asked;
        process_go(asked->process);
        return true;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Inquiry *inquiry = data;
        (void) source;
        (void) usec;
        for (size_t i = 0; i < G_N_ELEMENTS(inquiry->questions); i++) {
                Question *question = inquiry->questions + i;
                size_t n = question->kvm ? G_N_ELEMENTS(questions_of_kvm) : G_N_ELEMENTS(questions_of_tcg);
                question->failed |= question->step < n;
        }
        check_answered(inquiry);
        return 0;
}

static void begin(Inquiry *inquiry) {
        for (size_t i = 0; i < G_N_ELEMENTS(inquiry->questions); i++) {
                g_autoptr(GError) error = NULL;
                Question *question = inquiry->questions + i;
                *question = (Question){ .inquiry = inquiry, .kvm = i == 1 };
                if (!ask(question, &error)) {
                        log_warning("%s", error->message);
                        question->failed = true;
                }
        }
        if (is_answered(inquiry))
                check_answered(inquiry);
        else
                sd_event_add_time_relative(inquiry->cache->connection->event, &inquiry->timeout, CLOCK_MONOTONIC,
                                           CAPABILITIES_TIMEOUT, 0, on_timeout, inquiry);
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
        if (!executable_check(look->emulator, &look->identity, &failure))
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

void capabilities_look(CapabilitiesCache *cache, const char *emulator, CapabilitiesDone done, void *data) {
        Look *look = g_new0(Look, 1);
        *look = (Look){ .cache = cache, .emulator = g_strdup(emulator), .done = done, .data = data };
        worker_run(cache->connection->worker, look_in_worker, on_looked, look);
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

CapabilitiesCache *capabilities_cache_new(Connection *connection, const ProcessSetup *template) {
        CapabilitiesCache *cache = g_new0(CapabilitiesCache, 1);
        cache->connection = connection;
        cache->template = *template;
        cache->directory = g_build_filename(connection->state_directory, "capabilities", NULL);
        cache->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) capabilities_unref);
        cache->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) seen_free);
        cache->inquiries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) inquiry_free);
        cache->ending = g_ptr_array_new_with_free_func((GDestroyNotify) asked_free);
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
        g_ptr_array_unref(cache->ending);
        g_free(cache->directory);
        g_free(cache);
}

/* libvirt's documents */

static void set_yes(xmlNode *element, const char *name, bool yes) {
        xml_set_attribute(element, name, yes ? "yes" : "no");
}

static bool is_32_bit(const Capabilities *capabilities) {
        return g_strcmp0(json_string(capabilities->data, "target"), "i386") == 0;
}

static void add_guest(xmlNode *root, const Capabilities *capabilities, const char *emulator) {
        xmlNode *guest = xml_add(root, "guest", NULL), *arch;
        JsonArray *machines = json_array(capabilities->data, "machines");
        xml_add(guest, "os_type", "hvm");
        arch = xml_add(guest, "arch", NULL);
        xml_set_attribute(arch, "name", is_32_bit(capabilities) ? "i686" : json_string(capabilities->data, "target"));
        xml_add(arch, "wordsize", is_32_bit(capabilities) ? "32" : "64");
        xml_add(arch, "emulator", emulator);
        for (guint i = 0; i < json_array_get_length(machines); i++) {
                JsonObject *machine = json_object_at(machines, i);
                const char *names[] = { json_string(machine, "name"), json_string(machine, "alias") };
                for (size_t which = 0; which < G_N_ELEMENTS(names) && names[0] && strcmp(names[0], "none") != 0; which++) {
                        if (!names[which])
                                continue;
                        xmlNode *element = xml_add(arch, "machine", names[which]);
                        if (which == 1)
                                xml_set_attribute(element, "canonical", names[0]);
                        xml_set_number(element, "maxCpus", json_int(machine, "cpu-max", 1));
                }
        }
        xml_set_attribute(xml_add(arch, "domain", NULL), "type", "qemu");
        if (capabilities_has_kvm(capabilities))
                xml_set_attribute(xml_add(arch, "domain", NULL), "type", "kvm");
        xmlNode *features = xml_add(guest, "features", NULL), *acpi = xml_add(features, "acpi", NULL);
        xml_set_attribute(acpi, "default", "on");
        xml_set_attribute(acpi, "toggle", "yes");
        xml_add(features, "pae", NULL);
}

/* SMBIOS' UUID is for root alone; systemd's machine ID stands for it. */
static void add_host(xmlNode *root) {
        xmlNode *host = xml_add(root, "host", NULL), *cpu;
        struct utsname system;
        sd_id128_t id;
        if (sd_id128_get_machine_app_specific(SD_ID128_MAKE(0b, 5e, 7d, 1c, 6c, 3f, 4e, 0a, 9d, 21, 55, 0f, 3a, 77, 42, e8),
                                              &id) >= 0)
                xml_add(host, "uuid", SD_ID128_TO_UUID_STRING(id));
        cpu = xml_add(host, "cpu", NULL);
        if (uname(&system) == 0)
                xml_add(cpu, "arch", system.machine);
        xmlNode *topology = xml_add(cpu, "topology", NULL);
        xml_set_number(topology, "sockets", 1);
        xml_set_number(topology, "cores", g_get_num_processors());
        xml_set_number(topology, "threads", 1);
}

char *capabilities_host_xml(CapabilitiesCache *cache, const char *const *emulators) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "capabilities", NULL);
        xmlDocSetRootElement(document, root);
        add_host(root);
        for (const char *const *emulator = emulators; *emulator; emulator++) {
                const Capabilities *capabilities = capabilities_find(cache, *emulator);
                if (capabilities)
                        add_guest(root, capabilities, *emulator);
        }
        return xml_document_text(document);
}

/* One value of an enumeration, where QEMU has the device that it needs. */
typedef struct Choice {
        const char *value, *device; /* NULL: always there */
} Choice;

typedef struct Enumeration {
        const char *element, *name;
        Choice choices[14];
} Enumeration;

static const Enumeration enumerations[] = {
        { "disk", "diskDevice", { { "disk", NULL }, { "cdrom", NULL }, { "floppy", "floppy" }, { "lun", "scsi-block" } } },
        { "disk",
          "bus",
          { { "ide", "ide-hd" },
            { "fdc", "floppy" },
            { "scsi", "scsi-hd" },
            { "virtio", "virtio-blk-pci" },
            { "usb", "usb-storage" },
            { "sata", "ahci" } } },
        { "disk", "model", { { "virtio", NULL }, { "virtio-transitional", NULL }, { "virtio-non-transitional", NULL } } },
        { "graphics", "type", { { "vnc", NULL }, { "spice", "qxl" }, { "egl-headless", NULL }, { "dbus", NULL } } },
        { "video",
          "modelType",
          { { "vga", "VGA" },
            { "cirrus", "cirrus-vga" },
            { "vmvga", "vmware-svga" },
            { "qxl", "qxl-vga" },
            { "virtio", "virtio-gpu-pci" },
            { "none", NULL },
            { "bochs", "bochs-display" },
            { "ramfb", "ramfb" } } },
        { "hostdev", "mode", { { "subsystem", NULL } } },
        { "hostdev", "subsysType", { { "usb", "usb-host" }, { "pci", "vfio-pci" }, { "scsi", "scsi-generic" } } },
        { "rng",
          "model",
          { { "virtio", "virtio-rng-pci" },
            { "virtio-transitional", "virtio-rng-pci" },
            { "virtio-non-transitional", "virtio-rng-pci" } } },
        { "rng", "backendModel", { { "random", NULL }, { "egd", NULL }, { "builtin", NULL } } },
        { "filesystem", "driverType", { { "path", "virtio-9p-pci" }, { "virtiofs", "vhost-user-fs-pci" } } },
        { "tpm", "model", { { "tpm-tis", "tpm-tis" }, { "tpm-crb", "tpm-crb" } } },
        { "tpm", "backendModel", { { "external", NULL } } },
        { "redirdev", "bus", { { "usb", "usb-redir" } } },
        { "channel", "type", { { "pty", NULL }, { "unix", NULL }, { "spicevmc", "qxl" } } },
};

static void add_choices(xmlNode *parent, const Enumeration *enumeration, const Capabilities *capabilities) {
        xmlNode *element = xml_add(parent, "enum", NULL);
        xml_set_attribute(element, "name", enumeration->name);
        for (const Choice *choice = enumeration->choices; choice->value; choice++)
                if (!choice->device || capabilities_has_device(capabilities, choice->device))
                        xml_add(element, "value", choice->value);
}

static void add_mode(xmlNode *cpu, const char *name, bool supported) {
        xmlNode *mode = xml_add(cpu, "mode", NULL);
        xml_set_attribute(mode, "name", name);
        set_yes(mode, "supported", supported);
}

static void add_cpus(xmlNode *root, const Capabilities *capabilities, bool kvm) {
        xmlNode *cpu = xml_add(root, "cpu", NULL), *custom;
        g_auto(GStrv) cpus = cpus_of(capabilities, kvm);
        add_mode(cpu, "host-passthrough", kvm);
        add_mode(cpu, "maximum", true);
        add_mode(cpu, "host-model", true);
        custom = xml_add(cpu, "mode", NULL);
        xml_set_attribute(custom, "name", "custom");
        set_yes(custom, "supported", true);
        for (char **model = cpus; *model; model++) {
                const char *flags = strchr(*model, '|');
                g_autofree char *name = flags ? g_strndup(*model, (gsize) (flags - *model)) : NULL;
                if (!name || strcmp(name, "host") == 0 || strcmp(name, "max") == 0 || strcmp(name, "base") == 0)
                        continue;
                xmlNode *element = xml_add(custom, "model", name);
                if (strpbrk(flags, "+-"))
                        set_yes(element, "usable", strchr(flags, CPU_USABLE));
                else
                        xml_set_attribute(element, "usable", "unknown");
                set_yes(element, "deprecated", strchr(flags, CPU_DEPRECATED));
        }
}

char *capabilities_domain_xml(const Capabilities *capabilities, const char *emulator, const char *name, bool kvm,
                              GError **error) {
        static const char *const elements[] = { "disk",       "graphics", "video",    "hostdev", "rng",
                                                "filesystem", "tpm",      "redirdev", "channel" };
        JsonObject *machine = find_machine(capabilities, name);
        if (!machine) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "%s (QEMU %s) has no machine '%.64s'", emulator,
                                  capabilities_version(capabilities), name);
                return NULL;
        }
        if (kvm && !capabilities_has_kvm(capabilities)) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "%s cannot use KVM on this host; use qemu", emulator);
                return NULL;
        }
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "domainCapabilities", NULL), *os, *devices;
        xmlDocSetRootElement(document, root);
        xml_add(root, "path", emulator);
        xml_add(root, "domain", kvm ? "kvm" : "qemu");
        xml_add(root, "machine", json_string(machine, "name"));
        xml_add(root, "arch", is_32_bit(capabilities) ? "i686" : json_string(capabilities->data, "target"));
        xml_set_number(xml_add(root, "vcpu", NULL), "max", json_int(machine, "cpu-max", 1));
        set_yes(xml_add(root, "iothreads", NULL), "supported", true);
        os = xml_add(root, "os", NULL);
        set_yes(os, "supported", true);
        set_yes(xml_add(os, "loader", NULL), "supported", true);
        add_cpus(root, capabilities, kvm);
        devices = xml_add(root, "devices", NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(elements); i++) {
                xmlNode *element = xml_add(devices, elements[i], NULL);
                set_yes(element, "supported", true);
                for (size_t j = 0; j < G_N_ELEMENTS(enumerations); j++)
                        if (strcmp(enumerations[j].element, elements[i]) == 0)
                                add_choices(element, enumerations + j, capabilities);
        }
        xmlNode *features = xml_add(root, "features", NULL);
        set_yes(xml_add(features, "vmcoreinfo", NULL), "supported", capabilities_has_device(capabilities, "vmcoreinfo"));
        set_yes(xml_add(features, "genid", NULL), "supported", capabilities_has_device(capabilities, "vmgenid"));
        return xml_document_text(document);
}

char *capabilities_default_emulator(const char *architecture) {
        return g_strdup_printf("/usr/bin/qemu-system-%s", strcmp(architecture, "i686") == 0 ? "i386" : architecture);
}
