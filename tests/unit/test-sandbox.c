/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a confined process may do: each in a child of its own, which exits with errno. */

static int open_read(void) {
        return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int open_write(void) {
        return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int create(void) {
        return open("/tmp/virtbus-sandbox", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int socket_unix(void) {
        return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int socket_internet(void) {
        return socket(AF_INET, SOCK_STREAM, 0);
}

static int fork_process(void) {
        return fork();
}

static int execute(void) {
        return execl("/bin/true", "true", NULL);
}

static int allocate(void) {
        for (size_t size = 1; size < 64u << 20; size *= 2)
                g_free(g_malloc0(size));
        return 0;
}

static const struct {
        const char *name;
        int (*act)(void);
        int result; /* 0, an errno, or a signal's number below 0 */
} cases[] = {
        { "a file is read", open_read, 0 },
        { "no file is written", open_write, EPERM },
        { "no file is made", create, EPERM },
        { "Unix sockets are used", socket_unix, 0 },
        { "no network is used", socket_internet, EPERM },
        { "no process is made", fork_process, EPERM },
        { "starting a program is deadly", execute, -SIGSYS },
        { "memory can be had", allocate, 0 },
};

static void test_what_is_given_up(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                pid_t child = fork();
                if (child == 0) {
                        if (sandbox_enter() < 0)
                                _exit(255);
                        _exit(cases[i].act() < 0 ? errno : 0);
                }
                int status;
                g_assert_cmpint(waitpid(child, &status, 0), ==, child);
                if (WIFEXITED(status) && WEXITSTATUS(status) == 255) {
                        g_test_skip("a build with sanitizers needs more system calls");
                        return;
                }
                int result = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
                g_test_message("%s", cases[i].name);
                g_assert_cmpint(result, ==, cases[i].result);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/sandbox/what-is-given-up", test_what_is_given_up);
        return g_test_run();
}
