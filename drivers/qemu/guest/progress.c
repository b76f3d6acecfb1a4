/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/progress.h"

/* How often, in microseconds. */
#define INTERVAL 250000

static int on_due(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        monitor_command(guest->monitor, guest->progress_command, NULL, -1, guest->progress_read, guest);
        sd_event_source_set_time(source, usec + INTERVAL);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void progress_follow(Guest *guest, const char *command, MonitorDone read) {
        progress_end(guest);
        guest->progress_command = command;
        guest->progress_read = read;
        sd_event_add_time_relative(guest->domain->connection->event, &guest->progress, CLOCK_MONOTONIC, INTERVAL, 0, on_due,
                                   guest);
}

void progress_end(Guest *guest) {
        guest->progress = sd_event_source_disable_unref(guest->progress);
}
