/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watches over one container (or, where its plan says so, over one program in it: guest-enter.h): makes it, holds its
 * terminals, and waits for its end, which it tells the driver. It outlives that: another one connects, and is told all that has
 * been. What it is to do comes from its driver alone, by a socket that only the driver's user may connect to; the container
 * knows nothing of it.
 *
 * It says "cards NAME INDEX ..." of those on the host, and waits for "go MTU ...", where the container has any; "ready PID START" with
 * a pidfd, "failed WHY", "ended HOW NUMBER", and "console ok|busy|none" for each "console NUMBER polite|force", with which
 * comes a socket. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local-socket.h"
#include "lxc/guest/guest-console.h"
#include "lxc/guest/guest-enter.h"
#include "lxc/guest/guest-failure.h"
#include "lxc/guest/guest-init.h"
#include "lxc/guest/guest-links.h"
#include "lxc/guest/guest-mounts.h"
#include "lxc/guest/guest-plan.h"
#include "lxc/guest/guest-plug.h"
#include "lxc/guest/guest-self.h"

/* The longest message, either way. */
#define MESSAGE_BYTES_MAX 640

/* What is waited for besides consoles. */
enum { WAIT_SIGNAL, WAIT_LISTENER, WAIT_DRIVER, WAIT_INIT, N_WAITS };

typedef struct Guest {
        GuestPlan plan;
        GuestInit init;
        GuestConsole *consoles;
        unsigned long long start_time; /* of its first process */
        int signals, driver;
        char state[MESSAGE_BYTES_MAX]; /* what a driver that connects is told */
        bool has_ended, is_told;
} Guest;

/* FD: -1, or what goes with it. */
static bool say(const Guest *guest, const char *text, int fd) {
        return guest->driver >= 0 && local_socket_send(guest->driver, text, strlen(text), &fd, fd >= 0, MSG_DONTWAIT) >= 0;
}

static void tell_state(Guest *guest) {
        bool has_init = !guest->has_ended;
        guest->is_told |= say(guest, guest->state, has_init ? guest->init.pidfd : -1) && guest->has_ended;
}

static void wait_for(int fd) {
        while (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1) < 0 && errno == EINTR)
                ;
}

/* One driver at a time: another one is there because that has gone, or is about to. */
static bool accept_driver(Guest *guest) {
        int driver = accept4(guest->plan.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (driver < 0)
                return false;
        if (guest->driver >= 0)
                close(guest->driver);
        guest->driver = driver;
        return true;
}

static void take_driver(Guest *guest) {
        if (accept_driver(guest))
                tell_state(guest);
}

static void open_console(Guest *guest, const char *text, int client) {
        unsigned number;
        char how[8];
        bool known = client >= 0 && sscanf(text, "console %u %7s", &number, how) == 2 && number < guest->plan.n_consoles;
        bool opened = known && guest_console_open(guest->consoles + number, client, strcmp(how, "force") == 0);
        if (!opened && client >= 0)
                close(client);
        say(guest, opened ? "console ok" : known ? "console busy" : "console none", -1);
}

static void drop_driver(Guest *guest) {
        close(guest->driver);
        guest->driver = -1;
}

static void hear(Guest *guest) {
        char text[MESSAGE_BYTES_MAX];
        LocalFds fds = { .n = 0 };
        ssize_t n = local_socket_receive(guest->driver, text, sizeof text - 1, &fds, 1, MSG_DONTWAIT, NULL);
        if (n == -EAGAIN || n == -EINTR)
                return;
        int fd = fds.n > 0 ? fds.list[0] : -1;
        if (n <= 0) {
                drop_driver(guest);
                return;
        }
        text[n] = '\0';
        open_console(guest, text, fd);
}

/* The guest has turned itself off or restarted (reboot(2) in a namespace of processes), its program has ended, or was killed. */
static void see_end(Guest *guest) {
        int status;
        pid_t pid = waitpid(guest->init.pid, &status, WNOHANG);
        if (pid != guest->init.pid)
                return;
        bool killed = WIFSIGNALED(status);
        int number = killed ? WTERMSIG(status) : WEXITSTATUS(status);
        const char *how = killed && number == SIGHUP   ? "reboot"
                          : killed && number == SIGINT ? "poweroff"
                          : killed                     ? "killed"
                                                       : "exited";
        guest->has_ended = true;
        snprintf(guest->state, sizeof guest->state, "ended %s %d", how, number);
        for (unsigned i = 0; i < guest->plan.n_consoles; i++)
                guest_console_end(guest->consoles + i);
        tell_state(guest);
}

/* Field 22 of /proc/PID/stat, proc(5): with its number it names the process for good. */
static unsigned long long read_start_time(pid_t pid) {
        char path[32], text[1024] = "";
        unsigned long long start = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
                close(fd);
        const char *end = n > 0 ? strrchr(text, ')') : NULL;
        if (end)
                sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start);
        return start;
}

/* Its driver, which listens for what is said while it starts the container, has the cards connected that are ports of networks,
 * and says "go": nothing runs before. */
