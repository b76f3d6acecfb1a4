/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__)
int sandbox_enter(void) {
        return -EOPNOTSUPP;
}
#else

/* What sd-bus, sd-event, malloc and the C library's start and end use. */
static const char *const allowed[] = {
        "brk",
        "clock_gettime",
        "clock_nanosleep",
        "close",
        "connect",
        "dup",
        "epoll_create1",
        "epoll_ctl",
        "epoll_pwait",
        "epoll_pwait2",
        "epoll_wait",
        "exit",
        "exit_group",
        "fcntl",
        "fstat",
        "futex",
        "getegid",
        "geteuid",
        "getgid",
        "getpid",
        "getrandom",
        "getsockname",
        "getsockopt",
        "getpeername",
        "gettid",
        "getuid",
        "lseek",
        "madvise",
        "mmap",
        "mprotect",
        "mremap",
        "munmap",
        "newfstatat",
        "nanosleep",
        "pidfd_open",
        "poll",
        "ppoll",
        "pread64",
        "prlimit64",
        "read",
        "readlink",
        "readlinkat",
        "readv",
        "recvfrom",
        "recvmsg",
        "restart_syscall",
        "rseq",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sendmsg",
        "sendto",
        "set_robust_list",
        "setsockopt",
        "shutdown",
        "sigaltstack",
        "socketpair",
        "statx",
        "timerfd_create",
        "timerfd_settime",
        "uname",
        "write",
        "writev",
        "getdents64",
        "name_to_handle_at",
        "access",
        "accept4",
        "faccessat2",
        "inotify_init1",
        "inotify_add_watch",
        "inotify_rm_watch",
        "eventfd2",
        "signalfd4",
        "kcmp",
        "tgkill",
        "sched_yield",
        "time",
        "gettimeofday",
        "stat",
        "lstat",
        "statfs",
        "fstatfs",
};

/* What must never happen: the process is ended, and the kernel's audit log says why. */
static const char *const deadly[] = { "execve",      "execveat",     "fork",       "vfork", "ptrace", "process_vm_writev",
                                      "init_module", "finit_module", "kexec_load", "bpf",   "mount" };

/* Allowed for reading only, and for Unix sockets only. */
static int add_conditional(scmp_filter_ctx filter) {
        int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                     SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
        return r == -EDOM ? 0 : r; /* an architecture without open */
}

int sandbox_enter(void) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        if (!filter)
                return -ENOMEM;
        int r = 0;
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(allowed) + G_N_ELEMENTS(deadly); i++) {
                bool allow = i < G_N_ELEMENTS(allowed);
                int number = seccomp_syscall_resolve_name(allow ? allowed[i] : deadly[i - G_N_ELEMENTS(allowed)]);
                if (number != __NR_SCMP_ERROR)
                        r = seccomp_rule_add(filter, allow ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS, number, 0);
                if (r == -EDOM || r == -EFAULT) /* not a call of this architecture */
                        r = 0;
        }
        if (r >= 0)
                r = add_conditional(filter);
        if (r >= 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r;
}
#endif
