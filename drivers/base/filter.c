/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/filter.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include "base/process.h"
#include "bus.h"
#include "errors.h"

/* User of the compression program when we are root. No other process runs as this user, as the program holds a guest's memory. */
#define FILTER_USER "virtbus-filter"

struct Filter {
        Process *process;
        void (*ended)(void *data, int status); /* or NULL */
        void *data;
};

FilterUser filter_find_user(bool is_root) {
        const struct passwd *user = is_root ? getpwnam(FILTER_USER) : NULL;
        return (FilterUser){
                .is_missing = is_root && (!user || user->pw_uid == 0),
                .uid = user ? user->pw_uid : geteuid(),
                .gid = user ? user->pw_gid : getegid(),
        };
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

Filter *filter_new(sd_event *event, const FilterUser *user, char *const *arguments, int input, int output,
                   void (*ended)(void *data, int status), void *data, GError **error) {
        if (user->is_missing) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "there is no user " FILTER_USER " to run %s; run systemd-sysusers, then start the driver again",
                                  arguments[0]);
                return NULL;
        }
        Filter *filter = g_new0(Filter, 1);
        *filter = (Filter){ .ended = ended, .data = data };
        g_autofd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        const Confinement confinement =
                        user->confinement ? confine_for(user->confinement, arguments[0], NULL) : (Confinement){ 0 };
        const ProcessSetup setup = {
                .arguments = arguments,
                .uid = user->uid,
                .gid = user->gid,
                .confinement = user->confinement ? &confinement : NULL,
                .confined = true,
                .log = null,
                .input = input,
                .output = output,
        };
        filter->process = process_new(event, &setup, on_ended, filter, error);
        g_strfreev((char **) confinement.paths);
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
