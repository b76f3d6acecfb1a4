/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors that a caller hands over in the option "fds" of a method, a{sah}: groups of them by name, which a document names by
 * the attribute "fdgroup". */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

/* How many one call may hand over, which is also in introspection/ (OptionDescriptors); of one group, one to read and one to
 * write; and how long a group's name may be. */
#define FD_GROUPS_DESCRIPTORS_MAX 16
#define FD_GROUP_DESCRIPTORS_MAX 2
#define FD_GROUP_NAME_BYTES_MAX 255

typedef struct FdGroup {
        char *name;
        int fds[FD_GROUP_DESCRIPTORS_MAX];
        unsigned n;
} FdGroup;

/* Reads the value at a message's position, FD_GROUPS_SIGNATURE, into a new array of FdGroup, which has copies of the descriptors
 * until nobody has it any more. InvalidArgument where a name is empty, too long or there twice, or a group has none or too
 * many. */
#define FD_GROUPS_SIGNATURE "a{sah}"
bool fd_groups_read(sd_bus_message *message, GPtrArray **groups, GError **error);

/* GROUPS may be NULL. NULL: there is none of that name. */
const FdGroup *fd_groups_find(const GPtrArray *groups, const char *name);

/* Whether a name can be that of a group. */
bool fd_group_name_check(const char *name);
