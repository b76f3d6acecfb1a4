/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-enter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local-socket.h"
#include "lxc/guest/guest-calls.h"
#include "lxc/guest/guest-failure.h"
#include "lxc/guest/guest-path.h"
#include "lxc/guest/guest-rights.h"
#include "lxc/guest/guest-self.h"

#define EXIT_CANNOT_RUN 127

/* "failed " and a failure. */
#define REPORT_BYTES_MAX (GUEST_FAILURE_BYTES_MAX + 16)

/* What makes each new terminal, by its numbers. */
#define PTMX_MAJOR 5
#define PTMX_MINOR 2

static bool say(int report, const char *text, int fd) {
        return local_socket_send(report, text, strlen(text), &fd, fd >= 0, 0) >= 0;
}

static void close_all(const int *fds, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}

/* The child, which is in the container's namespace of processes: hidden there by being no more to be looked into than its parent
 * (PR_SET_DUMPABLE), whose memory is of the host's users. */

/* What it needs until it runs the program; PARENT is a pidfd of who watches over it. */
typedef struct Child {
        const GuestPlan *plan;
        int failures, parent;
} Child;

/* It ends with who watches over it, also where that has ended just before. */
static bool end_with(int parent) {
        return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && poll(&(struct pollfd){ .fd = parent, .events = POLLIN }, 1, 0) == 0;
}

/* Nothing of the host's goes into the container, but what is used there, or to get there. */
static bool keep_needed(const Child *child) {
        const GuestEntry *entry = &child->plan->entry;
        bool fine = true;
        for (int i = 0; fine && i < 3; i++)
                fine = entry->streams[i] < 0 || dup2(entry->streams[i], i) >= 0;
        int next = STDERR_FILENO;
        while (fine) { /* close those between one that is kept and the next one */
                const int kept[] = { child->failures, child->parent, entry->init, entry->report };
                int lowest = -1;
                for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
                        if (kept[i] > next && (lowest < 0 || kept[i] < lowest))
                                lowest = kept[i];
                if (lowest != next + 1)
                        fine = syscall(SYS_close_range, next + 1, lowest < 0 ? ~0U : (unsigned) lowest - 1, 0) == 0;
                if (lowest < 0)
                        break;
                fine = fine && fcntl(lowest, F_SETFD, FD_CLOEXEC) == 0;
                next = lowest;
        }
        return fine || guest_failure_set("descriptors cannot be closed");
}

static bool enter_namespaces(const GuestPlan *plan) {
        bool has_users = plan->n_users > 0;
        int namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP |
                         (has_users ? CLONE_NEWUSER : 0);
        if (setns(plan->entry.init, namespaces) < 0)
                return guest_failure_set("its namespaces cannot be entered");
        close(plan->entry.init);
        return !has_users ||
               (syscall(SYS_setresgid, 0, 0, 0) == 0 && syscall(SYS_setgroups, 0, NULL) == 0 &&
                syscall(SYS_setresuid, 0, 0, 0) == 0) ||
               guest_failure_set("none of its users is root");
}

/* A terminal of the container's, where it has them: anything else that it has put there is not used, nor waited for. */
static int open_multiplexer(void) {
        struct stat info;
        struct statfs system;
        int fd = guest_path_open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (fd >= 0 && fstat(fd, &info) == 0 && fstatfs(fd, &system) == 0 && S_ISCHR(info.st_mode) &&
            info.st_rdev == makedev(PTMX_MAJOR, PTMX_MINOR) && system.f_type == DEVPTS_SUPER_MAGIC &&
            fcntl(fd, F_SETFL, O_RDWR) == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        return -1;
}

static bool take_terminal(const GuestPlan *plan) {
        int unlock = 0, master = open_multiplexer();
        int slave = master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0
                                    ? ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)
                                    : -1;
        bool fine = slave >= 0 && say(plan->entry.report, "terminal", master) && dup2(slave, STDIN_FILENO) >= 0 &&
                    dup2(slave, STDOUT_FILENO) >= 0 && dup2(slave, STDERR_FILENO) >= 0 && ioctl(STDIN_FILENO, TIOCSCTTY, 0) == 0;
        close_all((const int[]){ master, slave }, 2);
        return fine || guest_failure_set("the container's /dev/pts gives it no terminal");
}

static bool set_up(const Child *child) {
        const GuestPlan *plan = child->plan;
        if (!keep_needed(child) || !enter_namespaces(plan))
                return false;
        if (plan->is_32_bit)
                personality(PER_LINUX32);
        if (!guest_rights_limit(plan))
                return false;
        if (!guest_calls_take(plan))
                return guest_failure_set("system calls cannot be taken from it");
        if (!guest_rights_become(plan))
                return false;
        if (setsid() < 0 || (plan->entry.streams[0] < 0 && !take_terminal(plan)))
                return guest_failure_set("it cannot have a session of its own");
        umask(022);
        errno = 0;
        return guest_path_enter(plan->directory);
}

