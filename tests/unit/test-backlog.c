/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backlog.h"
#include "bounds.h"
#include "messages.h"

#include <time.h>

/* Calls are letters: what was taken is written down in order. The users' connections have no bus in between: the kernel says
 * whose they are. */

#define SOME_DESCRIPTORS 1024

typedef struct Service {
        sd_bus *bus;
        Quota *calls, *unread;
        Callers *callers;
        Backlog *backlog;
        GString *taken;
} Service;

/* Takes long, as processors count. */
static void work(void) {
        const clock_t end = clock() + CLOCKS_PER_SEC / 20;
        while (clock() < end)
                ;
}

static void take(void *data, Caller *caller, sd_bus_message *call, const Charge *charge) {
        Service *service = data;
        const char *letter;
        (void) caller;
        g_assert_cmpuint(charge->calls, ==, 1);
        g_assert_cmpint(sd_bus_message_read(call, "s", &letter), >, 0);
        g_string_append(service->taken, letter);
        if (letter[0] == 'S')
                work();
}

static void setup(Service *service, const void *unused) {
        const Charge limits = { .calls = 100, .bytes = 1000000, .descriptors = 100 };
        (void) unused;
        service->bus = unconnected_bus();
        service->calls = quota_new(&limits, &limits);
        service->unread = quota_new(&limits, &limits);
        service->callers = callers_new(service->bus, service->bus, service->calls, service->unread);
        service->backlog = backlog_new(service->bus, SOME_DESCRIPTORS, take, service);
        service->taken = g_string_new(NULL);
}

static void tear_down(Service *service, const void *unused) {
        (void) unused;
        backlog_free(service->backlog);
        callers_free(service->callers);
        quota_free(service->calls);
        quota_free(service->unread);
        sd_bus_unref(service->bus);
        g_string_free(service->taken, TRUE);
}

static Caller *connect_as(Service *service, uid_t user) {
        return callers_add_direct(service->callers, &(Identity){ .uid = user, .pidfd = -1 }, false);
}

static bool add(Service *service, Caller *caller, const char *letter, size_t bytes, unsigned descriptors) {
        g_autoptr(sd_bus_message) call = new_message(service->bus);
        const Charge charge = { .calls = 1, .bytes = bytes, .descriptors = descriptors };
        if (!backlog_has_room(service->backlog, caller, &charge))
                return false;
        g_assert_cmpint(sd_bus_message_append(call, "s", letter), >=, 0);
        seal(call);
        backlog_add(service->backlog, caller, call, &charge);
        return true;
}

static void say(Service *service, Caller *caller, const char *letters) {
        for (; *letters; letters++)
                g_assert_true(add(service, caller, (char[]){ *letters, '\0' }, 100, 0));
}

static void take_some(Service *service, unsigned n) {
        while (n-- > 0)
                g_assert_true(backlog_take(service->backlog));
}

static void test_nobodys_call_waits_for_another_users_calls(Service *service, const void *unused) {
        Caller *much = connect_as(service, 1), *little = connect_as(service, 2);
        (void) unused;
        say(service, much, "SSSSSSSS");
        take_some(service, 2);
        say(service, little, "a");
        take_some(service, 1);
        say(service, little, "b");
        take_some(service, 1);
        g_assert_cmpstr(service->taken->str, ==, "SSab");
}

/* Who asks for what takes long has a turn less often than who does not. */
static void test_turns_are_of_the_time_that_is_spent(Service *service, const void *unused) {
        Caller *slow = connect_as(service, 1), *quick = connect_as(service, 2);
        (void) unused;
        say(service, slow, "SS");
        say(service, quick, "abcdef");
        take_some(service, 8);
        g_assert_cmpstr(service->taken->str, ==, "SabcdefS");
}

static void test_connections_of_a_user_take_turns(Service *service, const void *unused) {
        Caller *first = connect_as(service, 1), *second = connect_as(service, 1);
        (void) unused;
        say(service, first, "abc");
        say(service, second, "xyz");
        take_some(service, 6);
        g_assert_cmpstr(service->taken->str, ==, "axbycz");
        g_assert_false(backlog_take(service->backlog));
}

typedef struct Continuation {
        Service *service;
        Caller *caller;
        const char *letters; /* the first is written down; the others go on after it, in the same turn */
} Continuation;

static void go_on(void *data) {
        Continuation *own = data;
        g_string_append_c(own->service->taken, own->letters[0]);
        if (*++own->letters)
                backlog_resume(own->service->backlog, own->caller, go_on, own);
}

/* Hundreds of calls of one caller may have waited for one answer of polkit. */
static void test_what_has_waited_goes_on_in_turns(Service *service, const void *unused) {
        Caller *much = connect_as(service, 1), *little = connect_as(service, 2);
        Continuation waited[] = { { service, much, "A" }, { service, much, "B" }, { service, much, "Cc" } };
        (void) unused;
        say(service, much, "x");
        for (size_t i = 0; i < G_N_ELEMENTS(waited); i++)
                backlog_resume(service->backlog, much, go_on, &waited[i]);
        g_assert_cmpstr(service->taken->str, ==, "");
        say(service, little, "1");
        take_some(service, 5);
        g_assert_cmpstr(service->taken->str, ==, "A1BCcx");
        g_assert_false(backlog_take(service->backlog));
}

