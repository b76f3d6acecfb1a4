/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authority.h"

#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "bounds.h"
#include "errors.h"
#include "interfaces.h"
#include "polkit-names.h"
#include "questions.h"

struct Authority {
        sd_bus *bus;
        Callers *callers;
        Questions *questions;
        bool own_user;
        sd_bus_slot *changed; /* the match for polkit's signal */
};

static void forget(Authority *authority) {
        callers_forget_decisions(authority->callers);
        questions_changed(authority->questions);
}

static int on_changed(sd_bus_message *signal, void *data, sd_bus_error *error) {
        (void) signal;
        (void) error;
        forget(data);
        return 0;
}

Authority *authority_new(sd_bus *bus, Callers *callers, bool own_user) {
        Authority *authority = g_new0(Authority, 1);
        *authority = (Authority){ .bus = bus, .callers = callers, .questions = questions_new(bus), .own_user = own_user };
        if (!own_user)
                sd_bus_match_signal_async(bus, &authority->changed, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "Changed",
                                          on_changed, NULL, authority);
        return authority;
}

void authority_free(Authority *authority) {
        sd_bus_slot_unref(authority->changed);
        questions_free(authority->questions);
        g_free(authority);
}

void authority_service_changed(Authority *authority) {
        forget(authority);
}

void authority_cancel(Authority *authority, const Caller *caller) {
        questions_cancel(authority->questions, caller);
}

static bool needs_no_leave(Authority *authority, const Caller *caller) {
        return caller->uid == 0 || (authority->own_user && caller->uid == getuid());
}

/* The nearest object above that has an interface. */
static const Object *object_with(const Object *object, const InterfaceInfo *interface) {
        while (object && !object_block(object, interface))
                object = object->parent;
        return object;
}

/* What a decision is about: the job, else the domain, else the connection; NULL for the service itself. */
static const Object *subject_of_decision(const Object *object) {
        const Object *subject = object_with(object, &interface_job);
        if (!subject)
                subject = object_with(object, &interface_domain);
        return subject ? subject : object_with(object, &interface_connection);
}

/* Decisions are kept by object path; "" stands for the service. */
static const char *decision_key(const Object *subject) {
        return subject ? subject->path : "";
}

static bool is_read(const char *action) {
        return strcmp(action, ACTION_READ) == 0;
}

bool authority_knows(Authority *authority, const Caller *caller, const char *action, const Object *object) {
        if (!caller->identified)
                return false;
        if (needs_no_leave(authority, caller))
                return true;
        if (!is_read(action))
                return false;
        const Object *connection = object_with(object, &interface_connection);
        return (connection && g_hash_table_contains(caller->decisions, connection->path)) ||
               g_hash_table_contains(caller->decisions, decision_key(subject_of_decision(object)));
}

/* A call that waits for polkit. Whoever may read a connection may read all that is in it, so that reading a thousand domains
 * asks once: a read is asked for the connection first, and for the domain where that is refused. */
typedef struct Check {
        Authority *authority;
        Caller *caller;
        sd_bus_message *call;
        const char *action;
        struct {
                GStrv details;
                char *key; /* what a decision to read is kept as */
                bool interactive;
        } questions[2];
        unsigned n_questions, at;
        char *target; /* for messages */
        AuthorityDone done;
        void *data;
} Check;

static void check_free(Check *check) {
        for (unsigned i = 0; i < check->n_questions; i++) {
                g_strfreev(check->questions[i].details);
                g_free(check->questions[i].key);
        }
        caller_unref(check->caller);
        sd_bus_message_unref(check->call);
        g_free(check->target);
        g_free(check);
}

static void check_end(Check *check, const sd_bus_error *error) {
        check->done(check->data, error);
        check_free(check);
}

static void deny(Check *check, const char *name, const char *format, const char *argument) {
        g_autofree char *reason = g_strdup_printf(format, argument);
        g_autofree char *message = g_strdup_printf("%s of %s is not authorized (polkit action %s): %s",
                                                   sd_bus_message_get_member(check->call), check->target, check->action, reason);
        check_end(check, &SD_BUS_ERROR_MAKE_CONST(name, message));
}

static void ask(Check *check);

