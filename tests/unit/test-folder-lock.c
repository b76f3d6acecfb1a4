/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/folder-lock.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"

static void remove_folder(char *folder) {
        g_autofree char *lock = g_build_filename(folder, "lock", NULL);
        unlink(lock);
        rmdir(folder);
        g_free(folder);
}

static char *make_folder(void) {
        char *folder = g_dir_make_tmp("virtbus-lock.XXXXXX", NULL);
        g_assert_nonnull(folder);
        return folder;
}

/* A process that locks the folder, says so, and has a child that lives on when it ends. Both wait to be killed. */
static pid_t lock_in_process(const char *folder, pid_t *child) {
        int told[2];
        g_assert_cmpint(pipe(told), ==, 0);
        pid_t holder = fork();
        if (holder == 0) {
                int lock = folder_lock(folder, NULL);
                pid_t own = lock < 0 ? -1 : fork();
                if (own != 0 && write(told[1], &own, sizeof own) < 0)
                        _exit(1);
                for (;;)
                        pause();
        }
        g_assert_cmpint(read(told[0], child, sizeof *child), ==, sizeof *child);
        g_assert_cmpint(*child, >, 0);
        close(told[0]);
        close(told[1]);
        return holder;
}

static void test_one_process_has_it(void) {
        g_autoptr(GError) error = NULL;
        char *folder = make_folder();
        pid_t child, holder = lock_in_process(folder, &child);
        g_autofree char *number = g_strdup_printf("process %d ", (int) holder);
        g_assert_cmpint(folder_lock(folder, &error), ==, -1);
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_RESOURCE_BUSY);
        g_assert_nonnull(strstr(error->message, number));
        kill(holder, SIGKILL);
        kill(child, SIGKILL);
        waitpid(holder, NULL, 0);
        remove_folder(folder);
}

static void test_a_child_of_a_dead_one_does_not_keep_it(void) {
        g_autoptr(GError) error = NULL;
        char *folder = make_folder();
        pid_t child, holder = lock_in_process(folder, &child);
        kill(holder, SIGKILL);
        waitpid(holder, NULL, 0);
        g_assert_cmpint(kill(child, 0), ==, 0);
        g_autofd int lock = folder_lock(folder, &error);
        g_assert_no_error(error);
        g_assert_cmpint(lock, >=, 0);
        kill(child, SIGKILL);
        remove_folder(folder);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/folder-lock/one-process-has-it", test_one_process_has_it);
        g_test_add_func("/folder-lock/a-child-of-a-dead-one-does-not-keep-it", test_a_child_of_a_dead_one_does_not_keep_it);
        return g_test_run();
}
