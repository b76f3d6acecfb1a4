/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authority.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "bounds.h"
#include "errors.h"
#include "interface-info.h"
#include "pack.h"
#include "polkit-names.h"
#include "questions.h"

/* True where the subject is the caller's own: the one detail that is not a property's. */
#define DETAIL_CALLER_IS_OWNER "caller_is_owner"

struct Authority {
        sd_bus *bus;
        Callers *callers;
        Questions *questions;
        bool own_user;
        sd_bus_slot *changed; /* the match for polkit's signal */
        char *polkit;         /* its connection's name, once it has answered or come; or NULL */
        uint64_t generation;  /* of decisions */
        void (*on_change)(void *data);
        void *data;
};

static void forget_decisions(Authority *authority) {
        authority->generation++;
        callers_forget_decisions(authority->callers);
        questions_changed(authority->questions);
        if (authority->on_change)
                authority->on_change(authority->data);
}

void authority_service_changed(Authority *authority, const char *owner) {
        g_free(authority->polkit);
        authority->polkit = g_strdup(owner);
        forget_decisions(authority);
}

/* The bus vouches for the sender of an answer; anybody can send a signal. */
static void on_answerer(void *data, const char *name) {
        Authority *authority = data;
        if (!authority->polkit)
                authority->polkit = g_strdup(name);
}

static int on_changed(sd_bus_message *signal, void *data, sd_bus_error *error) {
        Authority *authority = data;
        (void) error;
        if (!authority->polkit || g_strcmp0(sd_bus_message_get_sender(signal), authority->polkit) == 0)
                forget_decisions(authority);
        return 0;
}

Authority *authority_new(sd_bus *bus, Callers *callers, bool own_user) {
        Authority *authority = g_new0(Authority, 1);
        *authority = (Authority){ .bus = bus, .callers = callers, .own_user = own_user };
        authority->questions = questions_new(bus, on_answerer, authority);
        if (!own_user)
                sd_bus_match_signal_async(bus, &authority->changed, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "Changed",
                                          on_changed, NULL, authority);
        return authority;
}

void authority_free(Authority *authority) {
        sd_bus_slot_unref(authority->changed);
        questions_free(authority->questions);
        g_free(authority->polkit);
        g_free(authority);
}

void authority_cancel(Authority *authority, const Caller *caller) {
        questions_cancel(authority->questions, caller);
}

void authority_on_change(Authority *authority, void (*on_change)(void *data), void *data) {
        authority->on_change = on_change;
        authority->data = data;
}

uint64_t authority_generation(const Authority *authority) {
        return authority->generation;
}

bool authority_trusts(const Authority *authority, const Caller *caller) {
        return caller->identified && (caller->uid == 0 || (authority->own_user && caller->uid == getuid()));
}

bool authority_is_of_user(const Authority *authority) {
        return authority->own_user;
}

static bool is_read(const char *action) {
        return strcmp(action, ACTION_READ) == 0;
}

bool authority_knows(Authority *authority, const Caller *caller, const char *action, const Object *object) {
        return caller->identified &&
               (authority_trusts(authority, caller) || (is_read(action) && decisions_allow(caller, object)));
}

/* A call that waits for polkit: what allows it is asked for in turn. Whoever may read a connection may read all that is in it,
 * so that reading a thousand domains asks once: a read is asked for the connection first, and for the domain where that is
 * refused. What may be done with the caller's own rights alone is asked for without a person first, then so, and then with
 * one. */
#define QUESTIONS_OF_CHECK_MAX 3
typedef struct Check {
        Authority *authority;
        Caller *caller;
        sd_bus_message *call; /* NULL where no call waits for just this */
        const char *action;
        struct {
                const char *action;
                GStrv details;
                uint64_t key; /* what a decision to read is kept as */
                char *path;
                bool interactive, own_rights;
        } questions[QUESTIONS_OF_CHECK_MAX];
        uint64_t generation; /* when polkit was asked */
        uint64_t managed;    /* and when it was asked whether the caller may still manage */
        unsigned n_questions, at;
        char *target; /* for messages */
        AuthorityDone done;
        AuthorityAnswered answered; /* where there is no call */
        void *data;
} Check;

static void check_free(Check *check) {
        for (unsigned i = 0; i < check->n_questions; i++) {
                g_strfreev(check->questions[i].details);
                g_free(check->questions[i].path);
        }
        caller_unref(check->caller);
        sd_bus_message_unref(check->call);
        g_free(check->target);
        g_free(check);
}

static void check_end(Check *check, Verdict verdict, const sd_bus_error *error) {
        if (check->call)
                check->done(check->data, error, !error && check->questions[check->at].own_rights);
        else
                check->answered(check->data, verdict);
        check_free(check);
}

