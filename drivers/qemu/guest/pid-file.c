/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/pid-file.h"

#include <inttypes.h>
#include <stdio.h>

#include "log.h"

bool pid_file_write(const Guest *guest) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("%d %" PRIu64 " %s\n", process_pid(guest->process),
                                                process_start_time(guest->process), domain_name(guest->domain));
        /* In place: while half of it is written, its process has not run its program yet, and does not when we end. */
        if (!g_file_set_contents_full(guest->pid_path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error))
                log_error("domain '%s': %s", domain_name(guest->domain), error->message);
        return !error;
}

bool pid_file_read(const char *path, int *pid, uint64_t *start_time, char **name) {
        g_autofree char *text = NULL;
        int length = 0;
        if (!g_file_get_contents(path, &text, NULL, NULL) || sscanf(text, "%d %" SCNu64 "%n", pid, start_time, &length) != 2 ||
            *pid <= 1)
                return false;
        if (name)
                *name = g_strdup(g_strstrip(text + length));
        return true;
}

Process *pid_file_find(Guest *guest, ProcessEnded ended) {
        int pid = 0;
        uint64_t start_time = 0;
        if (!pid_file_read(guest->pid_path, &pid, &start_time, NULL))
                return NULL;
        return process_find(guest->domain->connection->event, pid, start_time, ended, guest, NULL);
}
