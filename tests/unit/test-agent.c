/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The agent's protocol against what guests may send: the other end of the socket plays the guest. */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "domain/agent/agent.h"
#include "domain/agent/agent-methods.h"
#include "errors.h"
#include "interfaces.h"

typedef struct Fixture {
        sd_event *event;
        Agent *agent;
        int guest;
        unsigned n_answers;
        bool was_cut;
        unsigned n_changes, n_answers_then; /* that it is connected, or not; and what was answered before the last of them */
        char *answer;
        GError *error;
} Fixture;

static void on_changed(void *data) {
        Fixture *fixture = data;
        fixture->was_cut = fixture->agent && !agent_is_connected(fixture->agent);
        fixture->n_changes++;
        fixture->n_answers_then = fixture->n_answers;
}

static void set_up(Fixture *fixture, const void *unused) {
        int pair[2];
        (void) unused;
        g_assert_cmpint(sd_event_new(&fixture->event), >=, 0);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        fixture->agent = agent_new(fixture->event, pair[0], "tested", on_changed, fixture);
        fixture->guest = pair[1];
        agent_set_connected(fixture->agent, true);
}

static void tear_down(Fixture *fixture, const void *unused) {
        g_autoptr(GError) error = NULL;
        (void) unused;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "over");
        agent_free(fixture->agent, error);
        autofd_close(&fixture->guest);
        sd_event_unref(fixture->event);
        g_free(fixture->answer);
        g_clear_error(&fixture->error);
}

static void on_answer(void *data, JsonNode *answer, const GError *error) {
        Fixture *fixture = data;
        fixture->n_answers++;
        g_free(fixture->answer);
        fixture->answer = answer ? json_node_text(answer) : NULL;
        g_clear_error(&fixture->error);
        fixture->error = error ? g_error_copy(error) : NULL;
}

static void ask(Fixture *fixture, AgentExpectation expectation) {
        agent_command(fixture->agent, "guest-test", NULL, expectation, on_answer, fixture);
}

/* Does all that can be done at once. */
static void settle(Fixture *fixture) {
        while (sd_event_run(fixture->event, 0) > 0)
                ;
}

static void wait_for_answers(Fixture *fixture, unsigned n) {
        while (fixture->n_answers < n)
                g_assert_cmpint(sd_event_run(fixture->event, UINT64_MAX), >=, 0);
}

static void say(Fixture *fixture, const char *text) {
        g_assert_cmpint(send(fixture->guest, text, strlen(text), MSG_NOSIGNAL), ==, (gssize) strlen(text));
        settle(fixture);
}

/* What the guest hears, and the ID in the last sync. */
static char *hear(Fixture *fixture, gint64 *sync) {
        char text[4096];
        settle(fixture);
        ssize_t n = recv(fixture->guest, text, sizeof text - 1, MSG_DONTWAIT);
        text[MAX(n, 0)] = '\0';
        for (const char *found = text; sync && (found = strstr(found, "\"id\":")); found++)
                *sync = g_ascii_strtoll(found + 5, NULL, 10);
        return g_strdup(text);
}

static void answer_sync(Fixture *fixture) {
        gint64 sync = -1;
        g_autofree char *heard = hear(fixture, &sync), *text = g_strdup_printf("\xff{\"return\": %" G_GINT64_FORMAT "}\n", sync);
        g_assert_nonnull(strstr(heard, "guest-sync"));
        say(fixture, text + 1);
}

static void assert_error(const Fixture *fixture, VirtbusError code, const char *word) {
        g_assert_nonnull(fixture->error);
        g_assert_cmpint(fixture->error->code, ==, (int) code);
        g_assert_nonnull(strstr(fixture->error->message, word));
}

static void test_a_command_follows_a_sync(Fixture *fixture, const void *unused) {
        (void) unused;
        ask(fixture, AGENT_ANSWER);
        g_autofree char *sync = hear(fixture, NULL);
        g_assert_null(strstr(sync, "guest-test"));
        say(fixture, "{\"return\": 12345}\n"); /* no such sync */
        g_autofree char *nothing = hear(fixture, NULL);
        g_assert_cmpstr(nothing, ==, "");
        say(fixture, "garbage\n\n{}\n");
        const char *id = strstr(sync, "\"id\":") + 5;
        g_autofree char *text = g_strdup_printf("{\"return\": %" G_GINT64_FORMAT "}\n", g_ascii_strtoll(id, NULL, 10));
        say(fixture, text);
        g_autofree char *command = hear(fixture, NULL);
        g_assert_nonnull(strstr(command, "guest-test"));
        say(fixture, "{\"return\": {\"a\": 1}}\n");
        g_assert_cmpstr(fixture->answer, ==, "{\"a\":1}");
}

