/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"

#include "syscalls.h"

/* What sd-bus and sd-event use, and who looks callers up. */
static const char *const allowed[] = {
        "accept4",
        "connect",
        "epoll_create1",
        "epoll_ctl",
        "epoll_pwait",
        "epoll_pwait2",
        "epoll_wait",
        "fstatfs",
        "getdents64",
        "inotify_add_watch",
        "inotify_init1",
        "inotify_rm_watch",
        "kcmp",
        "name_to_handle_at",
        "pidfd_open",
        "readlink",
        "readlinkat",
        "signalfd4",
        "socketpair",
        "statfs",
        "timerfd_create",
        "timerfd_settime",
        NULL,
};

static const char *const deadly[] = { "process_vm_writev", "init_module", "finit_module", "kexec_load", "bpf", "mount", NULL };

int sandbox_enter(void) {
        return syscalls_restrict(&(Syscalls){ .allowed = allowed, .deadly = deadly, .unix_sockets = true });
}
