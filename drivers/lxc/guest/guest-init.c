/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lxc/guest/guest-calls.h"
#include "lxc/guest/guest-failure.h"
#include "lxc/guest/guest-links.h"
#include "lxc/guest/guest-mounts.h"
#include "lxc/guest/guest-path.h"
#include "lxc/guest/guest-rights.h"

/* The kernel's bound of a host name. */
#define HOST_NAME_MAX_BYTES 64

#define EXIT_CANNOT_RUN 127

/* The network of its own has nothing but this. */
static void raise_loopback(void) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        if (fd < 0)
                return;
        ioctl(fd, SIOCSIFFLAGS, &request);
        close(fd);
}

/* By its name in the container, which is how programs find theirs again. */
static bool take_terminal(const GuestPlan *plan) {
        bool has_one = plan->n_consoles > 0;
        int fd = guest_path_open(has_one ? "/dev/pts/0" : "/dev/null", O_RDWR | O_NOCTTY);
        if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
                return guest_failure_set("its terminal cannot be opened");
        setsid();
        if (has_one)
                ioctl(STDIN_FILENO, TIOCSCTTY, 0);
        return true;
}

/* That no link of the kernel's leads to it: there is nobody in the container yet who could change that. */
static bool check_program(const GuestPlan *plan) {
        int program = guest_path_open(plan->arguments[0], O_PATH);
        if (program < 0)
                return guest_failure_set("%s cannot be run in the container", plan->arguments[0]);
        close(program);
        return true;
}

static bool set_up(const GuestPlan *plan) {
        char name[HOST_NAME_MAX_BYTES + 1];
        if (plan->n_users > 0 &&
            (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0))
                return guest_failure_set("its root cannot be mapped");
        raise_loopback();
        if (!guest_links_enter(plan))
                return false;
        snprintf(name, sizeof name, "%s", plan->name);
        if (!guest_mounts_enter())
                return false;
        if (unshare(CLONE_NEWCGROUP) < 0 || sethostname(name, strlen(name)) < 0)
                return guest_failure_set("its namespaces cannot be made");
        if (plan->is_32_bit)
                personality(PER_LINUX32);
        if (!take_terminal(plan) || !guest_rights_limit(plan))
                return false;
        if (!guest_calls_take(plan))
                return guest_failure_set("system calls cannot be taken from it");
        if (!guest_rights_become(plan))
                return false;
        umask(022);
        errno = 0;
        return guest_path_enter(plan->directory) && check_program(plan);
}

/* Before it looks at anything of the container's: a link there may lead to any of them, and by those of folders out of it. */
static bool keep_only(int fd) {
        return ((fd == 3 || syscall(SYS_close_range, 3, fd - 1, 0) == 0) && syscall(SYS_close_range, fd + 1, ~0U, 0) == 0) ||
               guest_failure_set("descriptors cannot be closed");
}

/* The child: waits at GO until its groups and maps are set, and says at FAILURES why it cannot run. */
static void run(GuestPlan *plan, int go, int failures) {
        unsigned mtus[GUEST_CARDS_MAX];
        sigset_t none;
        /* It ends with who watches over it; and never began where that has ended before. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (read(go, mtus, sizeof mtus) != sizeof mtus)
                _exit(EXIT_CANNOT_RUN);
        for (size_t i = 0; i < plan->n_cards; i++)
                plan->cards[i].mtu = mtus[i];
        for (int i = 1; i < NSIG; i++)
                signal(i, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        bool fine = keep_only(failures) && set_up(plan);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* which another user loses */
        if (fine) {
                execve(plan->arguments[0], plan->arguments, plan->environment);
                guest_failure_set("%s cannot be run in the container", plan->arguments[0]);
        }
        if (write(failures, guest_failure, strlen(guest_failure)) < 0)
                _exit(EXIT_CANNOT_RUN);
        _exit(EXIT_CANNOT_RUN);
}

/* The parent */

static bool write_map(pid_t pid, const char *name, const GuestRange *ranges, size_t n) {
        char path[64], *text = calloc(n + 1, 3 * 11);
        size_t length = 0;
        if (!text)
                return false;
        for (size_t i = 0; i < n; i++)
                length += (size_t) sprintf(text + length, "%u %u %u\n", ranges[i].inside, ranges[i].outside, ranges[i].count);
        snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool done = fd >= 0 && write(fd, text, length) == (ssize_t) length;
        int number = errno;
        if (fd >= 0)
                close(fd);
        free(text);
        errno = number;
        return done;
}

static bool place(const GuestPlan *plan, pid_t pid) {
        char text[16];
        int length = snprintf(text, sizeof text, "%d", pid);
        for (size_t i = 0; i < plan->n_members; i++)
                if (write(plan->members[i], text, (size_t) length) < 0)
                        return guest_failure_set("it cannot be put into its control group");
        if (plan->n_users == 0)
                return true;
        return (write_map(pid, "uid_map", plan->users, plan->n_users) &&
                write_map(pid, "gid_map", plan->groups, plan->n_groups)) ||
               guest_failure_set("its users cannot be mapped");
}

static void close_pipes(GuestInit *init) {
        if (init->go >= 0)
                close(init->go);
        if (init->failures >= 0)
                close(init->failures);
        init->go = init->failures = -1;
}

void guest_init_end(GuestInit *init) {
        close_pipes(init);
        syscall(SYS_pidfd_send_signal, init->pidfd, SIGKILL, NULL, 0);
        while (waitpid(init->pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

bool guest_init_make(GuestPlan *plan, GuestInit *init) {
        int go[2] = { -1, -1 }, failures[2] = { -1, -1 };
        struct clone_args arguments = {
                .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_PIDFD |
                         (plan->n_users > 0 ? CLONE_NEWUSER : 0),
                .pidfd = (uint64_t) (uintptr_t) &init->pidfd,
                .exit_signal = SIGCHLD,
        };
        if (pipe2(go, O_CLOEXEC) < 0 || pipe2(failures, O_CLOEXEC) < 0)
                return guest_failure_set("it cannot be started");
        init->pid = (pid_t) syscall(SYS_clone3, &arguments, sizeof arguments);
        if (init->pid == 0) {
                close(go[1]);
                close(failures[0]);
                run(plan, go[0], failures[1]);
        }
        if (init->pid < 0)
                return guest_failure_set("its namespaces cannot be made");
        close(go[0]);
        close(failures[1]);
        init->go = go[1];
        init->failures = failures[0];
        if (place(plan, init->pid))
                return true;
        guest_init_end(init);
        return false;
}

bool guest_init_run(const GuestPlan *plan, GuestInit *init) {
        unsigned mtus[GUEST_CARDS_MAX] = { 0 };
        for (size_t i = 0; i < plan->n_cards; i++)
                mtus[i] = plan->cards[i].mtu;
        if (write(init->go, mtus, sizeof mtus) == sizeof mtus)
                guest_failure_read(init->failures);
        else
                guest_failure_set("it cannot be started");
        if (guest_failure[0])
                guest_init_end(init);
        else
                close_pipes(init);
        return !guest_failure[0];
}
