/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names for the users and groups that guests have while they run, as records of nss-systemd(8), which finds them in
 * /run/userdb: so ps(1) and ls(1) show "virtbus-NUMBER", and userdbctl(1) of which domain that is. Nothing depends on them: where
 * they cannot be written users are shown by number. */

#include <sys/types.h>

#define USER_RECORDS "/run/userdb"
#define USER_RECORD_PREFIX "virtbus-"

void user_record_write(const char *folder, uid_t uid, const char *uuid);
void user_record_remove(const char *folder, uid_t uid);
