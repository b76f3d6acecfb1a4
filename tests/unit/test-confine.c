/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "errors.h"
#include "process-end.h"

#define ALL (CONFINE_ROOT | CONFINE_IPC | CONFINE_UTS | CONFINE_NETWORK | CONFINE_CALLS | CONFINE_LANDLOCK)

/* What this machine lets a test have. */
static unsigned had(void) {
        return confine_find_parts(geteuid() == 0 ? ALL : ALL | CONFINE_USER);
}

/* What a shell says, and its status, where it is confined. */
static char *say(const Confinement *confinement, const char *script, int *status) {
        g_autoptr(GError) error = NULL;
        char *const arguments[] = { (char *) "/bin/sh", (char *) "-c", (char *) script, NULL };
        End end = { 0 };
        char text[4096] = "";
        int pipes[2];
        g_assert_cmpint(sd_event_new(&end.event), >=, 0);
        g_assert_cmpint(pipe2(pipes, O_CLOEXEC), ==, 0);
        const ProcessSetup setup = {
                .arguments = arguments,
                .log = pipes[1],
                .uid = geteuid() == 0 ? 54321 : geteuid(),
                .gid = geteuid() == 0 ? 54321 : getegid(),
                .confinement = confinement,
        };
        Process *process = process_new(end.event, &setup, ended, &end, &error);
        g_assert_no_error(error);
        close(pipes[1]);
        process_go(process);
        wait_for_end(&end);
        size_t n = 0;
        for (ssize_t r; n < sizeof text - 1 && (r = read(pipes[0], text + n, sizeof text - 1 - n)) > 0;)
                n += (size_t) r;
        close(pipes[0]);
        process_free(process);
        sd_event_unref(end.event);
        if (status)
                *status = end.status;
        return g_strdup(text);
}

static void test_a_root_holds_the_system_and_what_is_shown(void) {
        g_autofree char *folder = g_dir_make_tmp("virtbus-confine-XXXXXX", NULL), *root = g_build_filename(folder, "root", NULL),
                        *shown = g_build_filename(folder, "shown", NULL), *beside = g_build_filename(folder, "beside", NULL),
                        *script = g_strdup_printf("ls /; cat %s; [ -e %s ] && echo SEEN; [ -e /etc/passwd ] && echo PASSWD;"
                                                  "echo x > /usr/x && echo WRITTEN; ls /dev; ls /proc; exit 0",
                                                  shown, beside);
        if (!(had() & CONFINE_ROOT)) {
                g_test_skip("mount namespaces are not to be had");
                return;
        }
        chmod(folder, 0755);
        mkdir(root, 0700);
        g_assert_true(g_file_set_contents(shown, "what is shown\n", -1, NULL) &&
                      g_file_set_contents(beside, "hidden\n", -1, NULL));
        chmod(shown, 0644);
        char *paths[] = { shown, (char *) "/no/such/path", NULL };
        const Confinement confinement = { .parts = had(), .root = root, .paths = paths };
        g_autofree char *said = say(&confinement, script, NULL);
        g_assert_nonnull(strstr(said, "what is shown"));
        g_assert_nonnull(strstr(said, "urandom"));
        g_assert_null(strstr(said, "SEEN"));
        g_assert_null(strstr(said, "PASSWD"));
        g_assert_null(strstr(said, "WRITTEN"));
        g_assert_null(strstr(said, "home\n"));
        if (geteuid() == 0) /* of all processes, its own */
                g_assert_null(strstr(said, "\n1\n"));
        /* Outside nothing of it is to be seen. */
        g_autoptr(GDir) listing = g_dir_open(root, 0, NULL);
        g_assert_null(g_dir_read_name(listing));
        unlink(shown);
        unlink(beside);
        rmdir(root);
        rmdir(folder);
}

static void test_common_devices_work_and_links_of_the_system_lead_on(void) {
        g_autofree char *folder = g_dir_make_tmp("virtbus-confine-XXXXXX", NULL), *root = g_build_filename(folder, "root", NULL);
        if (!(had() & CONFINE_ROOT)) {
                g_test_skip("mount namespaces are not to be had");
                return;
        }
        chmod(folder, 0755);
        mkdir(root, 0700);
        const Confinement confinement = { .parts = had(), .root = root };
        g_autofree char *said = say(&confinement,
                                    "echo x > /dev/null && echo NULL; head -c 1 /dev/zero | od -An -tu1; "
                                    "head -c 9 /dev/urandom | wc -c; (echo x > /dev/full) 2> /dev/null || echo FULL; "
                                    "[ -x /usr/bin/env ] && /bin/sh -c 'echo RUNS'",
                                    NULL);
        for (const char *const *word = (const char *const[]){ "NULL\n", "   0\n", "9\n", "FULL\n", "RUNS\n", NULL }; *word;
             word++)
                g_assert_nonnull(strstr(said, *word));
        rmdir(root);
        rmdir(folder);
}

static void test_others_than_guests_have_the_parts_that_can_be_had(void) {
        unsigned wanted = geteuid() == 0 ? ALL : ALL | CONFINE_USER;
        Confinement from = { .parts = wanted, .if_had = true, .root = "/" };
        const Confinement made = confine_for(&from, "/bin/sh", NULL);
        g_assert_cmphex(made.parts, ==, had());
        from.if_had = false;
        const Confinement strict = confine_for(&from, "/bin/sh", NULL);
        g_assert_cmphex(strict.parts, ==, wanted);
        g_strfreev((char **) made.paths);
        g_strfreev((char **) strict.paths);
        g_assert_cmphex(confine_find_parts(CONFINE_USER) & CONFINE_NAMESPACES, ==, 0); /* alone it is of no use */
}

