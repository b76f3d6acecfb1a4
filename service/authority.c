/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authority.h"

#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "interfaces.h"
#include "bounds.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE POLKIT_NAME ".Authority"

/* Flags of CheckAuthorization. */
#define ALLOW_USER_INTERACTION 1u

struct Authority {
        sd_bus *bus;
        Callers *callers;
        bool own_user;
        sd_bus_slot *changed; /* the match for polkit's signal */
};

static int on_changed(sd_bus_message *signal, void *data, sd_bus_error *error) {
        Authority *authority = data;
        (void) signal;
        (void) error;
        callers_forget_decisions(authority->callers);
        return 0;
}

Authority *authority_new(sd_bus *bus, Callers *callers, bool own_user) {
        Authority *authority = g_new0(Authority, 1);
        *authority = (Authority){ .bus = bus, .callers = callers, .own_user = own_user };
        if (!own_user)
                sd_bus_match_signal_async(bus, &authority->changed, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "Changed",
                                          on_changed, NULL, authority);
        return authority;
}

void authority_free(Authority *authority) {
        sd_bus_slot_unref(authority->changed);
        g_free(authority);
}

void authority_service_changed(Authority *authority) {
        callers_forget_decisions(authority->callers);
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
                sd_bus_message *message;
                char *key; /* what a decision to read is kept as */
        } questions[2];
        unsigned n_questions, at;
        bool interactive;
        char *target; /* for messages */
        AuthorityDone done;
        void *data;
} Check;

static void check_free(Check *check) {
        for (unsigned i = 0; i < check->n_questions; i++) {
                sd_bus_message_unref(check->questions[i].message);
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

static int ask(Check *check);

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Check *check = data;
        const sd_bus_error *failure = sd_bus_message_get_error(reply);
        int authorized, challenge;
        bool temporary = false;
        (void) unused;
        if (failure) {
                deny(check, SD_BUS_ERROR_ACCESS_DENIED, "polkit gave no answer (%s); see that its service runs",
                     failure->message);
                return 0;
        }
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
                temporary |= strcmp(name, "polkit.temporary_authorization_id") == 0;
                r = sd_bus_message_exit_container(reply);
        }
        if (r < 0) {
                deny(check, SD_BUS_ERROR_ACCESS_DENIED, "polkit's answer cannot be read (%s)", g_strerror(-r));
                return 0;
        }
        if (authorized) {
                /* A password that was typed counts for a while only, and polkit does not say when that ends. */
                if (is_read(check->action) && !temporary && !check->caller->gone) {
                        if (g_hash_table_size(check->caller->decisions) >= DECISIONS_PER_CALLER_MAX)
                                g_hash_table_remove_all(check->caller->decisions);
                        g_hash_table_add(check->caller->decisions, g_steal_pointer(&check->questions[check->at].key));
                }
                check_end(check, NULL);
        } else if (++check->at < check->n_questions) {
                r = ask(check);
                if (r < 0)
                        deny(check, SD_BUS_ERROR_ACCESS_DENIED, "polkit cannot be asked (%s)", g_strerror(-r));
        } else if (challenge)
                deny(check, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                     "%s; call again with interactive authorization allowed, or ask an administrator for a rule",
                     "a password is required");
        else
                deny(check, SD_BUS_ERROR_ACCESS_DENIED, "%s; ask an administrator for a rule", "polkit refuses it");
        return 0;
}

static int append_details(sd_bus_message *message, const Caller *caller, const Object *subject) {
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
        int r = sd_bus_message_open_container(message, 'a', "{ss}");
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(details); i++)
                if (details[i].value)
                        r = sd_bus_message_append(message, "{ss}", details[i].key, details[i].value);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* Who asks: a name on the bus, or the process at the other end of a connection. */
static int append_subject(sd_bus_message *message, const Caller *caller) {
        if (caller->direct)
                return sd_bus_message_append(message, "(sa{sv})", "unix-process", 3, "pid", "u", (uint32_t) caller->pid,
                                             "start-time", "t", caller->start_time, "uid", "i", (int32_t) caller->uid);
        return sd_bus_message_append(message, "(sa{sv})", "system-bus-name", 1, "name", "s", caller->name);
}

/* Adds the question of a decision about SUBJECT; a person may be asked where INTERACTIVE. */
static int add_question(Check *check, const Object *subject, bool interactive) {
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_method_call(check->authority->bus, &message, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                               "CheckAuthorization");
        if (r >= 0)
                r = append_subject(message, check->caller);
        if (r >= 0)
                r = sd_bus_message_append(message, "s", check->action);
        if (r >= 0)
                r = append_details(message, check->caller, subject);
        if (r >= 0)
                r = sd_bus_message_append(message, "us", interactive ? ALLOW_USER_INTERACTION : 0u, "");
        if (r < 0)
                return r;
        check->questions[check->n_questions].message = g_steal_pointer(&message);
        check->questions[check->n_questions].key = g_strdup(decision_key(subject));
        check->n_questions++;
        return 0;
}

static int ask(Check *check) {
        return sd_bus_call_async(check->authority->bus, NULL, check->questions[check->at].message, on_answer, check,
                                 check->interactive ? AUTHORITY_INTERACTIVE_TIMEOUT : AUTHORITY_TIMEOUT);
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
                .interactive = sd_bus_message_get_allow_interactive_authorization(call) > 0,
                .target = name ? g_strdup_printf("domain '%s'", name) : g_strdup(sd_bus_message_get_path(call)),
                .done = done,
                .data = data,
        };
        if (authority->own_user) {
                deny(check, SD_BUS_ERROR_ACCESS_DENIED, "%s", "this service belongs to another user");
                return;
        }
        int r = 0;
        if (is_read(action) && connection && connection != subject)
                r = add_question(check, connection, false);
        if (r >= 0)
                r = add_question(check, subject, check->interactive);
        if (r >= 0)
                r = ask(check);
        if (r < 0)
                deny(check, SD_BUS_ERROR_ACCESS_DENIED, "polkit cannot be asked (%s)", g_strerror(-r));
}
