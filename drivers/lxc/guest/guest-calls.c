/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-calls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>

/* Of two architectures: a program of 32 bits does without them, too. */
static const char *const denied[] = {
        "_sysctl",
        "acct",
        "add_key",
        "bpf",
        "clock_adjtime",
        "clock_adjtime64",
        "clock_settime",
        "clock_settime64",
        "create_module",
        "delete_module",
        "fanotify_init",
        "finit_module",
        "get_kernel_syms",
        "init_module",
        "io_uring_enter",
        "io_uring_register",
        "io_uring_setup",
        "ioperm",
        "iopl",
        "kexec_file_load",
        "kexec_load",
        "keyctl",
        "lookup_dcookie",
        "nfsservctl",
        "open_by_handle_at",
        "perf_event_open",
        "query_module",
        "quotactl",
        "quotactl_fd",
        "request_key",
        "settimeofday",
        "stime",
        "swapoff",
        "swapon",
        "syslog",
        "uselib",
        "userfaultfd",
        "vm86",
        "vm86old",
        "adjtimex",
        "move_pages",
        "pciconfig_iobase",
        "pciconfig_read",
        "pciconfig_write",
};

static int deny(scmp_filter_ctx context, const char *name) {
        int number = seccomp_syscall_resolve_name(name);
        return number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), number, 0);
}

/* clone3(2) has its flags in memory, where no filter looks: programs then use clone(2). */
static int deny_user_namespaces(scmp_filter_ctx context) {
        int r = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
        if (r == 0)
                r = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
        return r == 0 ? seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) : r;
}

bool guest_calls_take(bool has_own_users) {
        scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
        int r = context ? 0 : -ENOMEM;
#ifdef __x86_64__
        if (r == 0)
                r = seccomp_arch_add(context, SCMP_ARCH_X86);
        if (r == 0)
                r = seccomp_arch_add(context, SCMP_ARCH_X32);
#endif
        /* Programs of a container may have more rights than who runs them: those are the container's. */
        if (r == 0)
                r = seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0);
        for (size_t i = 0; r == 0 && i < sizeof denied / sizeof *denied; i++)
                r = deny(context, denied[i]);
        if (r == 0 && !has_own_users)
                r = deny_user_namespaces(context);
        if (r == 0)
                r = seccomp_load(context);
        if (context)
                seccomp_release(context);
        errno = -r;
        return r == 0;
}