static void test_a_part_that_is_not_to_be_had_ends_it_by_name(void) {
        if (!(had() & CONFINE_ROOT)) {
                g_test_skip("mount namespaces are not to be had");
                return;
        }
        const Confinement confinement = { .parts = had() & (CONFINE_USER | CONFINE_ROOT), .root = "/no/such/folder" };
        int status = 0;
        g_autofree char *said = say(&confinement, "echo RUNS", &status);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 127);
        g_assert_nonnull(strstr(said, "a root cannot be mounted"));
        g_assert_null(strstr(said, "RUNS"));
}

static void test_calls_that_are_taken_away_are_gone(void) {
        if (!(had() & CONFINE_CALLS)) {
                g_test_skip("not on this architecture");
                return;
        }
        const Confinement confinement = { .parts = CONFINE_CALLS, .root = "/" };
        g_autofree char *said = say(&confinement, "unshare --user true || echo REFUSED; (echo a child runs)", NULL);
        g_assert_nonnull(strstr(said, "REFUSED"));
        g_assert_nonnull(strstr(said, "a child runs"));
}

static void test_paths_are_shown_once_and_never_everything(void) {
        static const char *const given[] = {
                "/srv/b/../a/x", "/srv/a",  "/usr/share/x", "/",        "/proc/1/mem", "/dev",
                "/run",          "/srv/ab", "/srv/a/",      "/dev/kvm", "/etc",
        };
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        for (size_t i = 0; i < G_N_ELEMENTS(given); i++)
                g_ptr_array_add(paths, g_strdup(given[i]));
        g_auto(GStrv) ordered = confine_order_paths(paths);
        g_autofree char *text = g_strjoinv(" ", ordered);
        g_assert_cmpstr(text, ==, "/srv/a /srv/ab");
}

static void test_what_is_shown_later_is_there(void) {
        g_autoptr(GError) error = NULL;
        g_autofree char *folder = g_dir_make_tmp("virtbus-confine-XXXXXX", NULL), *root = g_build_filename(folder, "root", NULL),
                        *later = g_build_filename(folder, "later", NULL),
                        *script = g_strdup_printf("echo ready; while [ ! -e %s ]; do :; done; cat %s", later, later);
        End end = { 0 };
        int pipes[2];
        char text[64] = "";
        if (!(had() & CONFINE_ROOT)) {
                g_test_skip("mount namespaces are not to be had");
                return;
        }
        chmod(folder, 0755);
        mkdir(root, 0700);
        g_assert_true(g_file_set_contents(later, "it comes", -1, NULL));
        chmod(later, 0644);
        g_assert_cmpint(sd_event_new(&end.event), >=, 0);
        g_assert_cmpint(pipe2(pipes, O_CLOEXEC), ==, 0);
        char *const arguments[] = { (char *) "/bin/sh", (char *) "-c", script, NULL };
        const Confinement confinement = { .parts = had(), .root = root };
        const ProcessSetup setup = {
                .arguments = arguments,
                .log = pipes[1],
                .uid = 54321,
                .gid = 54321,
                .confinement = &confinement,
        };
        Process *process = process_new(end.event, &setup, ended, &end, &error);
        g_assert_no_error(error);
        process_go(process);
        g_assert_cmpint(read(pipes[0], text, sizeof text), ==, strlen("ready\n"));
        char *paths[] = { later, NULL };
        int opened = process_open(process);
        g_assert_true(confine_show(opened, confinement.parts, paths, &error));
        g_assert_no_error(error);
        close(opened);
        wait_for_end(&end);
        memset(text, 0, sizeof text);
        g_assert_cmpint(read(pipes[0], text, sizeof text - 1), >, 0);
        g_assert_cmpstr(text, ==, "it comes");
        close(pipes[0]);
        close(pipes[1]);
        process_free(process);
        sd_event_unref(end.event);
        unlink(later);
        rmdir(root);
        rmdir(folder);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN); /* as drivers do: a process may have ended before it is told to go on */
        g_test_add_func("/confine/a-root-holds-the-system-and-what-is-shown", test_a_root_holds_the_system_and_what_is_shown);
        g_test_add_func("/confine/common-devices-work-and-links-of-the-system-lead-on",
                        test_common_devices_work_and_links_of_the_system_lead_on);
        g_test_add_func("/confine/others-than-guests-have-the-parts-that-can-be-had",
                        test_others_than_guests_have_the_parts_that_can_be_had);
        g_test_add_func("/confine/a-part-that-is-not-to-be-had-ends-it-by-name",
                        test_a_part_that_is_not_to_be_had_ends_it_by_name);
        g_test_add_func("/confine/calls-that-are-taken-away-are-gone", test_calls_that_are_taken_away_are_gone);
        g_test_add_func("/confine/paths-are-shown-once-and-never-everything", test_paths_are_shown_once_and_never_everything);
        g_test_add_func("/confine/what-is-shown-later-is-there", test_what_is_shown_later_is_there);
        return g_test_run();
}
