/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "questions.h"

#include <string.h>

#include "bounds.h"
#include "bus.h"
#include "polkit-names.h"
#include "fair-queue.h"

/* Flags of CheckAuthorization. */
#define ALLOW_USER_INTERACTION 1u

typedef struct Waiter {
        Answered answered;
        void *data;
} Waiter;

typedef struct Question {
        Questions *questions;
        Caller *caller;
        char *action;
        GStrv details; /* name, value, name, ... */
        char *key;     /* what is the same question */
        GArray *waiters;
        Place *place;
        sd_bus_slot *slot; /* while it is out */
        uint64_t number;
        unsigned tries;
        bool interactive;
        bool plain_first; /* a person need not be asked, perhaps, since another question was answered */
} Question;

struct Questions {
        sd_bus *bus;
        FairQueue *queue, *dialogs;
        GHashTable *all;    /* Question */
        GHashTable *by_key; /* those whose answer others may have too */
        uint64_t n_asked;
        void (*on_answerer)(void *data, const char *name);
        void *data;
};

static void send(void *item);

Questions *questions_new(sd_bus *bus, void (*on_answerer)(void *data, const char *name), void *data) {
        Questions *questions = g_new0(Questions, 1);
        *questions = (Questions){
                .bus = bus,
                .queue = fair_queue_new(QUESTIONS_MAX, QUESTIONS_PER_USER_MAX, send),
                .dialogs = fair_queue_new(DIALOGS_MAX, DIALOGS_PER_USER_MAX, send),
                .all = g_hash_table_new(NULL, NULL),
                .by_key = g_hash_table_new(g_str_hash, g_str_equal),
                .on_answerer = on_answerer,
                .data = data,
        };
        return questions;
}

static FairQueue *queue_of(const Question *question) {
        return question->interactive ? question->questions->dialogs : question->questions->queue;
}

static void stop_sharing(Question *question) {
        if (g_hash_table_lookup(question->questions->by_key, question->key) == question)
                g_hash_table_remove(question->questions->by_key, question->key);
}

static void question_free(Question *question) {
        stop_sharing(question);
        g_hash_table_remove(question->questions->all, question);
        sd_bus_slot_unref(question->slot);
        if (question->place)
                place_end(g_steal_pointer(&question->place));
        question->caller->n_dialogs -= question->interactive;
        caller_unref(question->caller);
        g_array_unref(question->waiters);
        g_strfreev(question->details);
        g_free(question->action);
        g_free(question->key);
        g_free(question);
}

static void tell_waiters(Question *question, const Answer *answer) {
        g_autoptr(GArray) waiters = question->waiters;
        question->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        stop_sharing(question);
        for (guint i = 0; i < waiters->len; i++) {
                const Waiter *waiter = &g_array_index(waiters, Waiter, i);
                waiter->answered(waiter->data, answer);
        }
}

static void conclude(Question *question, const Answer *answer) {
        tell_waiters(question, answer);
        question_free(question);
}

/* Waits once more: the answer that came was none. */
static void ask_again(Question *question) {
        question->slot = sd_bus_slot_unref(question->slot);
        place_end(g_steal_pointer(&question->place));
        fair_queue_wait(queue_of(question), &question->place, question->caller->uid,
                        question->interactive ? question->caller : NULL, question);
}

/* The bus refuses questions beyond its own limits, and answers for a polkit that has ended meanwhile: neither is a no. */
static void handle_failure(Question *question, const sd_bus_error *error) {
        FairQueue *queue = queue_of(question);
        bool full = strcmp(error->name, SD_BUS_ERROR_LIMITS_EXCEEDED) == 0;
        bool unanswered = strcmp(error->name, SD_BUS_ERROR_NO_REPLY) == 0;
        Answer answer = { .kind = full ? ANSWER_BUSY : ANSWER_NONE, .reason = error->message };
        question->tries++;
        if (full && fair_queue_taken(queue) > 1 && question->tries < QUESTION_TRIES_MAX) {
                fair_queue_shrink(queue);
                ask_again(question);
        } else if (unanswered && !question->interactive && question->tries == 1)
                ask_again(question);
        else
                conclude(question, &answer);
}

static int read_answer(sd_bus_message *reply, Answer *answer) {
        int authorized, challenge;
        int r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "{ss}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "ss")) > 0) {
                const char *name, *value;
                r = sd_bus_message_read(reply, "ss", &name, &value);
                if (r < 0)
                        break;
                answer->temporary |= strcmp(name, "polkit.temporary_authorization_id") == 0;
                r = sd_bus_message_exit_container(reply);
        }
        if (r >= 0)
                answer->kind = authorized ? ANSWER_YES : challenge ? ANSWER_CHALLENGE : ANSWER_NO;
        return r;
}

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Question *question = data;
        Answer answer = { 0 };
        (void) unused;
        if (sd_bus_message_is_method_error(reply, NULL)) {
                if (question->waiters->len == 0)
                        question_free(question);
                else
                        handle_failure(question, sd_bus_message_get_error(reply));
                return 0;
        }
        fair_queue_grow(queue_of(question));
        question->questions->on_answerer(question->questions->data, sd_bus_message_get_sender(reply));
        int r = read_answer(reply, &answer);
        if (r < 0)
                answer = (Answer){ .kind = ANSWER_NONE, .reason = g_strerror(-r) };
        if (answer.kind == ANSWER_CHALLENGE && question->plain_first && question->waiters->len > 0) {
                question->plain_first = false;
                question->slot = sd_bus_slot_unref(question->slot);
                send(question);
        } else
                conclude(question, &answer);
        return 0;
}

