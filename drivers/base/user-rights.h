/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Another user's rights to files, for one thread of a driver that is root's: what that user may not open, it may not either,
 * however the path leads there and whatever is put into its place meanwhile. For a worker: users are asked for, and may be told
 * late. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* Who has all rights of the driver. */
#define USER_RIGHTS_ALL ((uid_t) -1)

typedef struct UserRights UserRights;

/* Looks up a user and its groups; *RIGHTS is NULL of USER_RIGHTS_ALL. False, and an error, where there is no such user any
 * more. */
bool user_rights_find(uid_t user, UserRights **rights, GError **error);
void user_rights_free(UserRights *rights);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UserRights, user_rights_free)

/* Whose they are: the user, and its first group. */
uid_t user_rights_user(const UserRights *rights);
gid_t user_rights_group(const UserRights *rights);

/* From now on this thread opens files as that user does; until it leaves. RIGHTS may be NULL, for both: it stays as it is. */
bool user_rights_enter(UserRights *rights, GError **error);
void user_rights_leave(UserRights *rights);