static void test_what_has_waited_goes_on_when_its_caller_leaves_or_all_ends(Service *service, const void *unused) {
        Caller *leaving = callers_get(service->callers, ":1.1"), *other = connect_as(service, 2);
        Continuation waited[] = { { service, leaving, "A" }, { service, other, "B" }, { service, other, "C" } };
        (void) unused;
        backlog_resume(service->backlog, leaving, go_on, &waited[0]);
        say(service, leaving, "x");
        backlog_forget(service->backlog, leaving);
        g_assert_cmpstr(service->taken->str, ==, "A");
        backlog_resume(service->backlog, other, go_on, &waited[1]);
        backlog_end(service->backlog);
        backlog_resume(service->backlog, other, go_on, &waited[2]);
        g_assert_cmpstr(service->taken->str, ==, "ABC");
}

/* Nobody else keeps a caller that has left. */
static void test_a_caller_is_kept_by_what_waits_of_it(Service *service, const void *unused) {
        Caller *caller = callers_get(service->callers, ":1.1");
        Continuation waited = { service, caller, "A" };
        (void) unused;
        say(service, caller, "xy");
        backlog_resume(service->backlog, caller, go_on, &waited);
        callers_left(service->callers, ":1.1");
        backlog_forget(service->backlog, caller);
        g_assert_cmpstr(service->taken->str, ==, "A");
}

/* The bus has not said yet whose a new connection is. */
static void test_calls_wait_until_it_is_known_whose_they_are(Service *service, const void *unused) {
        Caller *caller = callers_get(service->callers, ":1.1"), *other = callers_get(service->callers, ":1.2");
        (void) unused;
        say(service, caller, "abc");
        say(service, other, "x");
        g_assert_false(backlog_take(service->backlog));
        backlog_changed(service->backlog, caller); /* it has left meanwhile */
        g_assert_false(backlog_take(service->backlog));
        caller->identified = true;
        caller->account = caller->uid = 1;
        backlog_changed(service->backlog, caller);
        say(service, caller, "d");
        take_some(service, 4);
        g_assert_cmpstr(service->taken->str, ==, "abcd");
        g_assert_false(backlog_take(service->backlog));
}

static void test_what_has_left_is_dropped(Service *service, const void *unused) {
        Caller *leaves = connect_as(service, 1), *stays = connect_as(service, 1);
        (void) unused;
        say(service, leaves, "abc");
        say(service, stays, "x");
        backlog_forget(service->backlog, leaves);
        backlog_forget(service->backlog, leaves);
        take_some(service, 1);
        g_assert_cmpstr(service->taken->str, ==, "x");
        g_assert_false(backlog_take(service->backlog));
}

static void test_a_user_has_only_so_much_room_and_others_have_theirs(Service *service, const void *unused) {
        Caller *much = connect_as(service, 1), *other = connect_as(service, 2);
        unsigned n = 0;
        (void) unused;
        while (add(service, much, "x", 100, 0))
                n++;
        g_assert_cmpuint(n, <=, BACKLOG_CALLS_PER_USER_MAX);
        g_assert_cmpuint(n, >=, BACKLOG_CALLS_PER_USER_MAX / 2);
        say(service, other, "a");
        while (add(service, other, "x", 1024 * 1024, 0))
                n++;
        g_assert_false(add(service, other, "x", BACKLOG_BYTES_PER_USER_MAX, 0));
        Caller *third = connect_as(service, 3);
        for (n = 0; add(service, third, "x", 100, 16); n++)
                ;
        g_assert_cmpuint(n * 16, <=, SOME_DESCRIPTORS / 8);
        say(service, connect_as(service, 4), "a");
        backlog_end(service->backlog);
        g_assert_false(backlog_take(service->backlog));
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *name;
                void (*test)(Service *service, const void *unused);
        } tests[] = {
                { "/backlog/nobodys-call-waits-for-another-users-calls", test_nobodys_call_waits_for_another_users_calls },
                { "/backlog/turns-are-of-the-time-that-is-spent", test_turns_are_of_the_time_that_is_spent },
                { "/backlog/connections-of-a-user-take-turns", test_connections_of_a_user_take_turns },
                { "/backlog/what-has-waited-goes-on-in-turns", test_what_has_waited_goes_on_in_turns },
                { "/backlog/what-has-waited-goes-on-when-its-caller-leaves-or-all-ends",
                  test_what_has_waited_goes_on_when_its_caller_leaves_or_all_ends },
                { "/backlog/a-caller-is-kept-by-what-waits-of-it", test_a_caller_is_kept_by_what_waits_of_it },
                { "/backlog/calls-wait-until-it-is-known-whose-they-are", test_calls_wait_until_it_is_known_whose_they_are },
                { "/backlog/what-has-left-is-dropped", test_what_has_left_is_dropped },
                { "/backlog/a-user-has-only-so-much-room-and-others-have-theirs",
                  test_a_user_has_only_so_much_room_and_others_have_theirs },
        };
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, Service, NULL, setup, tests[i].test, tear_down);
        return g_test_run();
}
