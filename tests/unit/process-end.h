/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of a process that a test has started. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

typedef struct End {
        sd_event *event;
        int status;
        bool is_told;
} End;

/* A ProcessEnded; its data is an End. */
static inline void ended(void *data, int status) {
        End *end = data;
        end->status = status;
        end->is_told = true;
}

static inline void wait_for_end(const End *end) {
        while (!end->is_told)
                g_assert_cmpint(sd_event_run(end->event, UINT64_MAX), >=, 0);
}
