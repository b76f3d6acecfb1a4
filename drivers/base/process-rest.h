/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a process has left behind that led a group: processes that were killed with its end, and are not gone yet. What they have
 * open, such as a socket's address, is theirs until then. */

#include <sys/types.h>
#include <systemd/sd-event.h>

typedef struct ProcessRest ProcessRest;

/* GONE is called when the last of those is gone that were of group LEADER and of user UID; NULL, and it is not called, where
 * there are none. To be freed in it, or before. */
ProcessRest *process_rest_new(sd_event *event, pid_t leader, uid_t uid, void (*gone)(void *data), void *data);
void process_rest_free(ProcessRest *rest);
