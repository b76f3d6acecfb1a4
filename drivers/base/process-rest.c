/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/process-rest.h"

#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus.h"

struct ProcessRest {
        GPtrArray *sources; /* each has its pidfd */
        unsigned n;
        void (*gone)(void *data);
        void *data;
};

static void source_free(void *source) {
        sd_event_source_disable_unref(source);
}

void process_rest_free(ProcessRest *rest) {
        g_ptr_array_unref(rest->sources);
        g_free(rest);
}

static int on_gone(sd_event_source *source, int fd, uint32_t events, void *data) {
        ProcessRest *rest = data;
        (void) fd;
        (void) events;
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (--rest->n == 0)
                rest->gone(rest->data);
        return 0;
}

/* Field 5 of /proc/PID/stat, proc(5). */
static bool is_of_group(const char *number, pid_t leader, uid_t uid) {
        g_autofree char *folder = g_build_filename("/proc", number, NULL), *path = g_build_filename(folder, "stat", NULL),
                        *text = NULL;
        struct stat info;
        int group = 0;
        const char *end = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
        return end && sscanf(end + 1, " %*c %*d %d", &group) == 1 && group == leader && stat(folder, &info) == 0 &&
               info.st_uid == uid;
}

static void watch(ProcessRest *rest, sd_event *event, pid_t pid) {
        g_autofd int fd = (int) syscall(SYS_pidfd_open, pid, 0);
        sd_event_source *source = NULL;
        if (fd < 0 || sd_event_add_io(event, &source, fd, EPOLLIN, on_gone, rest) < 0)
                return;
        sd_event_source_set_io_fd_own(source, true);
        steal_fd(&fd);
        g_ptr_array_add(rest->sources, source);
        rest->n++;
}

ProcessRest *process_rest_new(sd_event *event, pid_t leader, uid_t uid, void (*gone)(void *data), void *data) {
        g_autoptr(GDir) listing = kill(-leader, 0) == 0 ? g_dir_open("/proc", 0, NULL) : NULL;
        ProcessRest *rest = g_new0(ProcessRest, 1);
        *rest = (ProcessRest){ .sources = g_ptr_array_new_with_free_func(source_free), .gone = gone, .data = data };
        for (const char *name; listing && (name = g_dir_read_name(listing));)
                if (g_ascii_isdigit(*name) && is_of_group(name, leader, uid))
                        watch(rest, event, (pid_t) g_ascii_strtoll(name, NULL, 10));
        if (rest->n == 0)
                g_clear_pointer(&rest, process_rest_free);
        return rest;
}
