/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What of the host a domain may have that has its owner's rights alone, where polkit lets its owner: devices, memory that is kept
 * from others, and real time. Each is asked for when the guest starts, or the device is attached (guest/guest-leave.h). */

#include "base/xml.h"

/* A FILE_LEAVE's. */
typedef struct Leave {
        const char *what; /* the kind of a device, or the element's name: a constant */
        char *device;     /* by which polkit's rules know it; or NULL: it is not a device */
        bool is_given;
} Leave;

/* Which kind of device of the host's it is; NULL: of none that there is leave for. */
const char *leave_device_kind(const xmlNode *device);

/* Whether such a device is one that a path names safely; and all of it is what there is leave for. AccessDenied. */
bool leave_check_device(const xmlNode *device, GError **error);

/* The name of an element of the machine's that there is leave for, below <memoryBacking> or <cputune>; or NULL. */
const char *leave_element(const xmlNode *element);

/* DEVICE: its name, or NULL. */
Leave *leave_new(const char *what, const char *device);
void leave_free(Leave *leave);

/* The method of the manager's that asks for it. */
const char *leave_method(const Leave *leave);

/* What it is, for messages; to be freed. */
char *leave_text(const Leave *leave);

/* What QEMU itself reaches of the host for a kind of device, besides the path that names it: folders, NULL at the end. */
const char *const *leave_folders(const char *what);
