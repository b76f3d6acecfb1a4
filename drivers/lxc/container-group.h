/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The control group of a container: what limits, counts and freezes it. For a worker, where nothing else is said. */

#include <libxml/tree.h>

#include "base/xml.h"

/* How many processes and threads a container may have, where the kernel counts them: without a bound, one could have all that the
 * host can. */
#define CONTAINER_GROUP_PROCESSES_MAX 16384

typedef struct ContainerUsage {
        uint64_t time, user_time, system_time; /* of processors, in microseconds */
        uint64_t memory;                       /* bytes */
        bool has_time, has_memory;
} ContainerUsage;

/* Makes that of a UUID with the limits of a document; what is left of an earlier one is ended and removed. Descriptors of the
 * files by which a process joins are added to MEMBERS. */
bool container_group_make(const char *uuid, xmlNode *root, GArray *members, GError **error);

/* Adds descriptors of the files by which a process joins one that is there. For the event loop: the kernel answers at once. */
bool container_group_open(const char *uuid, GArray *members, GError **error);

/* Gives it the limits of another document. */
bool container_group_limit(const char *uuid, xmlNode *root, GError **error);

/* Stops all of its processes, or lets them go on. */
bool container_group_freeze(const char *uuid, bool freezes, GError **error);

/* Ends what is left in it, and removes it. */
void container_group_remove(const char *uuid);

/* What it has used. For the event loop: the kernel answers at once. */
ContainerUsage container_group_usage(const char *uuid);
