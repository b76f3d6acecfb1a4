/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guest's console. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include "ctl.h"

#define CONSOLE "org.virtbus1.Device.Console"

/* As machinectl has it: this key, so often, within so many microseconds. */
#define ESCAPE 0x1d
#define ESCAPES 3
#define ESCAPE_TIME 1000000

/* What the guest says, and what is typed, is passed on in pieces of this size. */
#define PIECE 4096

/* How long the guest is still listened to after the end of what is typed, in milliseconds: who pipes commands in wants their
 * answers. */
#define LINGER 500

/* What a person has typed: whether it is the sign to leave. */
typedef struct Escape {
        gint64 first;
        unsigned n;
} Escape;

static bool is_leaving(Escape *escape, const char *typed, ssize_t n) {
        gint64 now = g_get_monotonic_time();
        for (ssize_t i = 0; i < n; i++) {
                if (typed[i] != ESCAPE || now - escape->first > ESCAPE_TIME)
                        escape->n = 0;
                if (typed[i] == ESCAPE && escape->n++ == 0)
                        escape->first = now;
                if (escape->n >= ESCAPES)
                        return true;
        }
        return false;
}

/* What a signal that ends this program writes to. Not a signalfd: GDBus has a thread that would take the signal. */
static int ending;

static void on_end(int number) {
        const uint64_t one = 1;
        (void) number;
        if (write(ending, &one, sizeof one) < 0)
                _exit(EXIT_FAILED);
}

int ctl_watch_end(void) {
        const struct sigaction end = { .sa_handler = on_end };
        ending = eventfd(0, EFD_CLOEXEC);
        sigaction(SIGTERM, &end, NULL);
        sigaction(SIGHUP, &end, NULL);
        return ending;
}

/* Passes on what is typed and what is said, until one of them ends, or this program is told to. */
static void pass_on(int console, int end, bool is_terminal) {
        struct pollfd ends[] = { { .fd = console, .events = POLLIN },
                                 { .fd = STDIN_FILENO, .events = POLLIN },
                                 { .fd = end, .events = POLLIN } };
        Escape escape = { 0 };
        gint64 over = 0; /* when this ends; 0: not known */
        while (!ends[2].revents) {
                char data[PIECE];
                gint64 left = over > 0 ? (over - g_get_monotonic_time() + 999) / 1000 : -1;
                if (over > 0 && left <= 0)
                        return;
                if (poll(ends, G_N_ELEMENTS(ends), (int) left) < 0) {
                        if (errno != EINTR)
                                return;
                        continue;
                }
                if (ends[0].revents) {
                        ssize_t n = read(console, data, sizeof data);
                        if (n == 0 || (n < 0 && errno != EAGAIN) || (n > 0 && !ctl_write_all(STDOUT_FILENO, data, n)))
                                return;
                }
                if (!ends[1].revents)
                        continue;
                ssize_t n = read(STDIN_FILENO, data, sizeof data);
                if (n <= 0) { /* nothing more will be typed; what the guest says to that is still shown */
                        ends[1] = (struct pollfd){ .fd = -1 };
                        over = g_get_monotonic_time() + LINGER * 1000;
                } else if ((is_terminal && is_leaving(&escape, data, n)) || !ctl_write_all(console, data, n))
                        return;
        }
}

/* The same on another host, where this program passes it on. */
static int console_over_there(const Ctl *ctl, VirtbusDomain *domain, const char *device) {
        const char *arguments[] = { "console", virtbus_domain_get_uuid(domain), ctl->force ? "--force" : device,
                                    ctl->force ? device : NULL, NULL };
        return ctl_go_there(ctl, isatty(STDIN_FILENO), arguments);
}

int verb_console(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        struct termios saved, raw;
        if (!domain)
                return status;
        if (ctl->host)
                return console_over_there(ctl, domain, arguments[1]);
        g_autoptr(VirtbusObject) device = ctl_find_device(ctl, domain, arguments[1], CONSOLE, &error);
        int console = device ? ctl_call_for_fd(ctl, g_dbus_object_get_object_path(G_DBUS_OBJECT(device)), CONSOLE, "Open",
                                               g_variant_new("(@a{sv})", ctl_options(ctl->force ? "force" : NULL, NULL)), &error)
                             : -1;
        if (console < 0)
                return ctl_fail(g_steal_pointer(&error));
        /* However this ends, the terminal is put back. */
        int end = ctl_watch_end();
        bool is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0;
        if (is_terminal) {
                fprintf(stderr, "Connected to %s. Press ^] three times within 1s to disconnect.\n",
                        virtbus_domain_get_name(domain));
                raw = saved;
                cfmakeraw(&raw);
                tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        }
        pass_on(console, end, is_terminal);
        if (is_terminal) {
                tcsetattr(STDIN_FILENO, TCSANOW, &saved);
                fprintf(stderr, "\nDisconnected from %s.\n", virtbus_domain_get_name(domain));
        }
        close(end);
        close(console);
        return EXIT_DONE;
}
