/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/filter.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include "base/process.h"
#include "bus.h"
#include "domain/connection.h"

/* User of the compression program when we are root. No other process runs as this user, as the program holds a guest's memory. */
#define FILTER_USER "virtbus-filter"

struct Filter {
        Process *process;
        void (*ended)(void *data, int status); /* or NULL */
        void *data;
};

void filter_find_user(Connection *connection) {
        const struct passwd *user = connection->privileged ? getpwnam(FILTER_USER) : NULL;
        connection->filter_uid = user ? user->pw_uid : geteuid();
        connection->filter_gid = user ? user->pw_gid : getegid();
}

static void on_ended(void *data, int status) {
        Filter *filter = data;
        void (*ended)(void *, int) = filter->ended;
        void *ended_data = filter->data;
        process_free(filter->process);
        g_free(filter);
        if (ended)
                ended(ended_data, status);
}

Filter *filter_new(const Connection *connection, char *const *arguments, int input, int output,
                   void (*ended)(void *data, int status), void *data, GError **error) {
        if (connection->privileged && connection->filter_uid == 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "there is no user " FILTER_USER " to run %s; run systemd-sysusers, then start the driver again",
                                  arguments[0]);
                return NULL;
        }
        Filter *filter = g_new0(Filter, 1);
        *filter = (Filter){ .ended = ended, .data = data };
        g_autofd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        const ProcessSetup setup = {
                .arguments = arguments,
                .uid = connection->filter_uid,
                .gid = connection->filter_gid,
                .confined = true,
                .log = null,
                .input = input,
                .output = output,
        };
        filter->process = process_new(connection->event, &setup, on_ended, filter, error);
        if (!filter->process) {
                g_free(filter);
                return NULL;
        }
        process_go(filter->process);
        return filter;
}

void filter_end(Filter *filter) {
        process_end(filter->process);
}

void filter_forget(Filter *filter) {
        filter->ended = NULL;
        process_end(filter->process);
}