static bool connect_cards(Guest *guest) {
        char text[MESSAGE_BYTES_MAX] = "cards";
        if (guest->plan.n_cards == 0)
                return true;
        if (!guest_links_make(&guest->plan, guest->init.pid))
                return false;
        for (size_t i = 0; i < guest->plan.n_cards; i++) {
                const GuestCard *card = guest->plan.cards + i;
                size_t length = strlen(text);
                snprintf(text + length, sizeof text - length, " %s %d", *card->host ? card->host : GUEST_NONE, card->index);
        }
        wait_for(guest->plan.listener);
        accept_driver(guest);
        bool said = say(guest, text, -1);
        for (ssize_t n = 0; said && n <= 0;) {
                LocalFds fds = { .n = 0 };
                wait_for(guest->driver);
                n = local_socket_receive(guest->driver, text, sizeof text - 1, &fds, 0, MSG_DONTWAIT, NULL);
                if (n == -EAGAIN || n == -EINTR)
                        continue;
                text[n > 0 ? n : 0] = '\0';
                said = n >= 2 && memcmp(text, "go", 2) == 0;
        }
        /* The size of the largest packet that a card's network has; 0: as it is. */
        char *rest = text + 2;
        for (size_t i = 0; said && i < guest->plan.n_cards; i++) {
                unsigned long mtu = strtoul(rest, &rest, 10);
                if (mtu > 0)
                        guest->plan.cards[i].mtu = (unsigned) mtu;
        }
        errno = 0;
        return said || guest_failure_set("its driver has ended before its network cards were connected");
}

static bool start(Guest *guest) {
        GuestTerminal *terminals = calloc(guest->plan.n_consoles + 1, sizeof *terminals);
        guest->consoles = calloc(guest->plan.n_consoles + 1, sizeof *guest->consoles);
        if (!terminals || !guest->consoles)
                return guest_failure_set("the host has no memory left for it");
        if (!guest_mounts_make(&guest->plan, terminals))
                return false;
        for (unsigned i = 0; i < guest->plan.n_consoles; i++) {
                guest->consoles[i].master = terminals[i].master;
                guest->consoles[i].client = -1;
        }
        bool done = guest_init_make(&guest->plan, &guest->init);
        if (done && !connect_cards(guest)) {
                guest_init_end(&guest->init);
                done = false;
        }
        done = done && guest_init_run(&guest->plan, &guest->init);
        if (done)
                guest->start_time = read_start_time(guest->init.pid);
        guest_self_retire(&guest->plan);
        for (size_t i = 0; i < guest->plan.n_members; i++)
                close(guest->plan.members[i]);
        for (size_t i = 0; i < guest->plan.n_mounts; i++)
                if (guest->plan.mounts[i].fd >= 0)
                        close(guest->plan.mounts[i].fd);
        /* A terminal that nobody has open looks hung up: one stays open here. */
        free(terminals);
        return done;
}

static void loop(Guest *guest) {
        size_t n = N_WAITS + 2 * guest->plan.n_consoles;
        struct pollfd *waits = calloc(n, sizeof *waits);
        while (waits && !guest->is_told) {
                struct signalfd_siginfo info;
                waits[WAIT_SIGNAL] = (struct pollfd){ .fd = guest->signals, .events = POLLIN };
                waits[WAIT_LISTENER] = (struct pollfd){ .fd = guest->plan.listener, .events = POLLIN };
                waits[WAIT_DRIVER] = (struct pollfd){ .fd = guest->driver, .events = POLLIN };
                waits[WAIT_INIT] = (struct pollfd){ .fd = guest->has_ended ? -1 : guest->init.pidfd, .events = POLLIN };
                for (unsigned i = 0; i < guest->plan.n_consoles; i++) {
                        guest_console_prepare(guest->consoles + i, waits + N_WAITS + 2 * i);
                        if (guest->has_ended)
                                waits[N_WAITS + 2 * i].fd = -1;
                }
                if (poll(waits, n, -1) < 0)
                        continue;
                for (unsigned i = 0; i < guest->plan.n_consoles; i++)
                        guest_console_relay(guest->consoles + i, waits + N_WAITS + 2 * i);
                /* Told to end, it ends the container: all of it, as its first process does. */
                if (waits[WAIT_SIGNAL].revents && read(guest->signals, &info, sizeof info) > 0) {
                        if (guest->has_ended)
                                break;
                        syscall(SYS_pidfd_send_signal, guest->init.pidfd, SIGKILL, NULL, 0);
                }
                if (waits[WAIT_DRIVER].revents)
                        hear(guest);
                if (waits[WAIT_LISTENER].revents)
                        take_driver(guest);
                if (waits[WAIT_INIT].revents)
                        see_end(guest);
        }
}

int main(int argc, char *argv[]) {
        static Guest guest = { .driver = -1, .init = { .go = -1, .failures = -1 } };
        sigset_t signals;
        guest_self_protect(argv);
        prctl(PR_SET_DUMPABLE, 0);
        if (argc != 2 || !guest_plan_read(atoi(argv[1]), &guest.plan)) {
                fputs("virtbus-lxc-guest: it is started by virtbus-lxc alone, see virtbus-lxc(8)\n", stderr);
                return EXIT_FAILURE;
        }
        close(atoi(argv[1]));
        if (guest.plan.entry.init >= 0 && !guest.plan.arguments[0] && guest.plan.n_cards > 0)
                guest_plug(&guest.plan);
        if (guest.plan.entry.init >= 0)
                guest_enter(&guest.plan);
        if (chdir("/") < 0 || fcntl(guest.plan.listener, F_SETFD, FD_CLOEXEC) < 0)
                return EXIT_FAILURE;
        bool started = start(&guest);
        if (started)
                snprintf(guest.state, sizeof guest.state, "ready %d %llu", guest.init.pid, guest.start_time);
        else
                snprintf(guest.state, sizeof guest.state, "failed %s", guest_failure);
        guest.has_ended = !started;
        if (guest.driver >= 0)
                tell_state(&guest);
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        guest.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        loop(&guest);
        _exit(EXIT_SUCCESS); /* all that it has is the kernel's to free, and no file is there any more to look anything up in */
}
