/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/landlock.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lean-fork.h"
#include "bus.h"
#include "errors.h"

#define EXIT_CANNOT_RUN 127

/* How long a profile's name may be, in bytes. */
#define PROFILE_NAME_MAX 255

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1U << 2) /* linux/pidfd.h, since Linux 6.9 */
#endif

struct Process {
        sd_event *event;
        pid_t pid;
        uint64_t start_time;
        int pidfd;
        int gate; /* what process_go writes to; -1 when it has */
        sd_event_source *exit, *grace;
        ProcessEnded ended;
        void *data;
};

static int open_pidfd(pid_t pid) {
        return (int) syscall(SYS_pidfd_open, pid, 0);
}

/* Field 22 of /proc/PID/stat, proc(5): after the name, which may hold anything, in the last parenthesis. */
static uint64_t read_start_time(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid), *text = NULL;
        unsigned long long start_time = 0;
        const char *end = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
        if (!end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                           &start_time) != 1)
                return 0;
        return start_time;
}

/* What it started and left behind, some of which may not end when it is told to. Its number is its group's too. It is nobody
 * else's while its end has not been waited for, which we do where it is our child; of an earlier driver's the pidfd names the
 * group, where the kernel knows groups by pidfds. Where it does not: the group's unless somebody else has the number by now. */
static void kill_rest(const Process *process) {
        if (syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, PIDFD_SIGNAL_PROCESS_GROUP) == 0 || errno != EINVAL)
                return;
        uint64_t now = read_start_time(process->pid);
        if (now == 0 || now == process->start_time)
                kill(-process->pid, SIGKILL);
}

