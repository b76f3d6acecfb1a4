/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "router.h"

#include <errno.h>
#include <string.h>

#include "answer.h"
#include "bus.h"
#include "errors.h"
#include "bounds.h"
#include "log.h"
#include "manager.h"
#include "part.h"

/* A call that waits for something before it can be answered. */
typedef struct Request {
        Router *router;
        Caller *caller;
        sd_bus_message *message;
        Charge charge;
        JournalEntry *entry; /* of what polkit is asked about; NULL: none, or written */
        Target target;       /* as it was last found */
        uint64_t structure;  /* of the mirror then; 0: not yet */
        /* What polkit was asked: whether this may be done to this object. NULL: it was not. */
        const char *decided_action;
        uint64_t decided_subject; /* its serial */
        bool own_rights;          /* it is allowed with the caller's own rights alone */
        /* What it waited for, and what came of it: */
        uint64_t generation; /* of polkit's decisions */
        Verdict verdict;
        GHashTable *opened; /* what a survey has found that the caller may read */
        uint64_t asked;     /* the place of the last object of a part that it was about */
        sd_bus_error error; /* it is denied */
} Request;

static Request *request_new(Router *router, Caller *caller, sd_bus_message *message, const Charge *charge) {
        Request *request = g_new(Request, 1);
        *request = (Request){
                .router = router,
                .caller = caller_begin_call(caller, charge),
                .message = sd_bus_message_ref(message),
                .charge = *charge,
        };
        return request;
}

static void request_free(Request *request) {
        caller_end_call(request->caller, &request->charge);
        g_clear_pointer(&request->entry, journal_entry_free);
        g_clear_pointer(&request->opened, g_hash_table_unref);
        sd_bus_error_free(&request->error);
        sd_bus_message_unref(request->message);
        g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

/* The same for a call that goes on after it has waited: what has been found is still so where nothing has come or gone. */
static int resolve_again(Request *request, sd_bus_error *error) {
        const Mirror *mirror = request->router->mirror;
        if (request->structure == mirror_structure(mirror)) {
                Driver *driver = request->target.object ? request->target.object->source : NULL;
                return driver_check(driver, sd_bus_message_get_path(request->message), error);
        }
        int r = target_resolve(request->router->mirror, request->router->drivers, request->message, &request->target, error);
        request->structure = r < 0 ? 0 : mirror_structure(mirror);
        return r;
}

/* What polkit has allowed is this action on this object, not what else has come to its path since. */
static int check_decided(const Request *request, sd_bus_error *error) {
        if (!request->decided_action || (g_strcmp0(request->decided_action, request->target.action) == 0 &&
                                         request->decided_subject == decision_serial(request->target.object)))
                return 0;
        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_RESOURCE_BUSY),
                                 "%s of %s: another object has come to its path while polkit was asked; call again",
                                 sd_bus_message_get_member(request->message), sd_bus_message_get_path(request->message));
}

/* The same for a part of a list. A person is asked only where nothing of a list may be read: of all of it, by the first part. */
static GPtrArray *objects_of_part(Request *request, bool *interactive) {
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Part part;
        if (part_read(&part, request->router->mirror, request->target.object, request->message, &error) >= 0) {
                *interactive &= part.after == 0;
                request->asked = part_append_paths(&part, PART_QUESTIONS_MAX, paths);
                part.after = request->asked;
                if (*interactive && request->asked)
                        part_append_paths(&part, SIZE_MAX, paths);
        }
        sd_bus_error_free(&error);
        return paths;
}

/* The way of a call */

/* Answers a call that is allowed. */
static void proceed(Request *request, GHashTable *opened, bool narrowed) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        View view = { .router = request->router, .caller = request->caller, .charge = &request->charge, .opened = opened };
        const Target *target = &request->target;
        int r = resolve_again(request, &error);
        if (r >= 0)
                r = check_decided(request, &error);
        if (sd_bus_error_is_set(&error) && request->entry)
                journal_end(g_steal_pointer(&request->entry), error.name, NULL);
        view.asked = request->asked;
        view.narrowed = narrowed;
        view.own_rights = request->own_rights;
        view.everything = r >= 0 && target_is_list(target) && target->action;
        if (r >= 0)
                r = answer_call(&view, target, request->message, &error);
        answer_failure(request->message, r, &error);
        sd_bus_error_free(&error);
}

