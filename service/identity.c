/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "bus.h"

/* socket(7); newer than some C libraries. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

bool process_is_alive(int pidfd) {
        struct pollfd poll_pidfd = { .fd = pidfd, .events = POLLIN };
        return poll(&poll_pidfd, 1, 0) == 0;
}

/* The kernel's own word where it has one (since 6.5), else who has the ID now. */
static int pidfd_of(int socket, pid_t pid) {
        int pidfd;
        socklen_t size = sizeof pidfd;
        if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
                return pidfd;
        if (errno != ENOPROTOOPT && errno != EINVAL)
                return -errno;
        pidfd = pidfd_open(pid, 0);
        return pidfd < 0 ? -errno : pidfd;
}

static bool read_process(pid_t pid, const char *file, char **text) {
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, file);
        return g_file_get_contents(path, text, NULL, NULL);
}

/* proc(5): the name, which may hold anything, ends with the last ')'; the time is the 20th field after it. */
static uint64_t start_time_of(pid_t pid) {
        g_autofree char *text = NULL;
        if (!read_process(pid, "stat", &text))
                return 0;
        const char *at = strrchr(text, ')');
        for (int field = 0; at && field < 20; field++)
                at = strchr(at + 1, ' ');
        return at ? g_ascii_strtoull(at, NULL, 10) : 0;
}

/* Whether a process has a user as its real or effective one. */
static bool is_of_user(pid_t pid, uid_t uid) {
        g_autofree char *text = NULL;
        unsigned real, effective;
        if (!read_process(pid, "status", &text))
                return false;
        const char *line = strstr(text, "\nUid:");
        return line && sscanf(line, "\nUid: %u %u", &real, &effective) == 2 && (real == uid || effective == uid);
}

int identity_of_peer(int socket, Identity *identity) {
        struct ucred credentials;
        socklen_t size = sizeof credentials;
        if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;
        g_autofd int pidfd = pidfd_of(socket, credentials.pid);
        if (pidfd < 0)
                return pidfd == -EMFILE || pidfd == -ENFILE ? pidfd : -ESRCH;
        uint64_t start_time = start_time_of(credentials.pid);
        /* What was read is its own only if it lived until then. */
        if (start_time == 0 || !is_of_user(credentials.pid, credentials.uid) || !process_is_alive(pidfd))
                return -ESRCH;
        *identity = (Identity){
                .pid = credentials.pid,
                .uid = credentials.uid,
                .start_time = start_time,
                .pidfd = steal_fd(&pidfd),
        };
        return 0;
}
