/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way of a call through virtbusd, whole but for what is at its ends: the bus, polkit and the driver are this test. */
#include "service-rig.h"

#include "backlog.h"

static void test_what_is_not_there_is_named_and_nobody_is_asked(Virtbusd *virtbusd, const void *unused) {
        static const struct {
                const char *path, *interface, *member, *signature, *error, *words;
        } cases[] = {
                { VIRTBUSD_PATH "/domain/none", "org.virtbus1.Domain", "Start", "a{sv}", SD_BUS_ERROR_UNKNOWN_OBJECT,
                  "/domain/none" },
                { VIRTBUSD_PATH "/none", "org.virtbus1.Domain", "Start", "a{sv}", SD_BUS_ERROR_UNKNOWN_OBJECT, "/none" },
                { RIG_DOMAIN, "org.virtbus1.Nothing", "Start", "a{sv}", SD_BUS_ERROR_UNKNOWN_INTERFACE, "org.virtbus1.Nothing" },
                { RIG_DOMAIN, "org.virtbus1.Job", "Cancel", "a{sv}", SD_BUS_ERROR_UNKNOWN_INTERFACE, "org.virtbus1.Job" },
                { RIG_DOMAIN, "org.virtbus1.Domain", "Nothing", "a{sv}", SD_BUS_ERROR_UNKNOWN_METHOD, "Nothing" },
                { RIG_DOMAIN, "org.virtbus1.Domain", "Destroy", "u", SD_BUS_ERROR_INVALID_ARGS, "Destroy" },
        };
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(Called) called = { 0 };
                call(virtbusd, &called, cases[i].path, cases[i].interface, cases[i].member, cases[i].signature, 0);
                assert_answer(&called, cases[i].error, cases[i].words);
        }
        g_auto(Called) unknown = { 0 }, constant = { 0 };
        call(virtbusd, &unknown, RIG_DOMAIN, PROPERTIES, "Get", "ss", "org.virtbus1.Domain", "Colour");
        assert_answer(&unknown, SD_BUS_ERROR_UNKNOWN_PROPERTY, "Colour");
        call(virtbusd, &constant, RIG_DOMAIN, PROPERTIES, "Set", "ssv", "org.virtbus1.Domain", "Name", "s", "other");
        assert_answer(&constant, SD_BUS_ERROR_PROPERTY_READ_ONLY, "Name");
        g_assert_cmpuint(virtbusd->n_questions, ==, 0);
}

static void test_who_may_read_is_asked_once(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) first = { 0 }, second = { 0 };
        const char *state;
        (void) unused;
        get_state(virtbusd, &first);
        get_state(virtbusd, &second);
        assert_answer(&first, NULL, NULL);
        assert_answer(&second, NULL, NULL);
        g_assert_cmpuint(virtbusd->n_questions, ==, 1);
        g_assert_cmpint(sd_bus_message_read(second.answer, "v", "s", &state), >, 0);
        g_assert_cmpstr(state, ==, "web");
}

static void test_who_may_not_reaches_no_driver(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) read = { 0 }, change = { 0 };
        (void) unused;
        virtbusd->answer = POLKIT_NO;
        get_state(virtbusd, &read);
        start(virtbusd, &change);
        assert_answer(&read, SD_BUS_ERROR_ACCESS_DENIED, "org.virtbus1.read");
        assert_answer(&change, SD_BUS_ERROR_ACCESS_DENIED, "org.virtbus1.domain.start");
        g_assert_true(g_queue_is_empty(&virtbusd->forwarded));
}

/* Two calls wait for polkit, then for the driver. */
static void test_a_call_is_forwarded_with_who_calls_and_its_answer_comes_back(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) called = { 0 };
        (void) unused;
        virtbusd->holds = true;
        start(virtbusd, &called);
        g_assert_true(g_queue_is_empty(&virtbusd->forwarded));
        virtbusd_let_go(virtbusd);
        g_assert_cmpuint(g_queue_get_length(&virtbusd->forwarded), ==, 1);
        sd_bus_message *forwarded = g_queue_peek_head(&virtbusd->forwarded);
        g_assert_nonnull(strstr(sd_bus_message_get_sender(forwarded), "1000"));
        g_assert_cmpstr(sd_bus_message_get_path(forwarded), ==, RIG_DOMAIN);
        g_assert_cmpuint(called.n_answers, ==, 0);
        sd_bus_reply_method_errorf(forwarded, "org.virtbus1.Error.OperationInvalid", "it runs already");
        fuzz_settle(virtbusd->event);
        assert_answer(&called, "org.virtbus1.Error.OperationInvalid", "it runs already");
}

