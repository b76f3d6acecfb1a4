/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-calls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

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

/* Those that namespaces hold, in order; others, such as AF_VSOCK, would reach the host and its guests. */
static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET };

static int deny_families(scmp_filter_ctx context, const GuestPlan *plan) {
        (void) plan;
        size_t n = sizeof families / sizeof *families;
        int r = seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                 SCMP_A0_32(SCMP_CMP_GT, (uint32_t) families[n - 1]));
        for (size_t i = 0; i + 1 < n; i++)
                for (int family = families[i] + 1; r == 0 && family < families[i + 1]; family++)
                        r = seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                             SCMP_A0_32(SCMP_CMP_EQ, (uint32_t) family));
        return r;
}

static int deny_doors(scmp_filter_ctx context, const GuestPlan *plan) {
        int r = 0;
        for (size_t i = 0; r == 0 && i < sizeof denied / sizeof *denied; i++)
                r = deny(context, denied[i]);
        return r == 0 && plan->n_users == 0 ? deny_user_namespaces(context) : r;
}

/* Of programs of 32 bits, most of which have the family in memory, where no filter looks. */
static int deny_sockets(scmp_filter_ctx context, const GuestPlan *plan) {
        return plan->is_32_bit ? 0 : seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 0);
}

/* Of which programs; of the first two, of this machine's own architecture. */
enum { OWN, BOTH, OF_32_BITS };

static int choose_programs(scmp_filter_ctx context, int programs) {
        int r = 0;
#ifdef __x86_64__
        if (programs != OF_32_BITS)
                r = seccomp_arch_add(context, SCMP_ARCH_X32);
        if (r == 0 && programs != OWN)
                r = seccomp_arch_add(context, SCMP_ARCH_X86);
        if (r == 0 && programs == OF_32_BITS)
                r = seccomp_arch_remove(context, SCMP_ARCH_NATIVE);
#endif
        /* Others are another filter's; those of which none knows end. */
        if (r == 0 && programs != BOTH)
                r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
        return r;
}

static int load(int programs, int (*fill)(scmp_filter_ctx, const GuestPlan *), const GuestPlan *plan) {
        scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
        int r = context ? choose_programs(context, programs) : -ENOMEM;
        /* Programs of a container may have more rights than who runs them: those are the container's. */
        if (r == 0)
                r = seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0);
        if (r == 0)
                r = fill(context, plan);
        if (r == 0)
                r = seccomp_load(context);
        if (context)
                seccomp_release(context);
        return r;
}

bool guest_calls_take(const GuestPlan *plan) {
        int r = load(BOTH, deny_doors, plan);
        if (r == 0)
                r = load(OWN, deny_families, plan);
#ifdef __x86_64__
        if (r == 0)
                r = load(OF_32_BITS, deny_sockets, plan);
#endif
        errno = -r;
        return r == 0;
}
