/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of objects and peers: see "Objects" in the README. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#define BUS_NAME "org.virtbus1"
#define MANAGER_PATH "/org/virtbus1"
#define HOST_CONNECTION "host" /* what several drivers share: see org.virtbus1.HostDriver in introspection/generate.py */
#define HOST_PATH MANAGER_PATH "/" HOST_CONNECTION
#define JOB_PATH MANAGER_PATH "/job"
#define DRIVER_NAME_PREFIX BUS_NAME ".Driver."
#define DRIVER_INTERFACE BUS_NAME ".Driver"
#define DRIVER_PATH MANAGER_PATH "/driver"

/* True where PATH is BASE or lies below it. */
bool path_is_under(const char *path, const char *base);

/* As that, of a path that does not lead back, nor has an empty part. */
bool path_is_plainly_under(const char *path, const char *base);

/* The sender that a forwarded call carries: the caller's user ID and unique name (":1.7" of user 0: ":u0.1.7"); OWN_RIGHTS: what it
 * asks for is allowed with its own rights alone (":o1000.1.7"). */
char *caller_encode(uid_t uid, const char *unique_name, bool own_rights);

/* Reads the user ID and that back; false where the sender has another form. */
bool caller_decode(const char *sender, uid_t *uid, bool *own_rights);

/* What the name of each driver begins with that a call has come through on behalf of its caller; whether it has through any. */
#define CALLER_VIA "via-"
bool caller_is_behind_driver(const char *sender);