static void deny(Check *check, Verdict verdict, const char *name, const char *format, const char *argument) {
        if (!check->call) {
                check_end(check, verdict, NULL);
                return;
        }
        g_autofree char *reason = g_strdup_printf(format, argument);
        g_autofree char *message = g_strdup_printf("%s of %s is not authorized (polkit action %s): %s",
                                                   sd_bus_message_get_member(check->call), check->target, check->action, reason);
        check_end(check, verdict, &SD_BUS_ERROR_MAKE_CONST(name, message));
}

static void ask(Check *check);

static void conclude(Check *check, const Answer *answer) {
        bool more = check->at + 1 < check->n_questions;
        if (is_read(check->action) && !check->caller->gone && check->generation == check->authority->generation &&
            (answer->kind == ANSWER_YES || answer->kind == ANSWER_NO || answer->kind == ANSWER_CHALLENGE))
                decisions_keep(check->caller, check->questions[check->at].key, check->questions[check->at].path,
                               answer->kind == ANSWER_YES, answer->temporary);
        switch (answer->kind) {
        case ANSWER_YES:
                check_end(check, VERDICT_YES, NULL);
                return;
        case ANSWER_NO:
        case ANSWER_CHALLENGE:
                if (more) {
                        check->at++;
                        ask(check);
                } else if (answer->kind == ANSWER_CHALLENGE)
                        deny(check, VERDICT_NO, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                             "%s; call again with interactive authorization allowed, or ask an administrator for a rule",
                             "a password is required");
                else
                        deny(check, VERDICT_NO, SD_BUS_ERROR_ACCESS_DENIED, "%s; ask an administrator for a rule",
                             "polkit refuses it");
                return;
        case ANSWER_BUSY:
                deny(check, VERDICT_BUSY, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                     "polkit has too many questions (%s); call again", answer->reason);
                return;
        case ANSWER_NONE:
                deny(check, VERDICT_FAILED, SD_BUS_ERROR_ACCESS_DENIED, "polkit gave no answer (%s); see that its service runs",
                     answer->reason);
                return;
        case ANSWER_CANCELLED:
                deny(check, VERDICT_CANCELLED, virtbus_error_name(VIRTBUS_ERROR_CANCELLED), "%s",
                     "virtbusd is ending, or its caller has left");
                return;
        }
}

/* The details that polkit's rules see: names and values. */
typedef struct Details {
        GPtrArray *words;
} Details;

static void details_add(Details *details, const char *name, const char *value) {
        for (guint i = 0; i < details->words->len; i += 2)
                if (strcmp(details->words->pdata[i], name) == 0)
                        return;
        g_ptr_array_add(details->words, g_strdup(name));
        g_ptr_array_add(details->words, g_strdup(value));
}

static void details_add_number(Details *details, const char *name, uint32_t value) {
        g_autofree char *text = g_strdup_printf("%u", value);
        details_add(details, name, text);
}

static void details_add_value(Details *details, const PropertyInfo *property, const uint8_t *value) {
        if (property->signature[0] == 'u')
                details_add_number(details, property->detail, pack_uint32(value));
        else if (property->signature[0] == 'b')
                details_add(details, property->detail, pack_boolean(value) ? "true" : "false");
        else if (property->signature[0] == 'a') {
                g_autofree char *text = pack_strings(value);
                details_add(details, property->detail, text);
        } else
                details_add(details, property->detail, pack_string(value));
}

/* Adds what an object, and all that it is in, say of themselves. */
static void details_add_objects(Details *details, const Object *object) {
        for (; object; object = object->parent)
                for (size_t i = 0; i < object->n_blocks; i++) {
                        const InterfaceInfo *interface = object->blocks[i].interface;
                        for (size_t n = 0; n < interface->n_properties; n++)
                                if (interface->properties[n].detail)
                                        details_add_value(details, &interface->properties[n], block_value(&object->blocks[i], n));
                }
}

/* Whoever may read their own of a connection may do so whatever its kind. */
static void details_add_owner(Details *details, uid_t owner) {
        for (size_t i = 0; interfaces[i]; i++) {
                const SubjectInfo *subject = interfaces[i]->subject;
                const char *detail = subject && subject->owner >= 0 ? interfaces[i]->properties[subject->owner].detail : NULL;
                if (detail)
                        details_add_number(details, detail, owner);
        }
}

