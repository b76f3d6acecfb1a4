/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "bus.h"

/* It lies beside this program. */
#define GUEST_PROGRAM "virtbus-lxc-guest"

/* Below the runtime directory. */
#define STAGE "stage"

static char *guest_program(void) {
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL), *folder = g_path_get_dirname(self ? self : "/");
        return g_build_filename(folder, GUEST_PROGRAM, NULL);
}

static int open_log(const Connection *connection, GError **error) {
        g_autofree char *path = g_build_filename(connection->log_directory, "guest.log", NULL);
        int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                virtbus_error_set_errno(error, errno, "the log %s cannot be written", path);
        return fd;
}

Process *container_process_new(Connection *connection, int plan, const GArray *fds, ProcessEnded ended, void *data,
                               GError **error) {
        g_autofree char *program = guest_program(), *number = g_strdup_printf("%d", plan);
        g_autofd int log = open_log(connection, error);
        if (log < 0)
                return NULL;
        const ProcessSetup setup = {
                .arguments = (char *const[]){ program, number, NULL },
                .fds = (const int *) (void *) fds->data,
                .n_fds = fds->len,
                .log = log,
                .may_gain_privileges = true, /* the container's programs may: they are its own */
        };
        return process_new(connection->event, &setup, ended, data, error);
}

char *container_process_stage(const Connection *connection, GError **error) {
        g_autofree char *stage = g_build_filename(connection->runtime_directory, STAGE, NULL);
        if (mkdir(stage, 0700) == 0 || errno == EEXIST)
                return g_steal_pointer(&stage);
        virtbus_error_set_errno(error, errno, "%s cannot be made", stage);
        return NULL;
}
