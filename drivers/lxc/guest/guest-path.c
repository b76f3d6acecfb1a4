/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lxc/guest/guest-failure.h"

static int open_how(int folder, const char *path, int flags, uint64_t resolve) {
        const struct open_how how = { .flags = (uint64_t) (flags | O_CLOEXEC), .resolve = RESOLVE_NO_MAGICLINKS | resolve };
        return (int) syscall(SYS_openat2, folder, path, &how, sizeof how);
}

int guest_path_find(int root, const char *path) {
        return open_how(root, path, O_PATH, RESOLVE_IN_ROOT);
}

int guest_path_find_folder(int root, const char *path) {
        return open_how(root, path, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int guest_path_open(const char *path, int flags) {
        return open_how(AT_FDCWD, path, flags, 0);
}

bool guest_path_enter(const char *path) {
        int folder = path ? guest_path_open(path, O_PATH | O_DIRECTORY) : -1;
        bool done = !path || (folder >= 0 && fchdir(folder) == 0) || guest_failure_set("its folder %s cannot be entered", path);
        if (folder >= 0)
                close(folder);
        return done;
}
