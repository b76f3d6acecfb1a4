/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-self.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lxc/guest/guest-mounts.h"

/* As the kernel would name it; where it runs by a descriptor, it does not know. */
#define NAME "virtbus-lxc-gue"

static const char program[] = "/proc/self/exe";

void guest_self_protect(char *argv[]) {
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
        struct statvfs info;
        prctl(PR_SET_NAME, NAME);
        if (statvfs(program, &info) == 0 && info.f_flag & ST_RDONLY)
                return;
        int tree = open_tree(AT_FDCWD, program, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree >= 0 && mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0)
                syscall(SYS_execveat, tree, "", argv, environ, AT_EMPTY_PATH);
        if (tree >= 0)
                close(tree);
}

void guest_self_retire(const GuestPlan *plan) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { .effective = 1 << CAP_KILL,
                                                                           .permitted = 1 << CAP_KILL } };
        guest_mounts_forget(plan);
        syscall(SYS_capset, &header, data);
}