static void test_a_late_answer_is_not_the_next_ones(Fixture *fixture, const void *unused) {
        (void) unused;
        agent_set_timeout(fixture->agent, 1);
        ask(fixture, AGENT_ANSWER);
        ask(fixture, AGENT_ANSWER);
        answer_sync(fixture);
        wait_for_answers(fixture, 1);
        assert_error(fixture, VIRTBUS_ERROR_TIMEOUT, "guest-test");
        say(fixture, "{\"return\": \"late\"}\n"); /* of the first one, while the second waits for its sync */
        g_assert_cmpuint(fixture->n_answers, ==, 1);
        answer_sync(fixture);
        say(fixture, "{\"return\": \"right\"}\n");
        g_assert_cmpuint(fixture->n_answers, ==, 2);
        g_assert_cmpstr(fixture->answer, ==, "\"right\"");
}

static void test_a_silent_agent_times_out_in_its_sync(Fixture *fixture, const void *unused) {
        (void) unused;
        agent_set_timeout(fixture->agent, 1); /* shorter than a sync's own */
        ask(fixture, AGENT_ANSWER);
        wait_for_answers(fixture, 1);
        assert_error(fixture, VIRTBUS_ERROR_TIMEOUT, "guest-sync");
}

static void test_what_may_take_long_is_waited_for_without_an_end(Fixture *fixture, const void *unused) {
        static const char *const slow[] = { "guest-fstrim",        "guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list",
                                            "guest-fsfreeze-thaw", "guest-suspend-ram",     "guest-suspend-disk",
                                            "guest-suspend-hybrid" };
        (void) fixture;
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(slow); i++) {
                g_assert_cmpint(agent_patience(AGENT_WAIT_DEFAULT, slow[i]), ==, AGENT_WAIT_FOR_EVER);
                g_assert_cmpint(agent_patience(7, slow[i]), ==, 7); /* unless somebody has said how long */
        }
        g_assert_cmpint(agent_patience(AGENT_WAIT_DEFAULT, "guest-info"), ==, AGENT_TIMEOUT_DEFAULT);
        g_assert_cmpint(agent_patience(AGENT_WAIT_FOR_EVER, "guest-info"), ==, AGENT_WAIT_FOR_EVER);
}

static void test_no_wait(Fixture *fixture, const void *unused) {
        (void) unused;
        agent_set_timeout(fixture->agent, AGENT_NO_WAIT);
        ask(fixture, AGENT_DONE);
        g_assert_cmpuint(fixture->n_answers, ==, 1);
        g_assert_no_error(fixture->error);
        g_autofree char *heard = hear(fixture, NULL);
        g_assert_nonnull(strstr(heard, "guest-test"));
        ask(fixture, AGENT_ANSWER);
        wait_for_answers(fixture, 2);
        assert_error(fixture, VIRTBUS_ERROR_TIMEOUT, "guest-test");
}

static void test_an_agents_refusal_is_told(Fixture *fixture, const void *unused) {
        (void) unused;
        ask(fixture, AGENT_ANSWER);
        answer_sync(fixture);
        say(fixture, "{\"error\": {\"class\": \"x\", \"desc\": \"not today\"}}\n");
        assert_error(fixture, VIRTBUS_ERROR_HYPERVISOR_FAILED, "not today");
}

static void test_nonsense_is_an_error_and_no_more(Fixture *fixture, const void *unused) {
        static const char *const answers[] = { "nonsense\n", "[1]\n", "{\"return\"\n", "{}\n", "{\"error\": 7}\n", "\xff\xfe\n" };
        g_autoptr(GString) deep = g_string_new("{\"return\":");
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                ask(fixture, AGENT_ANSWER);
                answer_sync(fixture);
                say(fixture, answers[i]);
                g_assert_cmpuint(fixture->n_answers, ==, i + 1);
                assert_error(fixture, VIRTBUS_ERROR_HYPERVISOR_FAILED, "tested");
        }
        for (int i = 0; i < 50000; i++)
                g_string_append_c(deep, '[');
        g_string_append_c(deep, '\n');
        ask(fixture, AGENT_ANSWER);
        answer_sync(fixture);
        say(fixture, deep->str);
        assert_error(fixture, VIRTBUS_ERROR_HYPERVISOR_FAILED, "deeper");
}

