/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/user-rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "errors.h"

/* What a user's entry takes at most; more groups than a process can have there are none. */
#define ENTRY_BYTES_MAX (1024 * 1024)

struct UserRights {
        uid_t user;
        gid_t group;
        GArray *groups, *before; /* gid_t */
        bool entered;
};

void user_rights_free(UserRights *rights) {
        user_rights_leave(rights);
        g_array_unref(rights->groups);
        g_array_unref(rights->before);
        g_free(rights);
}

uid_t user_rights_user(const UserRights *rights) {
        return rights->user;
}

gid_t user_rights_group(const UserRights *rights) {
        return rights->group;
}

static bool find_groups(UserRights *rights, const char *name) {
        int n = 64, known;
        do {
                known = n;
                g_array_set_size(rights->groups, (guint) n);
                if (getgrouplist(name, rights->group, (gid_t *) (void *) rights->groups->data, &n) >= 0) {
                        g_array_set_size(rights->groups, (guint) n);
                        return true;
                }
        } while (n > known && n <= NGROUPS_MAX);
        return false;
}

bool user_rights_find(uid_t user, UserRights **found_rights, GError **error) {
        *found_rights = NULL;
        if (user == USER_RIGHTS_ALL)
                return true;
        g_autoptr(UserRights) rights = g_new0(UserRights, 1);
        struct passwd entry, *found = NULL;
        g_autofree char *strings = NULL;
        int r = ERANGE;
        rights->groups = g_array_new(FALSE, TRUE, sizeof(gid_t));
        rights->before = g_array_new(FALSE, TRUE, sizeof(gid_t));
        for (size_t size = 4096; r == ERANGE && size <= ENTRY_BYTES_MAX; size *= 4) {
                strings = g_realloc(strings, size);
                r = getpwuid_r(user, &entry, strings, size, &found);
        }
        if (r != 0 || !found)
                return virtbus_error_set(error, VIRTBUS_ERROR_ACCESS_DENIED,
                                         "user %u, with whose rights its files are opened, is not known on this machine",
                                         (unsigned) user);
        rights->user = user;
        rights->group = entry.pw_gid;
        if (!find_groups(rights, entry.pw_name))
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                "the groups of user %u cannot be found, or are too many: look at what id(1) says of that user",
                                (unsigned) user);
        *found_rights = g_steal_pointer(&rights);
        return true;
}

/* Of this thread alone: what the C library has by that name changes all of them. */
static int set_groups(const GArray *groups) {
        return (int) syscall(SYS_setgroups, (size_t) groups->len, groups->data);
}

/* The kernel takes from the thread what root may do with files whatever their modes, and gives it back with user 0. */
bool user_rights_enter(UserRights *rights, GError **error) {
        if (!rights)
                return true;
        int n = getgroups(0, NULL);
        g_array_set_size(rights->before, (guint) MAX(n, 0));
        if (n < 0 || getgroups(n, (gid_t *) (void *) rights->before->data) != n || set_groups(rights->groups) < 0)
                return virtbus_error_set_errno(error, errno, "the groups of user %u cannot be taken", (unsigned) rights->user);
        rights->entered = true;
        setfsgid(rights->group);
        setfsuid(rights->user);
        if ((uid_t) setfsuid((uid_t) -1) == rights->user && (gid_t) setfsgid((gid_t) -1) == rights->group)
                return true;
        user_rights_leave(rights);
        return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                 "the rights of user %u cannot be taken: the driver lacks CAP_SETUID or CAP_SETGID",
                                 (unsigned) rights->user);
}

void user_rights_leave(UserRights *rights) {
        if (!rights || !rights->entered)
                return;
        rights->entered = false;
        setfsuid(geteuid());
        setfsgid(getegid());
        if ((uid_t) setfsuid((uid_t) -1) != geteuid() || set_groups(rights->before) < 0)
                g_error("a thread cannot have its own rights back"); /* it would open files as somebody else */
}
