/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "bus.h"
#include "errors.h"
#include "qemu/guest/guest-log.h"
#include "qemu/monitor/event-flow.h"
#include "qemu/monitor/monitor.h"

/* Monitor: against a hostile QEMU, which is one end of a socketpair. */

typedef struct Scene {
        sd_event *event;
        Monitor *monitor;
        int qemu;
        bool ready;
        unsigned n_events, n_answers, n_failures, n_silent;
        GError *closed;
} Scene;

static void on_ready(void *data) {
        ((Scene *) data)->ready = true;
}

static void on_event(void *data, const char *name, JsonObject *arguments) {
        (void) name;
        (void) arguments;
        ((Scene *) data)->n_events++;
}

static void on_closed(void *data, const GError *error) {
        Scene *scene = data;
        scene->closed = g_error_copy(error);
}

static void on_answer(void *data, JsonObject *answer, const GError *error) {
        Scene *scene = data;
        (void) answer;
        *(error ? &scene->n_failures : &scene->n_answers) += 1;
}

static void on_silent(void *data, const GError *error) {
        Scene *scene = data;
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_TIMEOUT);
        scene->ready = false;
        scene->n_silent++;
}

static const MonitorListener listener = { on_ready, on_event, on_closed, on_silent };

static void scene_open(Scene *scene) {
        int pair[2];
        *scene = (Scene){ .qemu = -1 };
        g_assert_cmpint(sd_event_new(&scene->event), >=, 0);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        scene->monitor = monitor_new(scene->event, pair[0], &listener, scene, NULL);
        scene->qemu = pair[1];
}

static void scene_close(Scene *scene) {
        monitor_free(scene->monitor);
        autofd_close(&scene->qemu);
        g_clear_error(&scene->closed);
        sd_event_unref(scene->event);
}

static void run(Scene *scene) {
        while (sd_event_run(scene->event, 0) > 0)
                ;
}

static void say(Scene *scene, const char *text) {
        for (size_t left = strlen(text); left > 0 && !scene->closed;) {
                ssize_t n = send(scene->qemu, text, left, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n > 0) {
                        text += n;
                        left -= (size_t) n;
                }
                run(scene);
        }
        run(scene);
}

/* What the driver has sent. */
static char *hear(Scene *scene) {
        static char buffer[65536];
        run(scene);
        ssize_t n = recv(scene->qemu, buffer, sizeof buffer - 1, MSG_DONTWAIT);
        buffer[MAX(n, 0)] = '\0';
        return buffer;
}

#define GREETING "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n"

/* What QEMU had for a driver that was killed comes to the next one, from the middle of a line on. */
static void test_what_was_for_an_earlier_driver_is_skipped(void) {
        Scene scene;
        scene_open(&scene);
        monitor_skip_remainder(scene.monitor);
        say(&scene, "us\": \"active\"}, \"id\": "
                    "7}\r\n{\"event\":\"STOP\",\"timestamp\":{}}\r\n{\"return\":{},\"id\":1}\r\n[1]\r\n" GREETING);
        g_assert_nonnull(strstr(hear(&scene), "qmp_capabilities"));
        say(&scene, "{\"return\":{},\"id\":1}\r\n");
        g_assert_true(scene.ready);
        g_assert_cmpuint(scene.n_events, ==, 0);
        scene_close(&scene);
        scene_open(&scene); /* which is bounded */
        monitor_skip_remainder(scene.monitor);
        for (int i = 0; i <= MONITOR_REMAINDER_MAX && !scene.closed; i++)
                say(&scene, "{\"event\":\"STOP\",\"timestamp\":{}}\r\n");
        g_assert_nonnull(scene.closed);
        scene_close(&scene);
}

