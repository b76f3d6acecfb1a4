/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The program that makes containers, watches over them and goes into them: virtbus-lxc-guest, beside this one. */

#include "base/process.h"
#include "domain/connection.h"

/* One with a plan (lxc/guest/guest-plan.h) and the descriptors that this names, which waits for process_go. */
Process *container_process_new(Connection *connection, int plan, const GArray *fds, ProcessEnded ended, void *data,
                               GError **error);

/* An empty folder of ours, over which roots are mounted in their own namespaces; NULL with an error. */
char *container_process_stage(const Connection *connection, GError **error);
