/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Control groups, cgroups(7): of a guest where there is no systemd to ask, and of its threads everywhere. Both versions of the
 * kernel's interface are known by one table; linux/Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. */

#include "domain/connection.h"
#include "qemu/host/claims.h"

/* The period of a quota where the document gives none: the kernel's, in microseconds. */
#define CGROUP_PERIOD_DEFAULT 100000

/* Whether version 2 is in use. */
bool cgroup_is_unified(void);

/* A limit as the document says it, as the kernel's file in each version (in a hierarchy of version 1) with what is not a limit
 * there, and as systemd's property of a unit in each version, of which there may be none. */
typedef struct CgroupLimit {
        const char *path;
        bool is_size;
        const char *unified_file, *hierarchy, *legacy_file;
        const char *none_unified, *none_legacy;
        const char *unified_property, *legacy_property;
} CgroupLimit;

#define CGROUP_LIMITS 4

extern const CgroupLimit cgroup_limits[CGROUP_LIMITS];

/* A limit of the document as a number, with its unit if it is a size; false where it is not there. */
bool cgroup_read_limit(xmlNode *root, const char *path, bool is_size, uint64_t *value);

/* The processor time that all of the guest may use, in each period, in microseconds; false where that is not limited. */
bool cgroup_read_quota(xmlNode *root, uint64_t *quota, uint64_t *period);

/* The limit of swap: of swap alone where IS_UNIFIED, else of memory and swap together, as the document has it. */
bool cgroup_read_swap_limit(xmlNode *root, bool is_unified, uint64_t *value);

/* The host's nodes that all memory of the guest is to be from, or NULL; the kernel moves it where they change. */
char *cgroup_memory_nodes(xmlNode *root);

/* Makes a group for a guest, with the limits of its document, and puts a process into it. The group is a claim of the guest's.
 * Where there is one already, its limits are set anew. May take its time: the kernel may have to free memory first. */
bool cgroup_limit_guest(const Connection *connection, const char *uuid, pid_t pid, xmlNode *root, GError **error);

/* Puts a thread of a guest into a group of its own below its process's, named NAME, with this quota of processor time in each
 * PERIOD, both in microseconds; a QUOTA of 0 or less is none. */
bool cgroup_limit_thread(pid_t pid, pid_t thread, const char *name, int64_t quota, uint64_t period, GError **error);

/* A claim's NAME: its path below the mount point. */
extern const ClaimKind cgroup_claims;