/* Goes on with a call whose waiting is over. What waited for the same answer may be hundreds of calls: each goes on in a turn
 * of its own, lest all their answers be ahead of the next caller's. */
static void go_on(Request *request, BacklogResume resume) {
        request->generation = authority_generation(request->router->authority);
        backlog_resume(request->router->backlog, request->caller, resume, request);
}

static bool is_outdated(const Request *request) {
        return !request->router->ending && request->generation != authority_generation(request->router->authority);
}

static void on_identified(Caller *caller, void *data);

static void after_decision(void *data) {
        Request *waiting = data;
        if (!sd_bus_error_is_set(&waiting->error) && caller_is_there(waiting->caller) && is_outdated(waiting)) {
                on_identified(waiting->caller, waiting);
                return;
        }
        g_autoptr(Request) request = waiting;
        const sd_bus_error *error = sd_bus_error_is_set(&request->error) ? &request->error : NULL;
        if (!caller_is_there(request->caller))
                return;
        if (error && request->entry)
                journal_end(g_steal_pointer(&request->entry), error->name, NULL);
        if (error)
                answer_failure(request->message, 0, error);
        else
                proceed(request, NULL, false);
}

static void on_decided(void *data, const sd_bus_error *error, bool own_rights) {
        Request *request = data;
        request->own_rights = own_rights;
        if (error)
                sd_bus_error_set(&request->error, error->name, error->message);
        go_on(request, after_decision);
}

static bool may_read_all(View *view, const GPtrArray *paths) {
        for (guint i = 0; i < paths->len; i++) {
                const Object *object = mirror_find(view->router->mirror, paths->pdata[i]);
                if (object && !view_may_see(object, view))
                        return false;
        }
        return true;
}

static bool may_read_some(View *view, const GPtrArray *paths) {
        for (guint i = 0; i < paths->len; i++) {
                const Object *object = mirror_find(view->router->mirror, paths->pdata[i]);
                if (object && view_may_see(object, view))
                        return true;
        }
        return false;
}

static void decide(Request *request) {
        const Target *target = &request->target;
        request->decided_action = target->action;
        request->decided_subject = decision_serial(target->object);
        if (!request->entry)
                request->entry = answer_journal_entry(request->router, request->caller, target);
        g_auto(GStrv) details = target->action ? manager_details(request->router->drivers, request->message) : NULL;
        if (target->action)
                authority_check(request->router->authority, request->caller, request->message, target->action,
                                target->method ? target->method->own_rights_action : NULL, target->object,
                                (const char *const *) details, on_decided, request);
        else
                on_decided(request, NULL, false);
}

static int survey_failure(sd_bus_message *message, Verdict verdict, sd_bus_error *error) {
        const struct {
                const char *name, *reason;
        } failures[] = {
                [VERDICT_NO] = { SD_BUS_ERROR_ACCESS_DENIED,
                                 "no password was given, or it was wrong; ask an administrator for a rule" },
                [VERDICT_FAILED] = { SD_BUS_ERROR_ACCESS_DENIED, "polkit gave no answer; see that its service runs" },
                [VERDICT_BUSY] = { virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                   "polkit has too many questions; call again" },
                [VERDICT_CANCELLED] = { virtbus_error_name(VIRTBUS_ERROR_CANCELLED), "virtbusd is ending; call again" },
        };
        if (verdict == VERDICT_YES)
                return 0;
        return sd_bus_error_setf(error, failures[verdict].name, "%s of %s is not authorized (polkit action " ACTION_READ "): %s",
                                 sd_bus_message_get_member(message), sd_bus_message_get_path(message), failures[verdict].reason);
}

/* What is about several objects is decided by those; where they do not decide it, by the object that is called. */
static void after_survey(void *data) {
        Request *request = data;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        g_autoptr(GHashTable) opened = g_steal_pointer(&request->opened);
        View view = { .router = request->router, .caller = request->caller, .opened = opened };
        const Target *target = &request->target;
        if (!request->caller->gone && request->verdict == VERDICT_YES && is_outdated(request)) {
                on_identified(request->caller, request);
                return;
        }
        int r = request->caller->gone ? -ENOTCONN : resolve_again(request, &error);
        if (r >= 0)
                r = survey_failure(request->message, request->verdict, &error);
        if (r < 0) {
                answer_failure(request->message, r, &error);
                request_free(request);
        } else {
                g_autoptr(GPtrArray) paths = target_objects(request->router->mirror, target, request->message);
                bool all = target_is_list(target) || may_read_all(&view, paths);
                if (all || (target_names_all(target, request->message) && may_read_some(&view, paths))) {
                        proceed(request, opened, !all);
                        request_free(request);
                } else
                        decide(request);
        }
        sd_bus_error_free(&error);
}

