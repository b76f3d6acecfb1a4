/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "confinement.h"

#include "syscalls.h"

/* What GLib, libxml2, malloc and the C library's end use. Files are read by the C library alone, such as the time zone. */
static const char *const allowed[] = { "access",
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
                                       "ftruncate",
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
                                       "pipe2",
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
                                       "sched_getaffinity",
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
                                       NULL };

static const char *const allowed_to_users_own[] = { "unlink", "unlinkat", NULL };

static const char *const deadly[] = { "execve", "execveat", "fork", "vfork", "ptrace", NULL };

int confinement_enter(const Origin *origin) {
        const bool system = origin_is_system(origin);
        return syscalls_restrict(&(Syscalls){
                        .allowed = allowed,
                        .also_allowed = system ? NULL : allowed_to_users_own,
                        .deadly = deadly,
                        .files = !system,
                        .threads = true,
        });
}