static void test_commands_wait_for_the_greeting(void) {
        Scene scene;
        scene_open(&scene);
        monitor_command(scene.monitor, "query-status", NULL, -1, on_answer, &scene);
        g_assert_cmpstr(hear(&scene), ==, "");
        say(&scene, GREETING);
        g_assert_nonnull(strstr(hear(&scene), "qmp_capabilities"));
        g_assert_null(strstr(hear(&scene), "query-status"));
        say(&scene, "{\"return\":{},\"id\":2}\r\n");
        g_assert_true(scene.ready);
        g_assert_nonnull(strstr(hear(&scene), "query-status"));
        say(&scene, "{\"event\":\"STOP\",\"timestamp\":{}}\r\n{\"return\":{},\"id\":99}\r\n{\"return\":{},\"id\":1}\r\n");
        g_assert_cmpuint(scene.n_answers, ==, 1);
        g_assert_cmpuint(scene.n_events, ==, 1);
        monitor_command(scene.monitor, "nonsense", NULL, -1, on_answer, &scene);
        g_assert_nonnull(strstr(hear(&scene), "nonsense"));
        say(&scene, "{\"error\":{\"class\":7,\"desc\":[]},\"id\":3}\r\n");
        g_assert_cmpuint(scene.n_failures, ==, 1);
        g_assert_null(scene.closed);
        scene_close(&scene);
}

static void cut_off(const char *text, const char *part) {
        Scene scene;
        scene_open(&scene);
        monitor_command(scene.monitor, "query-status", NULL, -1, on_answer, &scene);
        say(&scene, text);
        g_assert_nonnull(scene.closed);
        g_assert_nonnull(strstr(scene.closed->message, part));
        g_assert_cmpuint(scene.n_failures, ==, 1); /* what waited is told */
        scene_close(&scene);
}

static void test_who_breaks_the_protocol_is_cut_off(void) {
        g_autoptr(GString) endless = g_string_new(GREETING);
        for (size_t i = 0; i < MONITOR_LINE_MAX / 64 + 4096; i++)
                g_string_append(endless, "0123456789012345678901234567890123456789012345678901234567890123");
        cut_off(endless->str, "too long");
        cut_off("hello\r\n", "cut off");
        cut_off("{\"return\":{}}\r\n", "does not speak QMP");
        cut_off(GREETING "{{{{\r\n", "cut off");
        cut_off(GREETING "[]\r\n", "not an object");
}

static void test_a_flood_of_events_is_only_read(void) {
        Scene scene;
        scene_open(&scene);
        say(&scene, GREETING);
        for (int i = 0; i < 2000; i++)
                say(&scene, "{\"event\":\"RTC_CHANGE\",\"data\":{\"offset\":1}}\r\n");
        g_assert_cmpuint(scene.n_events, ==, 2000);
        hear(&scene); /* else the close would be a reset */
        autofd_close(&scene.qemu);
        scene.qemu = -1;
        run(&scene);
        g_assert_nonnull(strstr(scene.closed->message, "closed"));
        scene_close(&scene);
}

