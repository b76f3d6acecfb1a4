/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A QEMU without a guest, which is asked something by its monitor and ends with this program. */

#include "base/process.h"
#include "qemu/monitor/monitor.h"

/* What every QEMU that is run may not do, whether it has a guest or is only asked. */
#define QEMU_SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

typedef struct BareQemu {
        const char *emulator;
        const char *machine;     /* of -machine */
        const char *const *more; /* further arguments, NULL at the end; or NULL */
        const int *fds;          /* that they name */
        size_t n_fds;            /* up to BARE_QEMU_FDS_MAX */
        /* As whom it runs, confined as what, for how long, and where it says what; the rest is not looked at. */
        const ProcessSetup *setup;
        const MonitorListener *listener;
        void *monitor_data;
        ProcessEnded ended;
        void *process_data;
} BareQemu;

#define BARE_QEMU_FDS_MAX 4

/* Makes one that has yet to go (process_go), and *MONITOR, which talks to it; NULL with an error, and then no monitor either. */
Process *bare_qemu_new(sd_event *event, const BareQemu *qemu, Monitor **monitor, GError **error);
