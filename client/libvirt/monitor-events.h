/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What QEMUs tell by themselves, told to those callbacks that a client has registered: each reads a pipe of its own, whose lines
 * OpenMonitorEvents promises. */

#include <stdbool.h>

#include "conversation.h"
#include "domains.h"

typedef struct MonitorEvents MonitorEvents;

/* DOMAINS are those of CLIENT, which may not be known yet. */
MonitorEvents *monitor_events_new(Conversation *conversation, Domains *const *domains);
void monitor_events_free(MonitorEvents *events);

/* Which events a callback wants: of this name, in any case of letters, or those that this regular expression matches; NULL for
 * all. */
typedef struct MonitorFilter {
        const char *event;
        bool is_pattern, any_case;
} MonitorFilter;

/* Takes the end of a pipe. The callback's number, or -1 with an error. */
int monitor_events_add(MonitorEvents *events, int fd, const MonitorFilter *filter, GError **error);

/* False where there is none of this number. */
bool monitor_events_remove(MonitorEvents *events, int number);