static int on_exit_seen(sd_event_source *source, int fd, uint32_t events, void *data) {
        Process *process = data;
        siginfo_t info = { 0 };
        int status = -1;
        (void) events;
        kill_rest(process);
        if (waitid(P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == process->pid)
                status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        process->grace = sd_event_source_disable_unref(process->grace);
        process->ended(process->data, status);
        return 0;
}

static Process *watch(sd_event *event, pid_t pid, int gate, ProcessEnded ended, void *data, GError **error) {
        g_autoptr(Process) process = g_new0(Process, 1);
        *process = (Process){ .event = event, .pid = pid, .gate = gate, .ended = ended, .data = data };
        process->pidfd = open_pidfd(pid);
        process->start_time = read_start_time(pid);
        int r = process->pidfd < 0 ? -errno
                /* Without its start time no later driver would know it from another of its number. */
                : process->start_time == 0
                                ? -ESRCH
                                : sd_event_add_io(event, &process->exit, process->pidfd, EPOLLIN, on_exit_seen, process);
        if (r >= 0)
                return g_steal_pointer(&process);
        virtbus_error_set_errno(error, -r, "process %d cannot be watched", pid);
        return NULL;
}

/* What the program's environment is, made while memory may still be taken. */
static char **make_environment(const ProcessSetup *setup) {
        static const char *const always[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=/" };
        g_auto(GStrv) own = g_strdupv((char **) setup->environment);
        for (size_t i = 0; i < G_N_ELEMENTS(always); i++) {
                g_auto(GStrv) pair = g_strsplit(always[i], "=", 2);
                own = g_environ_setenv(own, pair[0], pair[1], FALSE);
        }
        return g_steal_pointer(&own);
}

/* Between fork and exec: only what signal-safety(7) allows, as threads may have held any lock: that of malloc too, where a
 * sanitizer brings its own; and only what lean-fork.h says. User and groups are given up by the system calls, as the C
 * library's functions tell other threads. */
static void fail_child(const char *program, const char *what) {
        const char *parts[] = { "virtbus: ", program, ": ", what, ": ", strerrordesc_np(errno), "\n" };
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
                        break;
        _exit(EXIT_CANNOT_RUN);
}

/* AMOUNT: 0 leaves what we may. Hard limits too, so that it is never given back. */
static void limit(const char *program, int resource, uint64_t amount, const char *failure) {
        const struct rlimit bound = { .rlim_cur = amount, .rlim_max = amount };
        if (amount > 0 && setrlimit((__rlimit_resource_t) resource, &bound) < 0)
                fail_child(program, failure);
}

/* What a program that only reads its input and writes its output does without. A domain of its own in Landlock keeps it from the
 * memory of others of its user too. A kernel without Landlock has the user of its own for that. */
#define WRITING_FILES \
        (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
         LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
         LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
         LANDLOCK_ACCESS_FS_MAKE_SYM)

static void confine(const char *program) {
        const struct landlock_ruleset_attr rules = { .handled_access_fs = WRITING_FILES };
        limit(program, RLIMIT_CORE, 1, "its core cannot be left out"); /* core(5): 1 means no core, for pipes too */
        int ruleset = (int) syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
        if (ruleset < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
                return;
        if (ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                fail_child(program, "it cannot be confined");
}

/* FAILURE: what of a confinement is not to be had, or NULL. */
static void check_confined(const char *program, const char *failure) {
        if (failure)
                fail_child(program, failure);
}

/* So that the program has them too, which is not root's. */
static bool keep_capabilities(uint64_t kept) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
        for (size_t i = 0; i < G_N_ELEMENTS(data); i++) {
                uint32_t part = (uint32_t) (kept >> 32 * i);
                data[i] = (struct __user_cap_data_struct){ .effective = part, .permitted = part, .inheritable = part };
        }
        if (syscall(SYS_capset, &header, data) < 0)
                return false;
        for (unsigned i = 0; i < 64; i++)
                if (kept >> i & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
                        return false;
        return true;
}

static bool give_up_root(const ProcessSetup *setup) {
        if (setup->capabilities && prctl(PR_SET_KEEPCAPS, 1) < 0)
                return false;
        return syscall(SYS_setgroups, setup->n_groups, setup->groups) >= 0 &&
               syscall(SYS_setresgid, setup->gid, setup->gid, setup->gid) >= 0 &&
               syscall(SYS_setresuid, setup->uid, setup->uid, setup->uid) >= 0 &&
               (!setup->capabilities || keep_capabilities(setup->capabilities));
}

/* By the kernel's file for that (apparmor(7), aa_change_onexec(2)); on kernels where SELinux or another module is the first one,
 * the file that is AppArmor's alone. It holds for the next exec, also of a process that may gain no privileges: it loses some. */
static bool enter_profile(const char *profile) {
        static const char *const paths[] = { "/proc/self/attr/apparmor/exec", "/proc/self/attr/exec" };
        char command[PROFILE_NAME_MAX + sizeof "exec "];
        size_t length = strlen(profile);
        if (length > PROFILE_NAME_MAX) {
                errno = ENAMETOOLONG;
                return false;
        }
        strcpy(stpcpy(command, "exec "), profile);
        int fd = -1;
        for (size_t i = 0; fd < 0 && i < G_N_ELEMENTS(paths); i++)
                fd = open(paths[i], O_WRONLY | O_CLOEXEC);
        bool fine = fd >= 0 && write(fd, command, length + 5) == (ssize_t) (length + 5);
        if (fd >= 0)
                close(fd);
        return fine;
}

static void run_child(const ProcessSetup *setup, pid_t parent, int null, int gate) {
        const char *program = setup->arguments[0];
        sigset_t none;
        char go;
        dup2(setup->input > 0 ? setup->input : null, STDIN_FILENO);
        dup2(setup->output > 0 ? setup->output : setup->log, STDOUT_FILENO);
        dup2(setup->log, STDERR_FILENO);
        setsid();
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                fail_child(program, "descriptors cannot be closed");
        for (size_t i = 0; i < setup->n_fds; i++)
                fcntl(setup->fds[i], F_SETFD, 0);
        limit(program, RLIMIT_MEMLOCK, setup->locked_memory, "memory cannot be locked");
        limit(program, RLIMIT_FSIZE, setup->file_size, "the size of its files cannot be limited");
        limit(program, RLIMIT_CPU, setup->seconds, "its time cannot be limited");
        if (setup->profile && !enter_profile(setup->profile))
                fail_child(program, "it cannot run in its profile of AppArmor's, which apparmor_parser loads");
        if (setup->confinement)
                check_confined(program, confine_enter(setup->confinement));
        if (geteuid() == 0 && !give_up_root(setup))
                fail_child(program, "privileges cannot be dropped");
        if (!setup->may_gain_privileges)
                prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        /* Where the driver has ended before this, with the gate open, nobody would tell. */
        if (setup->ends_with_us && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
                _exit(EXIT_CANNOT_RUN);
        if (setup->confined)
                confine(program);
        if (setup->confinement)
                check_confined(program, confine_finish(setup->confinement));
        if (read(gate, &go, 1) != 1)
                _exit(EXIT_CANNOT_RUN); /* the driver has died before it could write down that we exist */
        execve(program, setup->arguments, setup->environment);
        fail_child(program, "it cannot be run");
}

/* Everything that the child looks at: it has no heap. */
static Parcel *pack(const ProcessSetup *setup, char *const *environment, ProcessSetup **copy) {
        size_t bytes = sizeof *setup + setup->n_fds * sizeof *setup->fds + setup->n_groups * sizeof *setup->groups, n_pieces = 4;
        parcel_measure_strings(setup->arguments, &bytes, &n_pieces);
        parcel_measure_strings(environment, &bytes, &n_pieces);
        confine_measure(setup->confinement, &bytes, &n_pieces);
        bytes += setup->profile ? strlen(setup->profile) + 1 : 0;
        Parcel *parcel = parcel_new(bytes, n_pieces);
        if (!parcel)
                return NULL;
        *copy = parcel_put(parcel, setup, sizeof *setup);
        (*copy)->arguments = parcel_put_strings(parcel, setup->arguments);
        (*copy)->environment = parcel_put_strings(parcel, environment);
        (*copy)->confinement = confine_pack(parcel, setup->confinement);
        if (setup->profile)
                (*copy)->profile = parcel_put(parcel, setup->profile, strlen(setup->profile) + 1);
        (*copy)->fds = parcel_put(parcel, setup->fds, setup->n_fds * sizeof *setup->fds);
        (*copy)->groups = parcel_put(parcel, setup->groups, setup->n_groups * sizeof *setup->groups);
        return parcel;
}

Process *process_new(sd_event *event, const ProcessSetup *setup, ProcessEnded ended, void *data, GError **error) {
        g_autofd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        g_auto(GStrv) environment = make_environment(setup);
        ProcessSetup *copy = NULL;
        g_autoptr(Parcel) parcel = pack(setup, environment, &copy);
        int gate[2];
        if (null < 0 || !parcel || pipe2(gate, O_CLOEXEC) < 0) {
                virtbus_error_set_errno(error, errno, "%s cannot be started", setup->arguments[0]);
                return NULL;
        }
        pid_t parent = getpid(), pid = lean_fork_into(confine_first_namespaces(setup->confinement));
        if (pid == 0) {
                close(gate[1]);
                run_child(copy, parent, null, gate[0]);
        }
        int failure = errno;
        close(gate[0]);
        if (pid < 0) {
                close(gate[1]);
                virtbus_error_set_errno(error, failure, "%s cannot be started", setup->arguments[0]);
                return NULL;
        }
        Process *process = watch(event, pid, gate[1], ended, data, error);
        if (!process) {
                /* The process may have no descriptor left, for example. The child waits at the gate and has run nothing: it
                 * ends at once. */
                kill(pid, SIGKILL);
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        return process;
}

void process_go(Process *process) {
        if (write(process->gate, "", 1) < 0)
                kill(process->pid, SIGKILL); /* its end is seen and told */
        autofd_close(&process->gate);
        process->gate = -1;
}

Process *process_run(sd_event *event, const ProcessSetup *setup, ProcessEnded ended, void *data, GError **error) {
        Process *process = process_new(event, setup, ended, data, error);
        if (process)
                process_go(process);
        return process;
}

/* Also one that nobody has waited for yet. */
static bool has_ended(const Process *process) {
        struct pollfd poll_for = { .fd = process->pidfd, .events = POLLIN };
        return poll(&poll_for, 1, 0) > 0;
}

bool process_is_there(pid_t pid, uint64_t start_time) {
        return start_time > 0 && read_start_time(pid) == start_time;
}

Process *process_find(sd_event *event, pid_t pid, uint64_t start_time, ProcessEnded ended, void *data, GError **error) {
        g_autoptr(Process) process = watch(event, pid, -1, ended, data, error);
        if (!process)
                return NULL;
        /* Compared after the pidfd is open: the number cannot be given to another process now. */
        if (process->start_time == start_time && !has_ended(process))
                return g_steal_pointer(&process);
        virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "process %d has ended", pid);
        return NULL;
}

/* What it has started, too: it leads a process group, and the number of that is not used again while it lives. All are told at
 * once: where it were told first, it might have ended before the others are, and nobody would know whose they are. */
static void signal_all(const Process *process, int number) {
        if (syscall(SYS_pidfd_send_signal, process->pidfd, number, NULL, PIDFD_SIGNAL_PROCESS_GROUP) == 0)
                return;
        bool leads = syscall(SYS_pidfd_send_signal, process->pidfd, 0, NULL, 0) == 0 && getpgid(process->pid) == process->pid;
        if (!leads || kill(-process->pid, number) < 0)
                syscall(SYS_pidfd_send_signal, process->pidfd, number, NULL, 0);
}

void process_signal(const Process *process, int number) {
        syscall(SYS_pidfd_send_signal, process->pidfd, number, NULL, 0);
}

static int on_grace_over(sd_event_source *source, uint64_t usec, void *data) {
        Process *process = data;
        (void) source;
        (void) usec;
        signal_all(process, SIGKILL);
        return 0;
}

void process_end(Process *process) {
        signal_all(process, SIGTERM);
        if (!process->grace && sd_event_add_time_relative(process->event, &process->grace, CLOCK_MONOTONIC, PROCESS_END_GRACE, 0,
                                                          on_grace_over, process) < 0)
                signal_all(process, SIGKILL); /* nobody would remember to */
}

void process_free(Process *process) {
        sd_event_source_disable_unref(process->exit);
        sd_event_source_disable_unref(process->grace);
        autofd_close(&process->pidfd);
        autofd_close(&process->gate);
        g_free(process);
}

pid_t process_pid(const Process *process) {
        return process->pid;
}

int process_open(const Process *process) {
        return fcntl(process->pidfd, F_DUPFD_CLOEXEC, 0);
}

uint64_t process_start_time(const Process *process) {
        return process->start_time;
}
