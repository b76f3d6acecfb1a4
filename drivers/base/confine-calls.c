/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/confine-calls.h"

#include <errno.h>
#include <glib.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define NUMBERS_END 0x40000000 /* x32 begins there */
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define NUMBERS_END 0x7fffffff
#endif

#ifdef ARCHITECTURE

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define REFUSE(number) ANSWER(SECCOMP_RET_ERRNO | (number))
#define WITHOUT(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), REFUSE(EPERM)

#define NAMESPACES (CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS)

/* Calls of other architectures are not there; clone3 neither, as what it makes is told where no filter sees it: the C library
 * takes clone then. */
#define BEGINNING \
        LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0), REFUSE(ENOSYS), LOAD(nr), \
                        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NUMBERS_END, 0, 1), REFUSE(ENOSYS), \
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1), REFUSE(ENOSYS)

/* Other processes, the kernel's own doors, file systems and namespaces, the machine. */
#define LIST \
        WITHOUT(ptrace), WITHOUT(process_vm_readv), WITHOUT(process_vm_writev), WITHOUT(process_madvise), WITHOUT(pidfd_getfd), \
                        WITHOUT(kcmp), WITHOUT(bpf), WITHOUT(perf_event_open), WITHOUT(userfaultfd), WITHOUT(keyctl), \
                        WITHOUT(add_key), WITHOUT(request_key), WITHOUT(open_by_handle_at), WITHOUT(name_to_handle_at), \
                        WITHOUT(mount), WITHOUT(umount2), WITHOUT(pivot_root), WITHOUT(move_mount), WITHOUT(open_tree), \
                        WITHOUT(fsopen), WITHOUT(fsconfig), WITHOUT(fsmount), WITHOUT(fspick), WITHOUT(mount_setattr), \
                        WITHOUT(setns), WITHOUT(init_module), WITHOUT(finit_module), WITHOUT(delete_module), \
                        WITHOUT(kexec_load), WITHOUT(kexec_file_load), WITHOUT(reboot), WITHOUT(swapon), WITHOUT(swapoff), \
                        WITHOUT(acct), WITHOUT(quotactl), WITHOUT(syslog), WITHOUT(settimeofday), WITHOUT(clock_settime), \
                        WITHOUT(adjtimex), WITHOUT(clock_adjtime), WITHOUT(sethostname), WITHOUT(setdomainname)

#define RINGS WITHOUT(io_uring_setup), WITHOUT(io_uring_enter), WITHOUT(io_uring_register)

/* The flags of clone and unshare are their first argument on these architectures; their lower half comes first in memory. */
#define END \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 3), \
                        LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1), REFUSE(EPERM), \
                        ANSWER(SECCOMP_RET_ALLOW)

static const struct sock_filter with_rings[] = { BEGINNING, WITHOUT(chroot), LIST, END },
                                with_chroot[] = { BEGINNING, RINGS, LIST, END },
                                with_neither[] = { BEGINNING, RINGS, WITHOUT(chroot), LIST, END };

static struct sock_fprog choose(bool io_uring, bool chroot) {
        if (io_uring)
                return (struct sock_fprog){ G_N_ELEMENTS(with_rings), (struct sock_filter *) with_rings };
        if (chroot)
                return (struct sock_fprog){ G_N_ELEMENTS(with_chroot), (struct sock_filter *) with_chroot };
        return (struct sock_fprog){ G_N_ELEMENTS(with_neither), (struct sock_filter *) with_neither };
}

bool confine_calls_known(void) {
        return true;
}

bool confine_calls(bool io_uring, bool chroot) {
        const struct sock_fprog program = choose(io_uring, chroot);
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

#else

bool confine_calls_known(void) {
        return false;
}

bool confine_calls(bool io_uring, bool chroot) {
        (void) io_uring;
        (void) chroot;
        errno = ENOSYS;
        return false;
}

#endif
