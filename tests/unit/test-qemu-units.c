/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "errors.h"
#include "guest-log.h"
#include "json.h"
#include "monitor.h"

/* Monitor: against a hostile QEMU, which is one end of a socketpair. */

typedef struct Scene {
        sd_event *event;
        Monitor *monitor;
        int qemu;
        bool ready;
        unsigned n_events, n_answers, n_failures;
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

static const MonitorListener listener = { on_ready, on_event, on_closed };

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

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/monitor/commands-wait-for-the-greeting", test_commands_wait_for_the_greeting);
        g_test_add_func("/monitor/who-breaks-the-protocol-is-cut-off", test_who_breaks_the_protocol_is_cut_off);
        g_test_add_func("/monitor/a-flood-of-events-is-only-read", test_a_flood_of_events_is_only_read);
        g_test_add_func("/guest-log/what-qemu-has-said-is-without-what-says-nothing",
                        test_what_qemu_has_said_is_without_what_says_nothing);
        return g_test_run();
}
