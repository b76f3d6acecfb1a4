/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/guest-user.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "errors.h"

/* By the kernel's own count: what a file says of who has ended is not asked. getpriority(2) may return -1 without a failure. */
static bool has_processes(uid_t uid) {
        errno = 0;
        return getpriority(PRIO_USER, uid) != -1 || errno != ESRCH;
}

/* From the one after the last on: a user that had a guest is the last one to get another. */
uid_t guest_user_take(const Connection *connection, unsigned *next, const char *uuid, GError **error) {
        for (unsigned n = 0; n < GUEST_USERS_MAX; n++) {
                g_autoptr(GError) failure = NULL;
                uid_t uid = GUEST_USER_FIRST + *next;
                g_autofree char *name = g_strdup_printf("%u", uid);
                const Claim claim = { .kind = &guest_user_claims, .name = name, .uuid = uuid, .alias = "" };
                *next = (*next + 1) % GUEST_USERS_MAX;
                if (has_processes(uid))
                        continue;
                if (claim_take(connection, &claim, &failure))
                        return uid;
                if (!g_error_matches(failure, VIRTBUS_ERROR, VIRTBUS_ERROR_RESOURCE_BUSY)) {
                        g_propagate_error(error, g_steal_pointer(&failure));
                        return 0;
                }
        }
        virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "each of the users %u to %u has a guest", GUEST_USER_FIRST,
                          GUEST_USER_FIRST + GUEST_USERS_MAX - 1);
        return 0;
}

bool guest_user_is_one(uint64_t uid) {
        return uid >= GUEST_USER_FIRST && uid < (uint64_t) GUEST_USER_FIRST + GUEST_USERS_MAX;
}

/* Nobody takes it while a process has it, whatever is written down. */
static bool give_back(const char *name, const char *note) {
        (void) name;
        (void) note;
        return true;
}

const ClaimKind guest_user_claims = { "user", "user", give_back };

void guest_user_load(const xmlNode *saved, uid_t *uid, gid_t *gid) {
        uint64_t user = 0;
        if (!xml_number_attribute(saved, "user", 0, UINT32_MAX, &user, NULL) || !guest_user_is_one(user))
                return;
        *uid = (uid_t) user;
        *gid = (gid_t) user;
}