static void flood(Fixture *fixture, const char *text, size_t n) {
        for (size_t i = 0; i < n && agent_is_connected(fixture->agent); i++) {
                send(fixture->guest, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
                settle(fixture);
        }
}

static void test_an_endless_line_is_cut_off(Fixture *fixture, const void *unused) {
        g_autofree char *part = g_strnfill(32768, 'x');
        (void) unused;
        ask(fixture, AGENT_ANSWER);
        flood(fixture, part, 2 * AGENT_LINE_MAX / 32768);
        g_assert_false(agent_is_connected(fixture->agent));
        assert_error(fixture, VIRTBUS_ERROR_AGENT_UNAVAILABLE, "too long");
        ask(fixture, AGENT_ANSWER);
        assert_error(fixture, VIRTBUS_ERROR_AGENT_UNAVAILABLE, "cut off");
}

static void test_a_flood_is_cut_off(Fixture *fixture, const void *unused) {
        g_autofree char *part = g_strnfill(32768, '\n');
        (void) unused;
        flood(fixture, part, 2 * AGENT_NOISE_MAX / 32768);
        g_assert_true(fixture->was_cut);
        g_assert_false(agent_is_connected(fixture->agent));
        ask(fixture, AGENT_DONE);
        assert_error(fixture, VIRTBUS_ERROR_AGENT_UNAVAILABLE, "cut off");
}

/* A zero ends a string of C's, and no line. */
static void test_a_flood_of_zeros_is_cut_off(Fixture *fixture, const void *unused) {
        g_autofree char *part = g_malloc0(32768);
        (void) unused;
        part[32767] = '\n';
        for (size_t i = 0; i < 2 * AGENT_NOISE_MAX / 32768 && agent_is_connected(fixture->agent); i++) {
                send(fixture->guest, part, 32768, MSG_NOSIGNAL | MSG_DONTWAIT);
                settle(fixture);
        }
        g_assert_true(fixture->was_cut);
}

static void test_what_a_guest_does_not_read_is_bounded(Fixture *fixture, const void *unused) {
        g_autofree char *text = g_strnfill(AGENT_OUTPUT_MAX / 4, 'x');
        (void) unused;
        agent_set_timeout(fixture->agent, AGENT_NO_WAIT); /* each is done when it was sent */
        for (int i = 0; i < 8; i++)
                agent_command(fixture->agent, "guest-test", json_make("text", 's', text, NULL), AGENT_DONE, on_answer, fixture);
        g_assert_cmpuint(fixture->n_answers, ==, 8);
        assert_error(fixture, VIRTBUS_ERROR_RESOURCE_BUSY, "not read");
        g_autofree char *heard = g_malloc(AGENT_OUTPUT_MAX);
        while (recv(fixture->guest, heard, AGENT_OUTPUT_MAX, MSG_DONTWAIT) > 0) /* it reads at last */
                settle(fixture);
        ask(fixture, AGENT_DONE);
        g_assert_no_error(fixture->error);
}

static void test_only_so_many_wait(Fixture *fixture, const void *unused) {
        (void) unused;
        for (int i = 0; i < AGENT_COMMANDS_MAX; i++)
                ask(fixture, AGENT_ANSWER);
        g_assert_cmpuint(fixture->n_answers, ==, 0);
        ask(fixture, AGENT_ANSWER);
        assert_error(fixture, VIRTBUS_ERROR_RESOURCE_BUSY, "32");
        agent_set_connected(fixture->agent, false);
        g_assert_cmpuint(fixture->n_answers, ==, AGENT_COMMANDS_MAX + 1);
        assert_error(fixture, VIRTBUS_ERROR_AGENT_UNAVAILABLE, "ended");
        ask(fixture, AGENT_ANSWER);
        assert_error(fixture, VIRTBUS_ERROR_AGENT_UNAVAILABLE, "no agent");
}

/* What has been logged since stderr was turned to FILE, which it is turned back from. */
static char *logged(FILE *file, int stderr_before) {
        char text[4096] = "";
        fflush(stderr);
        g_assert_cmpint(dup2(stderr_before, STDERR_FILENO), >=, 0);
        close(stderr_before);
        rewind(file);
        size_t n = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        return g_strndup(text, n);
}

static FILE *begin_logging(int *stderr_before) {
        FILE *file = tmpfile();
        *stderr_before = dup(STDERR_FILENO);
        g_assert_cmpint(dup2(fileno(file), STDERR_FILENO), >=, 0);
        return file;
}

static void test_the_end_of_a_machine_is_not_worth_a_warning(Fixture *fixture, const void *unused) {
        int before;
        FILE *file = begin_logging(&before);
        (void) unused;
        g_assert_cmpint(shutdown(fixture->guest, SHUT_RDWR), ==, 0);
        settle(fixture);
        g_autofree char *text = logged(file, before);
        g_assert_true(fixture->was_cut);
        g_assert_cmpstr(text, ==, "");
}

static void test_an_agent_that_breaks_the_protocol_is_worth_one(Fixture *fixture, const void *unused) {
        g_autofree char *noise = g_strnfill(64 * 1024, '\n');
        int before;
        FILE *file = begin_logging(&before);
        (void) unused;
        for (unsigned i = 0; i < 1024 && agent_is_connected(fixture->agent); i++)
                if (send(fixture->guest, noise, strlen(noise), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                        settle(fixture);
        g_autofree char *text = logged(file, before);
        g_assert_nonnull(strstr(text, "it talks without being asked"));
}

static void test_an_agent_that_ends_has_done_what_ends_it(Fixture *fixture, const void *unused) {
        (void) unused;
        ask(fixture, AGENT_END);
        answer_sync(fixture);
        agent_set_connected(fixture->agent, false);
        g_assert_cmpuint(fixture->n_answers, ==, 1);
        g_assert_no_error(fixture->error);
        agent_set_connected(fixture->agent, true);
        ask(fixture, AGENT_END);
        agent_machine_obeys(fixture->agent); /* not yet asked: somebody else's shutdown */
        g_assert_cmpuint(fixture->n_answers, ==, 1);
        answer_sync(fixture);
        agent_machine_obeys(fixture->agent);
        g_assert_cmpuint(fixture->n_answers, ==, 2);
        g_assert_no_error(fixture->error);
}

/* Whoever reads of the failure that the agent has ended, and looks, finds that it has. */
static void test_that_it_is_gone_is_told_before_what_waits_fails(Fixture *fixture, const void *unused) {
        (void) unused;
        ask(fixture, AGENT_ANSWER);
        unsigned n = fixture->n_changes;
        agent_set_connected(fixture->agent, false);
        agent_set_connected(fixture->agent, false);
        g_assert_cmpuint(fixture->n_changes, ==, n + 1);
        g_assert_cmpuint(fixture->n_answers_then, ==, 0);
        g_assert_cmpuint(fixture->n_answers, ==, 1);
        agent_set_connected(fixture->agent, true);
        g_assert_cmpuint(fixture->n_changes, ==, n + 2);
        ask(fixture, AGENT_ANSWER);
        close(fixture->guest);
        fixture->guest = -1;
        while (!fixture->was_cut)
                g_assert_cmpint(sd_event_run(fixture->event, UINT64_MAX), >=, 0);
        g_assert_cmpuint(fixture->n_answers_then, ==, 1);
        g_assert_cmpuint(fixture->n_answers, ==, 2);
}

static void test_every_method_is_in_the_table(void) {
        const char *const *members = agent_method_members();
        g_assert_cmpuint(g_strv_length((char **) members), ==, interface_domain_guest.n_methods);
        for (size_t i = 0; members[i]; i++)
                g_assert_cmpstr(members[i], ==, interface_domain_guest.methods[i].name);
}

#define TEST(function) g_test_add("/agent/" #function, Fixture, NULL, set_up, test_##function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        TEST(a_command_follows_a_sync);
        TEST(a_late_answer_is_not_the_next_ones);
        TEST(a_silent_agent_times_out_in_its_sync);
        TEST(what_may_take_long_is_waited_for_without_an_end);
        TEST(no_wait);
        TEST(an_agents_refusal_is_told);
        TEST(a_flood_of_zeros_is_cut_off);
        TEST(what_a_guest_does_not_read_is_bounded);
        TEST(nonsense_is_an_error_and_no_more);
        TEST(an_endless_line_is_cut_off);
        TEST(a_flood_is_cut_off);
        TEST(only_so_many_wait);
        TEST(the_end_of_a_machine_is_not_worth_a_warning);
        TEST(an_agent_that_breaks_the_protocol_is_worth_one);
        TEST(an_agent_that_ends_has_done_what_ends_it);
        TEST(that_it_is_gone_is_told_before_what_waits_fails);
        g_test_add_func("/agent/every_method_is_in_the_table", test_every_method_is_in_the_table);
        return g_test_run();
}
