/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu/host/host-access.h"

/* What a start says of a device, for a user who is in no group. */
static char *said(const char *path, uid_t uid, gid_t group) {
        g_autoptr(GError) error = NULL;
        const HostUser user = { .uid = uid, .gid = 65534, .groups = &group, .n_groups = 1 };
        return host_access_check(path, &user, &error) ? NULL : g_strdup(error->message);
}

static void test_what_qemus_user_may_not_open_is_told_with_its_remedy(void) {
        g_autofree char *folder = g_dir_make_tmp("virtbus-access-XXXXXX", NULL), *path = g_build_filename(folder, "device", NULL);
        int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        struct stat info;
        stat(path, &info);
        uid_t other = info.st_uid + 12345;
        g_autofree char *alone = said(path, other, info.st_gid + 1);
        g_assert_nonnull(strstr(alone, path));
        g_assert_nonnull(strstr(alone, "may not open"));
        g_assert_null(said(path, info.st_uid, info.st_gid + 1)); /* the owner */
        chmod(path, 0660);
        g_assert_null(said(path, other, info.st_gid)); /* a member of the group */
        g_autofree char *stranger = said(path, other, info.st_gid + 1);
        g_assert_nonnull(stranger);
        chmod(path, 0666);
        g_assert_null(said(path, other, info.st_gid + 1));
        chmod(path, 0060);
        g_assert_true(info.st_uid == 0 ||
                      said(path, info.st_uid, info.st_gid) != NULL); /* the owner's bits are the owner's alone */
        unlink(path);
        rmdir(folder);
}

static void test_a_device_that_is_not_there_is_told(void) {
        g_autofree char *absent = said("/nowhere/device", 1, 1);
        g_assert_nonnull(strstr(absent, "/nowhere/device"));
        if (access("/dev/kvm", F_OK) < 0) {
                g_autofree char *kvm = said("/dev/kvm", 1, 1);
                g_assert_nonnull(strstr(kvm, "load the module"));
                g_assert_nonnull(strstr(kvm, "type='qemu'"));
        }
}

static void test_shared_memory_is_made_once_and_of_one_size(void) {
        g_autoptr(GError) error = NULL;
        g_autofree char *folder = g_dir_make_tmp("virtbus-share-XXXXXX", NULL), *path = g_build_filename(folder, "memory", NULL);
        const HostUser user = { .uid = geteuid(), .gid = getegid(), .named = geteuid() };
        struct stat info;
        g_assert_true(host_access_share(path, 1 << 20, &user, &error));
        g_assert_true(host_access_share(path, 1 << 20, &user, &error));
        stat(path, &info);
        g_assert_cmpint(info.st_size, ==, 1 << 20);
        g_assert_cmpint(info.st_mode & 07777, ==, 0660);
        g_assert_false(host_access_share(path, 2 << 20, &user, &error));
        g_assert_nonnull(strstr(error->message, "bytes"));
        g_clear_error(&error);
        unlink(path);
        g_assert_cmpint(symlink("/etc/passwd", path), ==, 0);
        g_assert_false(host_access_share(path, 1 << 20, &user, &error)); /* a link leads nowhere */
        unlink(path);
        rmdir(folder);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/host-access/what-qemus-user-may-not-open-is-told-with-its-remedy",
                        test_what_qemus_user_may_not_open_is_told_with_its_remedy);
        g_test_add_func("/host-access/a-device-that-is-not-there-is-told", test_a_device_that_is_not_there_is_told);
        g_test_add_func("/host-access/shared-memory-is-made-once-and-of-one-size",
                        test_shared_memory_is_made_once_and_of_one_size);
        return g_test_run();
}