static void on_surveyed(void *data, GHashTable *opened, Verdict verdict) {
        Request *request = data;
        request->opened = g_hash_table_ref(opened);
        request->verdict = verdict;
        go_on(request, after_survey);
}

static void on_identified(Caller *caller, void *data) {
        Request *request = data;
        Router *router = request->router;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const Target *target = &request->target;
        int r = -ENOTCONN;
        if (router->ending)
                r = sd_bus_error_setf(&error, virtbus_error_name(VIRTBUS_ERROR_CANCELLED), "virtbusd is ending; call again.");
        else if (caller->identified && callers_are_over(request->router->callers, caller))
                r = sd_bus_error_setf(&error, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED), ANSWER_TOO_MUCH_WAITS);
        else if (caller->identified)
                r = resolve_again(request, &error);
        if (r < 0) {
                answer_failure(request->message, r, &error);
                request_free(request);
        } else {
                bool asks_list = target->kind == CALL_GET_MANAGED_OBJECTS || target->kind == CALL_GET_PART;
                bool interactive = asks_list && sd_bus_message_get_allow_interactive_authorization(request->message) > 0;
                g_autoptr(GPtrArray) paths = target->kind == CALL_GET_PART
                                                             ? objects_of_part(request, &interactive)
                                                             : target_objects(router->mirror, target, request->message);
                bool has_parts = target_is_list(target) ? !target->action : paths->len > 0;
                if (has_parts && !authority_trusts(router->authority, caller))
                        readers_survey(router->readers, caller, paths, asks_list ? target->object : NULL, interactive,
                                       on_surveyed, request);
                else
                        decide(request);
        }
        sd_bus_error_free(&error);
}

static void route(Router *router, Caller *caller, sd_bus_message *message, const Charge *charge) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Target target;
        int r = target_resolve(router->mirror, router->drivers, message, &target, &error);
        log_debug("%s: %s of %s: %s", caller->name, sd_bus_message_get_member(message), sd_bus_message_get_path(message),
                  r < 0           ? "it has no meaning"
                  : target.action ? target.action
                                  : "it is public");
        if (r >= 0)
                r = target_check_descriptors(&target, message, charge->descriptors, &error);
        if (r >= 0)
                r = target_check_read_only(caller, &target, message, &error);
        View view = { .router = router, .caller = caller, .charge = charge };
        if (r >= 0 && (authority_trusts(router->authority, caller) ||
                       (target.action && authority_knows(router->authority, caller, target.action, target.object))))
                r = answer_call(&view, &target, message, &error);
        else if (r >= 0) {
                Request *request = request_new(router, caller, message, charge);
                request->target = target;
                request->structure = mirror_structure(router->mirror);
                callers_identify(router->callers, caller, on_identified, request);
        }
        answer_failure(message, r, &error);
        sd_bus_error_free(&error);
}

/* True where the answer depends on drivers that have not sent their objects yet, as just after the service was activated by
 * this very call, or that have failed and are tried again now. Sets *about to the path that the drivers in question have to do
 * with; NULL for all. */
static bool must_wait(Router *router, sd_bus_message *message, const char **about) {
        const char *path = sd_bus_message_get_path(message), *opened = manager_connection(router->drivers, message);
        *about = opened ? opened : path;
        if (drivers_want(router->drivers, *about))
                return !drivers_are_settled(router->drivers, *about);
        *about = NULL;
        if (mirror_find(router->mirror, path) && sd_bus_message_is_method_call(message, TARGET_PROPERTIES, NULL))
                return false;
        drivers_want(router->drivers, NULL);
        return !drivers_are_settled(router->drivers, NULL);
}

static void take(Router *router, Caller *caller, sd_bus_message *message, const Charge *charge);

static void after_settling(void *data) {
        g_autoptr(Request) request = data;
        if (caller_is_there(request->caller))
                take(request->router, request->caller, request->message, &request->charge);
}

static void on_settled(void *data) {
        go_on(data, after_settling);
}

