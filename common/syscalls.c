/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__)
int syscalls_restrict(const Syscalls *syscalls) {
        (void) syscalls;
        return -EOPNOTSUPP;
}
#else

/* What the C library and what is built on it use in every program, from malloc to the end; files are opened to read alone. */
static const char *const of_all[] = {
        "access",
        "brk",
        "clock_gettime",
        "clock_nanosleep",
        "close",
        "dup",
        "eventfd2",
        "exit",
        "exit_group",
        "faccessat2",
        "fcntl",
        "fstat",
        "futex",
        "getegid",
        "geteuid",
        "getgid",
        "getpeername",
        "getpid",
        "getrandom",
        "getsockname",
        "getsockopt",
        "gettid",
        "gettimeofday",
        "getuid",
        "lseek",
        "lstat",
        "madvise",
        "mmap",
        "mprotect",
        "mremap",
        "munmap",
        "nanosleep",
        "newfstatat",
        "poll",
        "ppoll",
        "pread64",
        "prlimit64",
        "read",
        "readv",
        "recvfrom",
        "recvmsg",
        "restart_syscall",
        "rseq",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sched_yield",
        "sendmsg",
        "sendto",
        "set_robust_list",
        "setsockopt",
        "shutdown",
        "sigaltstack",
        "stat",
        "statx",
        "tgkill",
        "time",
        "uname",
        "write",
        "writev",
        NULL,
};

/* What starts another program, or looks into one. */
static const char *const deadly_to_all[] = { "execve", "execveat", "fork", "vfork", "ptrace", NULL };

#define NO_RULES_LEFT(r) ((r) == -EDOM || (r) == -EFAULT) /* not a call of this architecture */

static int add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names) {
        int r = 0;
        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                int number = seccomp_syscall_resolve_name(names[i]);
                if (number != __NR_SCMP_ERROR)
                        r = seccomp_rule_add(filter, action, number, 0);
                if (NO_RULES_LEFT(r))
                        r = 0;
        }
        return r;
}

static int add_files(scmp_filter_ctx filter, bool writing) {
        const scmp_datum_t bits = writing ? 0 : O_ACCMODE | O_CREAT | O_TRUNC, reading = O_RDONLY;
        int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, bits, reading));
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, bits, reading));
        return NO_RULES_LEFT(r) ? 0 : r; /* an architecture without open */
}

/* What clone3 begins is told where no filter sees it: the C library takes clone then, whose flags are its first argument. */
static int add_threads(scmp_filter_ctx filter) {
        int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
        return r;
}

static int add_all(scmp_filter_ctx filter, const Syscalls *syscalls) {
        int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
        if (r >= 0)
                r = add_names(filter, SCMP_ACT_ALLOW, of_all);
        if (r >= 0)
                r = add_names(filter, SCMP_ACT_ALLOW, syscalls->allowed);
        if (r >= 0)
                r = add_names(filter, SCMP_ACT_ALLOW, syscalls->also_allowed);
        if (r >= 0)
                r = add_names(filter, SCMP_ACT_KILL_PROCESS, deadly_to_all);
        if (r >= 0)
                r = add_names(filter, SCMP_ACT_KILL_PROCESS, syscalls->deadly);
        if (r >= 0)
                r = add_files(filter, syscalls->files);
        if (r >= 0 && syscalls->unix_sockets)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
        return r >= 0 && syscalls->threads ? add_threads(filter) : r;
}

int syscalls_restrict(const Syscalls *syscalls) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        if (!filter)
                return -ENOMEM;
        int r = add_all(filter, syscalls);
        if (r >= 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r;
}
#endif