static void test_what_qemu_has_said_is_without_what_says_nothing(void) {
        static const struct {
                const char *said, *words;
        } cases[] = {
                { "", "" },
                { "char device redirected to /dev/pts/5 (label charserial0)\n", "" },
                { "char device redirected to /dev/pts/5 (label charserial0)\n2026-11-26T04:09:45.105555Z qemu-system-x86_64: "
                  "cannot "
                  "set up guest memory 'pc.ram': Cannot allocate memory\n",
                  "cannot set up guest memory 'pc.ram': Cannot allocate memory" },
                { "qemu-system-x86_64: -device x: no\nIs it there?\n\n", "-device x: no\nIs it there?" },
                { "/opt/qemu/bin/qemu-kvm: one\n2026-11-26T04:09:45.105555Z two: three", "one\ntwo: three" },
                { "2026 is a year\nqemu is a program", "2026 is a year\nqemu is a program" },
                { "\xff", "\xef\xbf\xbd" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *words = guest_log_words(cases[i].said);
                g_assert_cmpstr(words, ==, cases[i].words);
        }
}

/* Events are numbers: those that were passed on are added to a text. */
typedef struct Flow {
        sd_event *event;
        EventFlow *flow;
        GString *taken, *taken_before;
        unsigned n_taken;
} Flow;

static void take_told(void *data, const char *name, JsonObject *arguments) {
        Flow *flow = data;
        flow->n_taken++;
        g_string_assign(flow->taken_before, flow->taken->str);
        g_string_printf(flow->taken, "%s %" G_GINT64_FORMAT, name, json_int(arguments, "n", -1));
        if (strcmp(name, "END") == 0)
                g_clear_pointer(&flow->flow, event_flow_free);
}

static void tell(Flow *flow, const char *name, int n) {
        g_autoptr(JsonObject) arguments = json_make("n", 'i', (gint64) n, NULL);
        event_flow_told(flow->flow, name, arguments);
}

static void test_events_are_passed_on_in_measure_and_the_last_word_is_the_last(void) {
        Flow flow = { .taken = g_string_new(NULL), .taken_before = g_string_new(NULL) };
        g_assert_cmpint(sd_event_new(&flow.event), >=, 0);
        flow.flow = event_flow_new(flow.event, take_told, &flow);
        event_flow_told(flow.flow, "NOTHING", NULL);
        tell(&flow, "STOP", 1);
        g_assert_cmpuint(flow.n_taken, ==, 2); /* at once */
        gint64 began = g_get_monotonic_time();
        for (unsigned i = 0; i < 20000; i++)
                tell(&flow, i % 2 ? "STOP" : "RESUME", 1);
        tell(&flow, "RESUME", 1);
        double seconds = (double) (g_get_monotonic_time() - began) / G_USEC_PER_SEC;
        g_assert_cmpfloat(flow.n_taken, <=, EVENTS_AT_ONCE + EVENTS_PER_SECOND * (seconds + 2));
        unsigned before = flow.n_taken;
        tell(&flow, "RESET", 1);
        while (!g_str_equal(flow.taken->str, "RESET 1"))
                sd_event_run(flow.event, UINT64_MAX);
        g_assert_cmpstr(flow.taken_before->str, ==, "RESUME 1");
        g_assert_cmpuint(flow.n_taken, <=, before + 3); /* each that waited once */
        /* More different ones than may wait: the last ones are those that count. */
        for (int i = 0; i < 10 * EVENTS_WAITING_MAX; i++)
                tell(&flow, "BALLOON_CHANGE", i);
        g_autofree char *last = g_strdup_printf("BALLOON_CHANGE %d", 10 * EVENTS_WAITING_MAX - 1);
        while (!g_str_equal(flow.taken->str, last))
                sd_event_run(flow.event, UINT64_MAX);
        tell(&flow, "END", 0); /* and another waits */
        while (flow.flow)
                sd_event_run(flow.event, UINT64_MAX);
        g_string_free(flow.taken, TRUE);
        g_string_free(flow.taken_before, TRUE);
        sd_event_unref(flow.event);
}

static void test_a_monitor_that_tells_without_end_is_read_in_measure(void) {
        Scene scene;
        scene_open(&scene);
        say(&scene, GREETING "{\"return\":{},\"id\":1}\r\n");
        gint64 began = g_get_monotonic_time();
        const char told[] = "{\"event\":\"STOP\"}\r\n";
        for (unsigned i = 0; i < 4 * MONITOR_EVENTS_AT_ONCE; i++) {
                if (send(scene.qemu, told, strlen(told), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) /* it is not read */
                        break;
                sd_event_run(scene.event, 0);
        }
        double seconds = (double) (g_get_monotonic_time() - began) / G_USEC_PER_SEC;
        g_assert_cmpfloat(scene.n_events, <=, MONITOR_EVENTS_AT_ONCE + MONITOR_EVENTS_PER_SECOND * (seconds + 1));
        autofd_close(&scene.qemu); /* which ends all waiting */
        scene.qemu = -1;
        while (!scene.closed)
                sd_event_run(scene.event, UINT64_MAX);
        scene_close(&scene);
}

static void test_who_is_silent_for_too_long_fails_what_waits_until_it_answers(void) {
        Scene scene;
        scene_open(&scene);
        say(&scene, GREETING "{\"return\":{},\"id\":1}\r\n");
        monitor_command(scene.monitor, "query-status", NULL, -1, on_answer, &scene);
        monitor_command(scene.monitor, "query-block", NULL, -1, on_answer, &scene);
        hear(&scene);
        say(&scene, "{\"event\":\"STOP\",\"timestamp\":{}}\r\n");
        g_assert_cmpuint(scene.n_failures, ==, 0);
        monitor_set_patience(scene.monitor, 0);
        run(&scene);
        g_assert_cmpuint(scene.n_silent, ==, 1);
        g_assert_cmpuint(scene.n_failures, ==, 2);
        g_assert_false(monitor_is_there(scene.monitor));
        monitor_set_patience(scene.monitor, MONITOR_PATIENCE);
        monitor_command(scene.monitor, "cont", NULL, -1, on_answer, &scene);
        g_assert_cmpuint(scene.n_failures, ==, 3);
        g_assert_cmpstr(hear(&scene), ==, "");                    /* nor is that done later */
        say(&scene, "{\"event\":\"STOP\",\"timestamp\":{}}\r\n"); /* which another thread of it may tell */
        g_assert_false(monitor_is_there(scene.monitor));
        say(&scene, "{\"return\":{},\"id\":2}\r\n");
        g_assert_true(scene.ready && monitor_is_there(scene.monitor));
        g_assert_cmpuint(scene.n_answers, ==, 0);
        monitor_command(scene.monitor, "cont", NULL, -1, on_answer, &scene);
        g_assert_nonnull(strstr(hear(&scene), "cont"));
        say(&scene, "{\"return\":{},\"id\":3}\r\n{\"return\":{},\"id\":4}\r\n");
        g_assert_cmpuint(scene.n_answers, ==, 1);
        g_assert_null(scene.closed);
        scene_close(&scene);
}

static void test_who_is_silent_from_the_beginning_may_still_come(void) {
        g_autoptr(GError) error = NULL;
        Scene scene;
        scene_open(&scene);
        monitor_command(scene.monitor, "query-status", NULL, -1, on_answer, &scene);
        say(&scene, GREETING);
        virtbus_error_set(&error, VIRTBUS_ERROR_TIMEOUT, "it has taken too long");
        monitor_lose_patience(scene.monitor, error);
        g_assert_cmpuint(scene.n_failures, ==, 1);
        g_assert_nonnull(strstr(hear(&scene), "qmp_capabilities"));
        say(&scene, "{\"return\":{},\"id\":2}\r\n");
        g_assert_true(scene.ready && monitor_is_there(scene.monitor));
        g_assert_cmpstr(hear(&scene), ==, "");
        scene_close(&scene);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/monitor/what-was-for-an-earlier-driver-is-skipped", test_what_was_for_an_earlier_driver_is_skipped);
        g_test_add_func("/monitor/commands-wait-for-the-greeting", test_commands_wait_for_the_greeting);
        g_test_add_func("/monitor/who-is-silent-for-too-long-fails-what-waits-until-it-answers",
                        test_who_is_silent_for_too_long_fails_what_waits_until_it_answers);
        g_test_add_func("/monitor/who-is-silent-from-the-beginning-may-still-come",
                        test_who_is_silent_from_the_beginning_may_still_come);
        g_test_add_func("/monitor/who-breaks-the-protocol-is-cut-off", test_who_breaks_the_protocol_is_cut_off);
        g_test_add_func("/monitor/a-flood-of-events-is-only-read", test_a_flood_of_events_is_only_read);
        g_test_add_func("/monitor/one-that-tells-without-end-is-read-in-measure",
                        test_a_monitor_that_tells_without_end_is_read_in_measure);
        g_test_add_func("/events/are-passed-on-in-measure-and-the-last-word-is-the-last",
                        test_events_are_passed_on_in_measure_and_the_last_word_is_the_last);
        g_test_add_func("/guest-log/what-qemu-has-said-is-without-what-says-nothing",
                        test_what_qemu_has_said_is_without_what_says_nothing);
        return g_test_run();
}
