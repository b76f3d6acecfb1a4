/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Control groups, cgroups(7): of a guest where there is no systemd to ask, and of its threads everywhere. */

#include "domain/connection.h"
#include "domain/control-group.h"
#include "qemu/host/claims.h"

/* Where a document says the processor time of all of a guest. */
extern const ControlGroupQuota cgroup_quota;

/* Makes a group for a guest, with the limits of its document, and puts a process into it. The group is a claim of the guest's.
 * Where there is one already, its limits are set anew. May take its time: the kernel may have to free memory first. */
bool cgroup_limit_guest(const Connection *connection, const char *uuid, pid_t pid, xmlNode *root, GError **error);

/* Puts a thread of a guest into a group of its own below its process's, named NAME, with this quota of processor time in each
 * PERIOD, both in microseconds; a QUOTA of 0 or less is none. */
bool cgroup_limit_thread(pid_t pid, pid_t thread, const char *name, int64_t quota, uint64_t period, GError **error);

/* A claim's NAME: its path below the mount point. */
extern const ClaimKind cgroup_claims;
