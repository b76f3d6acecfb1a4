/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Control groups, cgroups(7), of domains: what of a document limits all of one. Both versions of the kernel's interface are
 * known by one table; linux/Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. May take its time: the kernel may have to
 * free memory first. For a worker.
 *
 * A group's name is "PARENT/NAME", below where the hierarchies are mounted. LEGACY are those of version 1 that it is in, NULL
 * at the end: each group has one directory in each. */

#include <libxml/tree.h>

#include "base/xml.h"

/* The period of a quota where the document gives none: the kernel's, in microseconds. */
#define CONTROL_GROUP_PERIOD_DEFAULT 100000

/* Whether version 2 is in use. */
bool control_group_is_unified(void);

/* A limit as the document says it, as the kernel's file in each version (in a hierarchy of version 1) with what is not a limit
 * there, and as systemd's property of a unit in each version, of which there may be none. */
typedef struct ControlGroupLimit {
        const char *path;
        bool is_size;
        const char *unified_file, *hierarchy, *legacy_file;
        const char *none_unified, *none_legacy;
        const char *unified_property, *legacy_property;
} ControlGroupLimit;

#define CONTROL_GROUP_LIMITS 4

extern const ControlGroupLimit control_group_limits[CONTROL_GROUP_LIMITS];

/* A limit of the document as a number, with its unit if it is a size; false where it is not there. */
bool control_group_read_limit(xmlNode *root, const char *path, bool is_size, uint64_t *value);

/* Where a document says the processor time of all of it. */
typedef struct ControlGroupQuota {
        const char *quota, *period;
} ControlGroupQuota;

/* The processor time that all of the guest may use, in each period, in microseconds; false where that is not limited. */
bool control_group_read_quota(xmlNode *root, const ControlGroupQuota *names, uint64_t *quota, uint64_t *period);

/* The limit of swap: of swap alone where IS_UNIFIED, else of memory and swap together, as the document has it. */
bool control_group_read_swap_limit(xmlNode *root, bool is_unified, uint64_t *value);

/* The host's nodes that all memory of the guest is to be from, or NULL; the kernel moves it where they change. */
char *control_group_memory_nodes(xmlNode *root);

/* The directory of a group in a hierarchy, or of the hierarchy itself, of name "". */
char *control_group_path(const char *hierarchy, const char *name);

/* The hierarchies in use: those of LEGACY, or the one of version 2, of name "". */
const char *const *control_group_hierarchies(const char *const *legacy);

/* Whether a hierarchy is mounted: limits of one that is not are refused when they are set. */
bool control_group_is_mounted(const char *hierarchy);

/* Makes a group; gives it the limits of a document. */
bool control_group_make(const char *const *legacy, const char *name, GError **error);
bool control_group_set_limits(const char *name, xmlNode *root, const ControlGroupQuota *quota, GError **error);

/* Removes one, with its parent where that holds no other; false where it is there still. */
bool control_group_remove(const char *const *legacy, const char *name);

/* Waits until cgroup.events of a directory of version 2 says WANTED, such as "populated 0": the kernel tells of each change.
 * False where it does not within PATIENCE, in milliseconds. */
bool control_group_wait(const char *directory, const char *wanted, unsigned patience);

/* Of one directory: the quota of processor time in each period, in microseconds; a QUOTA of 0 or less is none. */
bool control_group_set_quota(const char *directory, bool is_unified, int64_t quota, uint64_t period, GError **error);

/* Writes a file of a directory: 0, or a negative errno; the errors that follow from one, and from a mkdir(2). */
int control_group_write(const char *directory, const char *name, const char *text);
bool control_group_fail(GError **error, const char *directory, const char *name, const char *text, int r);
bool control_group_fail_to_make(GError **error, const char *directory);