static _Noreturn void run(const Child *child) {
        const GuestPlan *plan = child->plan;
        for (int i = 1; i < NSIG; i++)
                signal(i, SIG_DFL);
        bool fine = set_up(child);
        if (fine && !end_with(child->parent))
                _exit(EXIT_CANNOT_RUN);
        if (fine) {
                environ = plan->environment; /* whose PATH finds the program */
                execvp(plan->arguments[0], plan->arguments);
                guest_failure_set("%s cannot be run in the container", plan->arguments[0]);
        }
        if (write(child->failures, guest_failure, strlen(guest_failure)) < 0)
                _exit(EXIT_CANNOT_RUN);
        _exit(EXIT_CANNOT_RUN);
}

/* The parent, on the host */

/* From then on it counts as the container's, and ends with it: what is started next is there from the beginning. */
static bool join_groups(const GuestPlan *plan) {
        for (size_t i = 0; i < plan->n_members; i++)
                if (write(plan->members[i], "0", 1) < 0)
                        return guest_failure_set("its control group cannot be joined");
        return true;
}

/* In the container's namespace of processes; in that of no other that has its number by now. */
static pid_t fork_inside(const GuestPlan *plan, int *pidfd) {
        struct clone_args arguments = { .flags = CLONE_PIDFD, .pidfd = (uint64_t) (uintptr_t) pidfd, .exit_signal = SIGCHLD };
        if (setns(plan->entry.init, CLONE_NEWPID) < 0)
                return -1;
        return (pid_t) syscall(SYS_clone3, &arguments, sizeof arguments);
}

/* Its programs may open them again, by /dev/stdout. */
static void give_streams(const GuestPlan *plan) {
        for (size_t i = 0; i < 3; i++)
                if (plan->entry.streams[i] >= 0 &&
                    fchown(plan->entry.streams[i], guest_plan_outside(plan->users, plan->n_users, 0),
                           guest_plan_outside(plan->groups, plan->n_groups, 0)) < 0)
                        return;
}

/* A pidfd of the program, whose number is put into *PID; or a failure. */
static int start(const GuestPlan *plan, pid_t *pid) {
        int failures[2], pidfd = -1, self = (int) syscall(SYS_pidfd_open, getpid(), 0);
        if (!join_groups(plan))
                return -1;
        give_streams(plan);
        if (self < 0 || pipe2(failures, O_CLOEXEC) < 0 || (*pid = fork_inside(plan, &pidfd)) < 0) {
                guest_failure_set("it cannot be entered");
                return -1;
        }
        if (*pid == 0) {
                if (!end_with(self))
                        _exit(EXIT_CANNOT_RUN);
                run(&(Child){ plan, failures[1], self });
        }
        close(failures[1]);
        guest_failure_read(failures[0]);
        close(failures[0]);
        return pidfd;
}

static void watch(int status, pid_t pid, int pidfd) {
        char text[32];
        int how;
        bool is_awaited = true;
        for (;;) {
                struct pollfd waits[] = { { .fd = pidfd, .events = POLLIN }, { .fd = is_awaited ? status : -1 } };
                if (poll(waits, 2, -1) < 0)
                        continue;
                if (waits[0].revents)
                        break;
                is_awaited = false;
                syscall(SYS_pidfd_send_signal, pidfd, SIGHUP, NULL, 0);
        }
        while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
                ;
        bool killed = WIFSIGNALED(how);
        int length = snprintf(text, sizeof text, "%s %d", killed ? "killed" : "exited",
                              killed ? WTERMSIG(how) : WEXITSTATUS(how));
        if (write(status, text, (size_t) length) < 0) /* nobody wants to know */
                return;
}

static void run_program(const GuestPlan *plan) {
        const GuestEntry *entry = &plan->entry;
        pid_t pid = -1;
        int pidfd = start(plan, &pid);
        if (guest_failure[0]) {
                char text[REPORT_BYTES_MAX];
                snprintf(text, sizeof text, "failed %s", guest_failure);
                say(entry->report, text, -1);
                return;
        }
        say(entry->report, "running", -1);
        close_all(entry->streams, 3);
        close_all(plan->members, plan->n_members);
        close_all((const int[]){ entry->init, entry->report }, 2);
        if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
                guest_self_retire(plan);
        watch(entry->status, pid, pidfd);
}

/* By who has the container's namespace of processes and nothing else of it: which process a number is, is its own to say. */
static void send_signal(const GuestPlan *plan) {
        char text[32];
        int pidfd = -1, number = 0;
        pid_t pid = fork_inside(plan, &pidfd);
        if (pid == 0)
                _exit(kill(plan->entry.process, plan->entry.signal) == 0 ? 0 : errno);
        if (pid < 0 || waitpid(pid, &number, 0) < 0 || !WIFEXITED(number))
                snprintf(text, sizeof text, "failed it cannot be entered");
        else
                snprintf(text, sizeof text, "signalled %d", WEXITSTATUS(number));
        say(plan->entry.report, text, -1);
}

void guest_enter(const GuestPlan *plan) {
        signal(SIGPIPE, SIG_IGN);
        if (plan->entry.signal)
                send_signal(plan);
        else
                run_program(plan);
        _exit(EXIT_SUCCESS);
}