static GStrv make_details(const Caller *caller, Scope scope, const char *const *more) {
        Details details = { .words = g_ptr_array_new() };
        bool owned = scope.owned || decision_is_own(scope.object, caller->uid);
        details_add(&details, DETAIL_CALLER_IS_OWNER, owned ? "true" : "false");
        for (; more && *more; more += 2)
                details_add(&details, more[0], more[1]);
        if (scope.owned)
                details_add_owner(&details, caller->uid);
        details_add_objects(&details, scope.object);
        details_add_objects(&details, decision_object(scope.object));
        details_add_objects(&details, decision_connection(scope.object));
        g_ptr_array_add(details.words, NULL);
        return (GStrv) g_ptr_array_free(details.words, FALSE);
}

static const Answer by_leave = { .kind = ANSWER_YES }, password_required = { .kind = ANSWER_CHALLENGE };

/* A password would be asked for again, which the caller's leave outlasts; only a no ends that. */
static void on_manages(void *data, const Answer *answer) {
        Check *check = data;
        Caller *caller = check->caller;
        switch (answer->kind) {
        case ANSWER_YES:
        case ANSWER_CHALLENGE:
                caller->managed = check->managed;
                conclude(check, caller->manages ? &by_leave : &password_required);
                return;
        case ANSWER_NO:
                caller->manages = false;
                conclude(check, &password_required);
                return;
        default:
                conclude(check, answer);
                return;
        }
}

static void on_answer(void *data, const Answer *answer) {
        Check *check = data;
        if (answer->kind != ANSWER_CHALLENGE || !check->caller->manages)
                conclude(check, answer);
        else if (check->caller->managed == check->authority->generation)
                conclude(check, &by_leave);
        else {
                check->managed = check->authority->generation;
                questions_ask(check->authority->questions, check->caller, ACTION_MANAGE,
                              make_details(check->caller, (Scope){ 0 }, NULL), false, on_manages, check);
        }
}

void authority_let_manage(Authority *authority, Caller *caller) {
        caller->manages = true;
        caller->managed = authority->generation;
        caller_forget_decisions(caller); /* what was refused may be allowed now */
}

/* Adds the question of a decision about a scope; a person may be asked where INTERACTIVE. */
static void add_question(Check *check, Scope scope, const char *const *details, bool interactive) {
        unsigned n = check->n_questions++;
        check->questions[n].action = check->action;
        check->questions[n].details = make_details(check->caller, scope, details);
        check->questions[n].key = scope_key(scope);
        check->questions[n].path = g_strdup(scope_path(scope));
        check->questions[n].interactive = interactive;
}

static void ask(Check *check) {
        unsigned at = check->at;
        questions_ask(check->authority->questions, check->caller, check->questions[at].action,
                      g_steal_pointer(&check->questions[at].details), check->questions[at].interactive, on_answer, check);
}

void authority_check(Authority *authority, Caller *caller, sd_bus_message *call, const char *action,
                     const char *own_rights_action, const Object *object, const char *const *details, AuthorityDone done,
                     void *data) {
        if (authority_knows(authority, caller, action, object)) {
                done(data, NULL, false);
                return;
        }
        const Object *subject = decision_subject(object), *connection = decision_connection(subject);
        const char *name = subject_name(subject);
        Check *check = g_new0(Check, 1);
        *check = (Check){
                .authority = authority,
                .caller = caller_ref(caller),
                .call = sd_bus_message_ref(call),
                .action = action,
                .generation = authority->generation,
                .target = name ? g_strdup_printf("%s '%s'", subject_info(subject)->noun, name)
                               : g_strdup(sd_bus_message_get_path(call)),
                .done = done,
                .data = data,
        };
        if (authority->own_user) {
                deny(check, VERDICT_NO, SD_BUS_ERROR_ACCESS_DENIED, "%s", "this service belongs to another user");
                return;
        }
        if (is_read(action) && connection && connection != subject)
                add_question(check, (Scope){ .object = connection }, NULL, false);
        if (own_rights_action) {
                add_question(check, (Scope){ .object = subject }, details, false);
                add_question(check, (Scope){ .object = subject }, details, false);
                check->questions[1].action = own_rights_action;
                check->questions[1].own_rights = true;
        }
        add_question(check, (Scope){ .object = subject }, details,
                     sd_bus_message_get_allow_interactive_authorization(call) > 0 && !caller->manages);
        ask(check);
}

void authority_ask(Authority *authority, Caller *caller, Scope scope, bool interactive, AuthorityAnswered answered, void *data) {
        Check *check = g_new0(Check, 1);
        *check = (Check){
                .authority = authority,
                .caller = caller_ref(caller),
                .action = ACTION_READ,
                .generation = authority->generation,
                .answered = answered,
                .data = data,
        };
        if (authority->own_user) {
                check_end(check, VERDICT_NO, NULL);
                return;
        }
        add_question(check, scope, NULL, interactive && !caller->manages);
        ask(check);
}