/* Answers a call when the drivers that it depends on are settled. */
static void take(Router *router, Caller *caller, sd_bus_message *message, const Charge *charge) {
        const char *about;
        if (router->ending) {
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_CANCELLED),
                                           "virtbusd is ending; call again.");
                return;
        }
        if (!must_wait(router, message, &about)) {
                route(router, caller, message, charge);
                if (!about) /* what is read of the manager is what was so before that */
                        drivers_want(router->drivers, NULL);
                return;
        }
        Request *request = request_new(router, caller, message, charge);
        if (drivers_when_settled(router->drivers, about, on_settled, request) < 0) {
                request_free(request);
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                           "Too many calls wait for the drivers; call again.");
        }
}

static int refuse(sd_bus_message *message, const char *text) {
        return sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED), "%s", text);
}

void router_turn(void *data, Caller *caller, sd_bus_message *message, const Charge *arrived) {
        Router *router = data;
        /* The message is held once more on its way to a driver. */
        Charge charge = { .calls = 1, .bytes = 2 * arrived->bytes - KEPT_BYTES_PER_CALL, .descriptors = arrived->descriptors };
        if (caller->held.calls >= CALLS_PER_CALLER_MAX)
                refuse(message,
                       "You wait for " G_STRINGIFY(CALLS_PER_CALLER_MAX) " answers already; call again when some have come.");
        else if (callers_have_room(router->callers, caller, &charge))
                take(router, caller, message, &charge);
        else
                refuse(message, ANSWER_TOO_MUCH_WAITS);
}

/* Its calls are charged to its own user, and taken in that one's turns. */
static void on_known(Caller *caller, void *data) {
        Router *router = data;
        backlog_changed(router->backlog, caller);
}

static void on_halted(void *data, Caller *caller) {
        Router *router = data;
        backlog_changed(router->backlog, caller);
}

void router_take(void *data, Caller *caller, sd_bus_message *message, const InletMessage *arrived) {
        Router *router = data;
        Charge charge = { .calls = 1, .bytes = KEPT_BYTES_PER_CALL + arrived->bytes, .descriptors = arrived->descriptors };
        if (arrived->long_header)
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                           "%s: a header of more than %d bytes: no path is as long",
                                           sd_bus_message_get_member(message), HEADER_BYTES_MAX);
        else if (arrived->cut)
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                           "%s of %s: arguments of more than %d bytes, or more descriptors than can be had",
                                           sd_bus_message_get_member(message), sd_bus_message_get_path(message), CALL_BYTES_MAX);
        else if (backlog_has_room(router->backlog, caller, &charge))
                backlog_add(router->backlog, caller, message, &charge);
        else if (!caller->halted) /* who does not read is told nothing more */
                refuse(message, ANSWER_TOO_MUCH_WAITS);
        caller_has_called(caller);
        if (!caller->identified && g_queue_is_empty(&caller->identifying))
                callers_identify(router->callers, caller, on_known, router);
}

void router_forget(void *data, Caller *leaving) {
        Router *router = data;
        g_autoptr(Caller) caller = caller_ref(leaving);
        callers_left(router->callers, caller->name);
        backlog_forget(router->backlog, caller);
        authority_cancel(router->authority, caller);
}

static int on_call(sd_bus_message *message, void *data, sd_bus_error *unused) {
        Router *router = data;
        uint8_t type;
        (void) unused;
        const char *sender = sd_bus_message_get_sender(message);
        if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL || !sender ||
            sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Peer", NULL)) /* sd-bus answers that */
                return 0;
        router_take(router, callers_get(router->callers, sender), message, inlet_message(router->inlet));
        return 1;
}

static bool has_more(void *data) {
        const Router *router = data;
        return inlet_has_more(router->inlet);
}

int router_start(Router *router) {
        backlog_read_first(router->backlog, has_more, router);
        if (router->inlet)
                inlet_on_drained(router->inlet, backlog_drained, router->backlog);
        peers_on_drained(router->peers, backlog_drained, router->backlog);
        int r = backlog_start(router->backlog);
        callers_watch_halted(router->callers, on_halted, router);
        /* Not as a fallback for all paths: sd-bus would look for each path above the one that is called, be they ten thousand. */
        return r < 0 ? r : sd_bus_add_filter(router->bus, NULL, on_call, router);
}

void router_end(Router *router) {
        router->ending = true;
        backlog_end(router->backlog);
        callers_end(router->callers);
        authority_cancel(router->authority, NULL);
        drivers_end(router->drivers);
}
