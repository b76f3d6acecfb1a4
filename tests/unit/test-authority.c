/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What polkit is asked, and what becomes of its answers: polkit is this test. */
#include "service-rig.h"

static void assert_asked(const Virtbusd *virtbusd, const char *words) {
        g_assert_nonnull(virtbusd->asked);
        g_assert_nonnull(strstr(virtbusd->asked, words));
}

static void test_polkit_is_told_what_is_to_be_done_and_to_what(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) called = { 0 };
        (void) unused;
        virtbusd->answer = POLKIT_NO;
        start(virtbusd, &called);
        g_assert_cmpuint(virtbusd->n_questions, ==, 1);
        g_assert_true(g_str_has_prefix(virtbusd->asked, "org.virtbus1.domain.start "));
        assert_asked(virtbusd, " domain_name=web");
        assert_asked(virtbusd, " domain_uuid=web");
        assert_asked(virtbusd, " domain_owner=0");
        assert_asked(virtbusd, " connection=web");
        assert_asked(virtbusd, " caller_is_owner=false");
}

/* A read that is refused for the connection is asked for the object. */
static void test_a_read_is_asked_for_the_connection_first(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) called = { 0 };
        (void) unused;
        virtbusd->holds = true;
        get_state(virtbusd, &called);
        assert_asked(virtbusd, "org.virtbus1.read ");
        g_assert_null(strstr(virtbusd->asked, "domain_name"));
        virtbusd->answer = POLKIT_NO;
        virtbusd_let_go(virtbusd);
        assert_asked(virtbusd, " domain_name=web");
        virtbusd->answer = POLKIT_YES;
        virtbusd_let_go(virtbusd);
        assert_answer(&called, NULL, NULL);
}

static void test_root_is_not_asked_about(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) called = { 0 };
        (void) unused;
        virtbusd->caller_uid = 0;
        virtbusd->answer = POLKIT_NO;
        get_state(virtbusd, &called);
        assert_answer(&called, NULL, NULL);
        g_assert_cmpuint(virtbusd->n_questions, ==, 0);
}

static void test_each_refusal_says_what_to_do(Virtbusd *virtbusd, const void *unused) {
        static const struct {
                PolkitAnswer answer;
                const char *error, *words;
        } cases[] = {
                { POLKIT_NO, SD_BUS_ERROR_ACCESS_DENIED, "ask an administrator for a rule" },
                { POLKIT_CHALLENGE, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                  "call again with interactive authorization allowed" },
                { POLKIT_FAILS, SD_BUS_ERROR_ACCESS_DENIED, "see that its service runs" },
        };
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(Called) called = { 0 };
                virtbusd->answer = cases[i].answer;
                start(virtbusd, &called);
                assert_answer(&called, cases[i].error, cases[i].words);
                assert_answer(&called, cases[i].error, "domain 'web'");
        }
}

static void test_what_may_be_done_is_asked_for_each_time(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) first = { 0 }, second = { 0 };
        (void) unused;
        virtbusd->answer = POLKIT_NO;
        start(virtbusd, &first);
        start(virtbusd, &second);
        g_assert_cmpuint(virtbusd->n_questions, ==, 2);
}

static void test_what_may_be_read_is_forgotten_when_polkit_decides_anew(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) before = { 0 }, after = { 0 };
        (void) unused;
        get_state(virtbusd, &before);
        virtbusd->answer = POLKIT_NO;
        authority_service_changed(virtbusd->parts.router.authority, ":1.2"); /* as "Changed" does */
        get_state(virtbusd, &after);
        assert_answer(&before, NULL, NULL);
        assert_answer(&after, SD_BUS_ERROR_ACCESS_DENIED, "org.virtbus1.read");
}

/* An answer that was on its way when polkit said that it decides anew is not kept. */
static void test_an_answer_from_before_a_change_is_not_kept(Virtbusd *virtbusd, const void *unused) {
        g_auto(Called) first = { 0 }, second = { 0 };
        (void) unused;
        virtbusd->holds = true;
        get_state(virtbusd, &first);
        authority_service_changed(virtbusd->parts.router.authority, ":1.2");
        virtbusd_let_go(virtbusd);
        virtbusd->holds = false;
        virtbusd->answer = POLKIT_NO;
        get_state(virtbusd, &second);
        assert_answer(&second, SD_BUS_ERROR_ACCESS_DENIED, "org.virtbus1.read");
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *name;
                void (*test)(Virtbusd *virtbusd, const void *unused);
        } tests[] = {
                { "/authority/polkit-is-told-what-is-to-be-done-and-to-what",
                  test_polkit_is_told_what_is_to_be_done_and_to_what },
                { "/authority/a-read-is-asked-for-the-connection-first", test_a_read_is_asked_for_the_connection_first },
                { "/authority/root-is-not-asked-about", test_root_is_not_asked_about },
                { "/authority/each-refusal-says-what-to-do", test_each_refusal_says_what_to_do },
                { "/authority/what-may-be-done-is-asked-for-each-time", test_what_may_be_done_is_asked_for_each_time },
                { "/authority/what-may-be-read-is-forgotten-when-polkit-decides-anew",
                  test_what_may_be_read_is_forgotten_when_polkit_decides_anew },
                { "/authority/an-answer-from-before-a-change-is-not-kept", test_an_answer_from_before_a_change_is_not_kept },
        };
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, Virtbusd, NULL, set_up, tests[i].test, tear_down);
        return g_test_run();
}