/* Who asks: a name on the bus, or the process at the other end of a connection, which the pidfd names without a doubt (polkit
 * looks at that since 124). */
static int append_subject(sd_bus_message *message, const Caller *caller) {
        const Identity *process = &caller->process;
        if (caller->direct)
                return sd_bus_message_append(message, "(sa{sv})", "unix-process", 4, "pid", "u", (uint32_t) process->pid,
                                             "start-time", "t", process->start_time, "uid", "i", (int32_t) caller->uid, "pidfd",
                                             "h", process->pidfd);
        return sd_bus_message_append(message, "(sa{sv})", "system-bus-name", 1, "name", "s", caller->name);
}

static int append_details(sd_bus_message *message, GStrv details) {
        int r = sd_bus_message_open_container(message, 'a', "{ss}");
        for (size_t i = 0; r >= 0 && details[i]; i += 2)
                r = sd_bus_message_append(message, "{ss}", details[i], details[i + 1]);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static char *cancellation_id(const Question *question) {
        return question->interactive ? g_strdup_printf("%" G_GUINT64_FORMAT, question->number) : g_strdup("");
}

/* It has its place. */
static void send(void *item) {
        Question *question = item;
        sd_bus *bus = question->questions->bus;
        g_autoptr(sd_bus_message) message = NULL;
        g_autofree char *cancellation = cancellation_id(question);
        bool interactive = question->interactive && !question->plain_first;
        int r = sd_bus_message_new_method_call(bus, &message, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r >= 0)
                r = append_subject(message, question->caller);
        if (r >= 0)
                r = sd_bus_message_append(message, "s", question->action);
        if (r >= 0)
                r = append_details(message, question->details);
        if (r >= 0)
                r = sd_bus_message_append(message, "us", interactive ? ALLOW_USER_INTERACTION : 0u, cancellation);
        if (r >= 0)
                r = sd_bus_call_async(bus, &question->slot, message, on_answer, question,
                                      interactive ? AUTHORITY_INTERACTIVE_TIMEOUT : AUTHORITY_TIMEOUT);
        if (r < 0)
                conclude(question, &(Answer){ .kind = ANSWER_NONE, .reason = g_strerror(-r) });
}

/* The same action on the same object by the same caller. A password that is typed counts for the one call. */
static char *make_key(const Caller *caller, const char *action, GStrv details) {
        g_autofree char *rest = g_strjoinv("\n", details);
        return g_strdup_printf("%s\n%s\n%s", caller->name, action, rest);
}

void questions_ask(Questions *questions, Caller *caller, const char *action, GStrv details, bool interactive, Answered answered,
                   void *data) {
        Waiter waiter = { .answered = answered, .data = data };
        g_auto(GStrv) own_details = details;
        g_autofree char *key = make_key(caller, action, details);
        Question *same = interactive ? NULL : g_hash_table_lookup(questions->by_key, key);
        if (same) {
                g_array_append_val(same->waiters, waiter);
                return;
        }
        Question *question = g_new0(Question, 1);
        *question = (Question){
                .questions = questions,
                .caller = caller_ref(caller),
                .action = g_strdup(action),
                .details = g_steal_pointer(&own_details),
                .key = g_steal_pointer(&key),
                .waiters = g_array_new(FALSE, FALSE, sizeof(Waiter)),
                .number = ++questions->n_asked,
                .interactive = interactive,
                .plain_first = interactive && caller->n_dialogs > 0,
        };
        g_array_append_val(question->waiters, waiter);
        caller->n_dialogs += interactive;
        g_hash_table_add(questions->all, question);
        if (!interactive)
                g_hash_table_insert(questions->by_key, question->key, question);
        fair_queue_wait(queue_of(question), &question->place, caller->uid, interactive ? caller : NULL, question);
}

void questions_changed(Questions *questions) {
        GHashTableIter iterator;
        void *question;
        g_hash_table_iter_init(&iterator, questions->by_key);
        while (g_hash_table_iter_next(&iterator, NULL, &question))
                if (((Question *) question)->slot)
                        g_hash_table_iter_remove(&iterator);
}

/* What is out keeps its place until polkit has answered; a dialog is taken away. */
static void cancel(Question *question) {
        sd_bus *bus = question->questions->bus;
        g_autofree char *cancellation = cancellation_id(question);
        tell_waiters(question, &(Answer){ .kind = ANSWER_CANCELLED });
        if (!question->slot)
                question_free(question);
        else if (question->interactive)
                sd_bus_call_method_async(bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CancelCheckAuthorization", NULL,
                                         NULL, "s", cancellation);
}

void questions_cancel(Questions *questions, const Caller *caller) {
        g_autoptr(GList) all = g_hash_table_get_keys(questions->all);
        for (GList *link = all; link; link = link->next)
                if (g_hash_table_contains(questions->all, link->data) && (!caller || ((Question *) link->data)->caller == caller))
                        cancel(link->data);
}

void questions_free(Questions *questions) {
        g_autoptr(GList) all = g_hash_table_get_keys(questions->all);
        for (GList *link = all; link; link = link->next)
                question_free(link->data);
        fair_queue_free(questions->queue);
        fair_queue_free(questions->dialogs);
        g_hash_table_unref(questions->by_key);
        g_hash_table_unref(questions->all);
        g_free(questions);
}
