/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The users that guests run as: each guest has one of its own, and a group, so that a QEMU that its guest has taken over is a
 * stranger to every other: it cannot send it a signal, look into it, or reach its files and sockets. They have no names in
 * passwd(5), own no file of the host, and none has two guests. A driver begins anywhere in the range, so that two drivers of one
 * host seldom meet, and goes round it.
 *
 * A user is held as a claim (claims.h): it is written down before the guest runs, and given back when no process has it. */

#include <sys/types.h>

#include "base/xml.h"
#include "qemu/host/claims.h"

/* The range: what systemd's table of users (systemd.io/UIDS-GIDS) lists as unused, as many as one 16-bit range. */
#define GUEST_USER_FIRST 1879048192u
#define GUEST_USERS_MAX 65536u

/* Chooses a user that no process and no other guest has, for the domain of that UUID: 0 on failure. *NEXT: where in the range to
 * begin, and where the next one is to. */
uid_t guest_user_take(const Connection *connection, unsigned *next, const char *uuid, GError **error);

/* Whether it is of the range: what a status file says is not believed otherwise. */
bool guest_user_is_one(uint64_t uid);

extern const ClaimKind guest_user_claims;

/* The user and group that a guest has of its own, as its status says; they stay what they are where it says none. */
void guest_user_load(const xmlNode *saved, uid_t *uid, gid_t *gid);