static void test_a_driver_that_goes_leaves_no_call_without_an_answer(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) called = { 0 };
        (void) unused;
        virtbusd->holds = true;
        start(virtbusd, &called);
        virtbusd_let_go(virtbusd);
        sd_bus_close(virtbusd->driver);
        fuzz_settle(virtbusd->event);
        g_assert_cmpuint(called.n_answers, ==, 1);
        g_assert_true(sd_bus_message_is_method_error(called.answer, NULL));
}

static void test_who_has_left_starts_nothing(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) called = { 0 };
        Router *router = &virtbusd->parts.router;
        (void) unused;
        virtbusd->holds = true;
        start(virtbusd, &called);
        router_forget(router, callers_get(router->callers, VIRTBUSD_CALLER));
        virtbusd_let_go(virtbusd);
        g_assert_true(g_queue_is_empty(&virtbusd->forwarded));
}

static void test_what_waits_at_the_end_is_cancelled(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) called = { 0 };
        (void) unused;
        virtbusd->holds = true;
        start(virtbusd, &called);
        router_end(&virtbusd->parts.router);
        fuzz_settle(virtbusd->event);
        assert_answer(&called, "org.virtbus1.Error.Cancelled", NULL);
        virtbusd_let_go(virtbusd);
        g_assert_cmpuint(called.n_answers, ==, 1);
}

/* A caller that does not read has no turn. */
static void set_halted(Router *router, Caller *caller, bool halted) {
        caller->halted = halted;
        backlog_changed(router->backlog, caller);
}

static void test_what_was_allowed_and_has_not_had_its_turn_is_asked_for_again_after_a_change(Virtbusd *virtbusd,
                                                                                             const void *unused) {
        static const struct {
                const char *path, *interface, *member, *signature;
        } calls[] = {
                { RIG_DOMAIN, "org.virtbus1.Domain", "Start", "a{sv}" },
                { VIRTBUSD_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "" },
        };
        Router *router = &virtbusd->parts.router;
        Caller *caller = callers_get(router->callers, VIRTBUSD_CALLER);
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
                g_auto(Called) called = { 0 };
                virtbusd->holds = true;
                virtbusd->answer = POLKIT_YES;
                call(virtbusd, &called, calls[i].path, calls[i].interface, calls[i].member, calls[i].signature, 0);
                set_halted(router, caller, true);
                virtbusd_let_go(virtbusd);
                g_assert_cmpuint(called.n_answers, ==, 0);
                virtbusd->answer = POLKIT_NO;
                virtbusd->holds = false;
                authority_service_changed(router->authority, ":1.2"); /* as "Changed" does */
                set_halted(router, caller, false);
                fuzz_settle(virtbusd->event);
                g_assert_true(g_queue_is_empty(&virtbusd->forwarded));
                g_assert_cmpuint(called.n_answers, ==, 1);
                const char *contents = NULL;
                if (sd_bus_message_get_error(called.answer))
                        assert_answer(&called, SD_BUS_ERROR_ACCESS_DENIED, NULL);
                else { /* a list without what may not be read */
                        g_assert_cmpint(sd_bus_message_enter_container(called.answer, 'a', "{oa{sa{sv}}}"), >, 0);
                        g_assert_cmpint(sd_bus_message_peek_type(called.answer, NULL, &contents), ==, 0);
                }
        }
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *name;
                void (*test)(Virtbusd *virtbusd, const void *unused);
        } tests[] = {
                { "/router/what-is-not-there-is-named-and-nobody-is-asked", test_what_is_not_there_is_named_and_nobody_is_asked },
                { "/router/who-may-read-is-asked-once", test_who_may_read_is_asked_once },
                { "/router/who-may-not-reaches-no-driver", test_who_may_not_reaches_no_driver },
                { "/router/a-call-is-forwarded-with-who-calls-and-its-answer-comes-back",
                  test_a_call_is_forwarded_with_who_calls_and_its_answer_comes_back },
                { "/router/a-driver-that-goes-leaves-no-call-without-an-answer",
                  test_a_driver_that_goes_leaves_no_call_without_an_answer },
                { "/router/who-has-left-starts-nothing", test_who_has_left_starts_nothing },
                { "/router/what-waits-at-the-end-is-cancelled", test_what_waits_at_the_end_is_cancelled },
                { "/router/what-was-allowed-and-has-not-had-its-turn-is-asked-for-again-after-a-change",
                  test_what_was_allowed_and_has_not_had_its_turn_is_asked_for_again_after_a_change },
        };
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, Virtbusd, NULL, set_up, tests[i].test, tear_down);
        return g_test_run();
}
