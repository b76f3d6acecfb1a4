/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The users that guests run as: each guest has one of its own, and a group, so that a QEMU that its guest has taken over is a
 * stranger to every other: it cannot send it a signal, look into it, or reach its files and sockets. They are not in passwd(5),
 * own no file of the host, and none has two guests; while one has a guest it has a name (user-record.h). A driver begins anywhere
 * in the range, so that two drivers of one host seldom meet, and goes round it.
 *
 * A user is held as a claim (claims.h): it is written down before the guest runs, and given back when no process has it. */

#include <sys/types.h>

#include "base/xml.h"
#include "qemu/host/claims.h"

/* The range where nothing else is said: what systemd's table of users (systemd.io/UIDS-GIDS) lists as unused, as many as one
 * 16-bit range. */
#define GUEST_USER_FIRST 1879048192u
#define GUEST_USERS_MAX 65536u

/* What a range may be of: above those of people, services and nobody; the last numbers mean something else to the kernel. A guest
 * with a TPM needs two, and one more for each card that passt connects. */
#define GUEST_USER_LOWEST 65536u
#define GUEST_USER_HIGHEST 4294967293u
#define GUEST_USERS_MIN 2u

typedef struct GuestUsers {
        uid_t first;
        unsigned n;
        unsigned next; /* of the range: the one to begin at */
        char *records; /* folder of their names, or NULL for none */
} GuestUsers;

/* RANGE: "FIRST-LAST", or NULL or "" for the default. Fails with InvalidArgument where it is not a range, or a user of passwd(5)
 * or a range of subuid(5) is in it. RECORDS is copied. May take its time. */
bool guest_users_open(GuestUsers *users, const char *range, const char *records, GError **error);
void guest_users_close(GuestUsers *users);

/* Chooses a user that no process and no other guest has, for the domain of that UUID, and its device of that ALIAS, or
 * "": 0 on failure. */
uid_t guest_user_take(const Connection *connection, GuestUsers *users, const char *uuid, const char *alias, GError **error);

/* Whether it may be of a range, of this driver's or of an earlier one's: what a status file says is not believed otherwise. */
bool guest_user_may_be(uint64_t uid);

extern const ClaimKind guest_user_claims;

/* The user and group that a guest has of its own, as its status says; they stay what they are where it says none. */
void guest_user_load(const xmlNode *saved, uid_t *uid, gid_t *gid);