static void on_answer(void *data, const Answer *answer) {
        Check *check = data;
        bool more = check->at + 1 < check->n_questions;
        switch (answer->kind) {
        case ANSWER_YES:
                /* A password that was typed counts for a while only, and polkit does not say when that ends. */
                if (is_read(check->action) && !answer->temporary && !check->caller->gone) {
                        if (g_hash_table_size(check->caller->decisions) >= DECISIONS_PER_CALLER_MAX)
                                g_hash_table_remove_all(check->caller->decisions);
                        g_hash_table_add(check->caller->decisions, g_steal_pointer(&check->questions[check->at].key));
                }
                check_end(check, NULL);
                return;
        case ANSWER_NO:
        case ANSWER_CHALLENGE:
                if (more) {
                        check->at++;
                        ask(check);
                } else if (answer->kind == ANSWER_CHALLENGE)
                        deny(check, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                             "%s; call again with interactive authorization allowed, or ask an administrator for a rule",
                             "a password is required");
                else
                        deny(check, SD_BUS_ERROR_ACCESS_DENIED, "%s; ask an administrator for a rule", "polkit refuses it");
                return;
        case ANSWER_BUSY:
                deny(check, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED), "polkit has too many questions (%s); call again",
                     answer->reason);
                return;
        case ANSWER_NONE:
                deny(check, SD_BUS_ERROR_ACCESS_DENIED, "polkit gave no answer (%s); see that its service runs", answer->reason);
                return;
        case ANSWER_CANCELLED:
                deny(check, virtbus_error_name(VIRTBUS_ERROR_CANCELLED), "%s", "virtbusd is ending, or its caller has left");
                return;
        }
}

/* What polkit's rules are told: names and values. */
static GStrv make_details(const Caller *caller, const Object *subject) {
        const char *connection = NULL, *name = NULL, *uuid = NULL, *operation = NULL;
        bool owned = false;
        uint32_t owner = 0;
        if (subject && object_block(subject, &interface_job)) {
                operation = object_string(subject, &interface_job, JOB_OPERATION);
                owned = object_uint32(subject, &interface_job, JOB_STARTED_BY) == caller->uid;
        } else if (subject) {
                connection = object_string(subject, &interface_connection, CONNECTION_NAME);
                name = object_string(subject, &interface_domain, DOMAIN_NAME);
        }
        if (name) {
                uuid = object_string(subject, &interface_domain, DOMAIN_UUID);
                owner = object_uint32(subject, &interface_domain, DOMAIN_OWNER);
                owned = owner == caller->uid;
        }
        char owner_string[12];
        g_snprintf(owner_string, sizeof owner_string, "%u", owner);
        const struct {
                const char *key, *value;
        } details[] = {
                { "connection", connection },   { "domain_name", name },
                { "domain_uuid", uuid },        { "domain_owner", name ? owner_string : NULL },
                { "job_operation", operation }, { "caller_is_owner", owned ? "true" : "false" },
        };
        g_autoptr(GPtrArray) words = g_ptr_array_new();
        for (size_t i = 0; i < G_N_ELEMENTS(details); i++)
                if (details[i].value) {
                        g_ptr_array_add(words, g_strdup(details[i].key));
                        g_ptr_array_add(words, g_strdup(details[i].value));
                }
        g_ptr_array_add(words, NULL);
        return (GStrv) g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

/* Adds the question of a decision about SUBJECT; a person may be asked where INTERACTIVE. */
static void add_question(Check *check, const Object *subject, bool interactive) {
        unsigned n = check->n_questions++;
        check->questions[n].details = make_details(check->caller, subject);
        check->questions[n].key = g_strdup(decision_key(subject));
        check->questions[n].interactive = interactive;
}

static void ask(Check *check) {
        unsigned at = check->at;
        questions_ask(check->authority->questions, check->caller, check->action,
                      g_steal_pointer(&check->questions[at].details), check->questions[at].interactive, on_answer, check);
}

void authority_check(Authority *authority, Caller *caller, sd_bus_message *call, const char *action, const Object *object,
                     AuthorityDone done, void *data) {
        if (authority_knows(authority, caller, action, object)) {
                done(data, NULL);
                return;
        }
        const Object *subject = subject_of_decision(object), *connection = object_with(object, &interface_connection);
        const char *name = subject ? object_string(subject, &interface_domain, DOMAIN_NAME) : NULL;
        Check *check = g_new0(Check, 1);
        *check = (Check){
                .authority = authority,
                .caller = caller_ref(caller),
                .call = sd_bus_message_ref(call),
                .action = action,
                .target = name ? g_strdup_printf("domain '%s'", name) : g_strdup(sd_bus_message_get_path(call)),
                .done = done,
                .data = data,
        };
        if (authority->own_user) {
                deny(check, SD_BUS_ERROR_ACCESS_DENIED, "%s", "this service belongs to another user");
                return;
        }
        if (is_read(action) && connection && connection != subject)
                add_question(check, connection, false);
        add_question(check, subject, sd_bus_message_get_allow_interactive_authorization(call) > 0);
        ask(check);
}
