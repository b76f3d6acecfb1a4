/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "errors.h"
#include "process-end.h"

static Process *start(End *end, char *const *arguments, GError **error) {
        ProcessSetup setup = { .arguments = arguments, .log = STDERR_FILENO, .uid = getuid(), .gid = getgid() };
        return process_new(end->event, &setup, ended, end, error);
}

static char *const shell[] = { (char *) "/bin/sh", (char *) "-c", (char *) "exit 7", NULL };

static void test_a_process_runs_when_it_may_and_its_end_is_told(void) {
        g_autoptr(GError) error = NULL;
        End end = { 0 };
        g_assert_cmpint(sd_event_new(&end.event), >=, 0);
        Process *process = start(&end, shell, &error);
        g_assert_no_error(error);
        g_assert_true(process_is_there(process_pid(process), process_start_time(process)));
        process_go(process);
        wait_for_end(&end);
        g_assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7);
        g_assert_false(process_is_there(process_pid(process), process_start_time(process)));
        process_free(process);
        sd_event_unref(end.event);
}

static void test_a_process_that_is_told_to_end_ends(void) {
        g_autoptr(GError) error = NULL;
        End end = { 0 };
        char *const sleeps[] = { (char *) "/bin/sleep", (char *) "1000", NULL };
        g_assert_cmpint(sd_event_new(&end.event), >=, 0);
        Process *process = start(&end, sleeps, &error);
        g_assert_no_error(error);
        process_go(process);
        process_end(process);
        wait_for_end(&end);
        g_assert_true(WIFSIGNALED(end.status));
        process_free(process);
        sd_event_unref(end.event);
}

/* The child has nothing of the heap: arguments, environment and descriptors come to it all the same, also where much of that
 * is in use. */
static void test_a_process_gets_what_it_is_given_without_the_heap(void) {
        g_autoptr(GPtrArray) pieces = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        g_autofree char *word = g_strdup("second word"), *variable = g_strdup("GIVEN=it is");
        End end = { 0 };
        for (int i = 0; i < 100000; i++)
                g_ptr_array_add(pieces, g_strdup("a piece of a heap that is large"));
        int pair[2];
        g_assert_cmpint(pipe2(pair, O_CLOEXEC), ==, 0);
        g_autofree char *script =
                        g_strdup_printf("test \"$1\" = 'second word' && test \"$GIVEN\" = 'it is' && echo said >&%d", pair[1]);
        char *const arguments[] = { (char *) "/bin/sh", (char *) "-c", script, (char *) "sh", word, NULL };
        char *const environment[] = { variable, NULL };
        g_autofree int *fds = g_memdup2(&pair[1], sizeof pair[1]);
        ProcessSetup setup = { .arguments = arguments,
                               .environment = environment,
                               .fds = fds,
                               .n_fds = 1,
                               .log = STDERR_FILENO,
                               .uid = getuid(),
                               .gid = getgid() };
        g_assert_cmpint(sd_event_new(&end.event), >=, 0);
        Process *process = process_new(end.event, &setup, ended, &end, &error);
        g_assert_no_error(error);
        process_go(process);
        wait_for_end(&end);
        char said[8] = "";
        g_assert_cmpint(end.status, ==, 0);
        g_assert_cmpint(read(pair[0], said, sizeof said), ==, 5);
        g_assert_cmpstr(said, ==, "said\n");
        close(pair[0]);
        close(pair[1]);
        process_free(process);
        sd_event_unref(end.event);
}

/* With no descriptor left to watch it by: nothing runs, nothing is left to be waited for, and the error says so. */
static void test_a_process_that_cannot_be_watched_is_no_orphan(void) {
        End end = { 0 };
        struct rlimit before, few;
        g_assert_cmpint(sd_event_new(&end.event), >=, 0);
        int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
        close(next);
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
        unsigned n_failed = 0;
        for (int room = 0; room <= 4; room++) {
                g_autoptr(GError) error = NULL;
                few = before;
                few.rlim_cur = (rlim_t) (next + room);
                g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
                g_autoptr(Process) process = start(&end, shell, &error);
                g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
                g_assert_true(!process == (error != NULL));
                if (process) {
                        end.is_told = false;
                        process_go(process);
                        wait_for_end(&end);
                        continue;
                }
                n_failed++;
                g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
                g_assert_cmpint(errno, ==, ECHILD);
        }
        g_assert_cmpuint(n_failed, >, 3);
        sd_event_unref(end.event);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/process/a process runs when it may and its end is told",
                        test_a_process_runs_when_it_may_and_its_end_is_told);
        g_test_add_func("/process/a process that is told to end ends", test_a_process_that_is_told_to_end_ends);
        g_test_add_func("/process/a process gets what it is given without the heap",
                        test_a_process_gets_what_it_is_given_without_the_heap);
        g_test_add_func("/process/a process that cannot be watched is not an orphan",
                        test_a_process_that_cannot_be_watched_is_no_orphan);
        return g_test_run();
}
