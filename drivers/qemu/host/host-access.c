/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/host-access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/walk.h"
#include "bus.h"
#include "errors.h"

/* Guests, and who looks at their memory, are users of one group. */
#define SHARED_MODE 0660

/* What to do where a device is not there. */
static const struct {
        const char *path, *remedy;
} remedies[] = {
        { "/dev/kvm", "load the module kvm_intel or kvm_amd, switch on virtualization in the machine's setup, or use "
                      "<domain type='qemu'>" },
        { "/dev/vhost-net", "load the module vhost_net (modprobe vhost_net), or leave out <driver name='vhost'/>" },
        { "/dev/vhost-vsock", "load the module vhost_vsock (modprobe vhost_vsock)" },
};

static bool fail_absent(const char *path, int number, GError **error) {
        for (size_t i = 0; i < G_N_ELEMENTS(remedies); i++)
                if (strcmp(path, remedies[i].path) == 0 && number != EACCES && number != EPERM)
                        return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "this machine has no %s: %s", path,
                                                 remedies[i].remedy);
        return virtbus_error_set_errno(error, number, "%s cannot be opened", path);
}

static bool is_member(const HostUser *user, gid_t group) {
        for (size_t i = 0; i < user->n_groups; i++)
                if (user->groups[i] == group)
                        return true;
        return user->gid == group;
}

/* An access list may say more than the mode does. */
static bool may_open(int found, const struct stat *info, const HostUser *user) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", found);
        mode_t bits = user->uid == info->st_uid       ? info->st_mode >> 6
                      : is_member(user, info->st_gid) ? info->st_mode >> 3
                                                      : info->st_mode;
        return user->uid == 0 || (bits & 06) == 06 || getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
}

bool host_access_check(const char *path, const HostUser *user, GError **error) {
        Walked walked;
        const struct stat *info = &walked.info;
        g_autofd int found = walk_find(path, WALK_NO_LINKS, &walked);
        if (walked.fault)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not used: %s %s", path, walked.at,
                                         walked.fault);
        if (found < 0)
                return fail_absent(path, walked.failure, error);
        if (may_open(found, info, user))
                return true;
        const struct passwd *name = getpwuid(user->named);
        const struct group *group = getgrgid(info->st_gid);
        g_autofree char *who = name ? g_strdup(name->pw_name) : g_strdup_printf("%u", (unsigned) user->named);
        if (!group || info->st_gid == 0 || (info->st_mode & 060) != 060)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "QEMU's user %s may not open %s: give it to a group of that user's (chgrp, chmod g+rw)",
                                         who, path);
        return virtbus_error_set(
                        error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                        "QEMU's user %s may not open %s: make it a member of the group %s (usermod -aG %s %s), and restart the "
                        "driver (systemctl restart virtbus-qemu); guests go on meanwhile",
                        who, path, group->gr_name, group->gr_name, who);
}

int host_access_open(const char *path, GError **error) {
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                fail_absent(path, errno, error);
        return fd;
}

bool host_access_share(const char *path, uint64_t size, const HostUser *user, GError **error) {
        struct stat info;
        g_autofd int made = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, SHARED_MODE);
        if (made >= 0)
                return (ftruncate(made, (off_t) size) == 0 && fchmod(made, SHARED_MODE) == 0 &&
                        (geteuid() != 0 || fchown(made, user->named, user->gid) == 0)) ||
                       virtbus_error_set_errno(error, errno, "the shared memory %s cannot be made", path);
        if (errno != EEXIST || lstat(path, &info) < 0)
                return virtbus_error_set_errno(error, errno, "the shared memory %s cannot be made", path);
        if (!S_ISREG(info.st_mode))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "%s is not a file: remove it, or use another name", path);
        if (info.st_size != 0 && (uint64_t) info.st_size != size)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "%s has %" PRIi64 " bytes, not %" PRIu64 ": remove it, or make <size> the same", path,
                                         (int64_t) info.st_size, size);
        return host_access_check(path, user, error);
}
