/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Programs in containers, and signals for them. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "ctl.h"

#define CONTAINER "org.virtbus1.Domain.Container"

/* What runs where no command is given. */
#define SHELL "/bin/sh"

/* What is passed on at once: as much as a pipe takes that has room at all. */
#define PIECE 4096

/* From one descriptor to another; -1: it has ended. */
typedef struct Flow {
        int from, to;
        char data[PIECE];
        size_t n; /* read, and not written yet */
} Flow;

typedef struct Session {
        int terminal, status, input, output, errors; /* -1: there is none */
        Flow flows[3];                               /* what is typed; what is said, also of errors */
        int end, resized;                            /* what ends this program, and what its terminal's new size is told by */
} Session;

/* What a signal writes to. Not a signalfd: GDBus has a thread that would take the signal. */
static int resizes;

static void on_resized(int number) {
        const uint64_t one = 1;
        (void) number;
        if (write(resizes, &one, sizeof one) < 0)
                return;
}

static void pass_size(const Session *session) {
        struct winsize size;
        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
                ioctl(session->terminal, TIOCSWINSZ, &size);
}

static void end_flow(Session *session, Flow *flow) {
        if (flow == session->flows && session->input >= 0) { /* the program reads that there is no more */
                close(session->input);
                session->input = -1;
        }
        flow->from = -1;
}

static void move(Session *session, Flow *flow, bool reads) {
        ssize_t n = reads ? read(flow->from, flow->data, sizeof flow->data) : write(flow->to, flow->data, flow->n);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) { /* a terminal that has hung up tells EIO */
                flow->n = 0;
                end_flow(session, flow);
        } else if (reads)
                flow->n = (size_t) n;
        else {
                flow->n -= (size_t) n;
                memmove(flow->data, flow->data + n, flow->n);
        }
}

static bool is_said_all(const Session *session) {
        return session->flows[1].from < 0 && session->flows[2].from < 0;
}

/* Until the program has said all, or this one is told to end. */
static bool pass_on(Session *session) {
        while (!is_said_all(session)) {
                enum { END = 3, RESIZED };
                struct pollfd waits[] = {
                        [END] = { .fd = session->end, .events = POLLIN }, [RESIZED] = { .fd = session->resized, .events = POLLIN }
                };
                for (size_t i = 0; i < G_N_ELEMENTS(session->flows); i++) {
                        const Flow *flow = session->flows + i;
                        bool reads = flow->n == 0;
                        waits[i] = (struct pollfd){ .fd = flow->from < 0 ? -1
                                                          : reads        ? flow->from
                                                                         : flow->to,
                                                    .events = reads ? POLLIN : POLLOUT };
                }
                if (poll(waits, G_N_ELEMENTS(waits), -1) < 0)
                        continue;
                if (waits[END].revents)
                        return false;
                if (waits[RESIZED].revents) {
                        uint64_t count;
                        if (read(session->resized, &count, sizeof count) > 0)
                                pass_size(session);
                }
                for (size_t i = 0; i < G_N_ELEMENTS(session->flows); i++)
                        if (waits[i].revents)
                                move(session, session->flows + i, session->flows[i].n == 0);
        }
        return true;
}

/* What the program's end is to who has called this one. */
static int read_status(int status) {
        char text[32] = "";
        size_t length = 0;
        int number;
        for (ssize_t n; (n = read(status, text + length, sizeof text - 1 - length)) > 0 || (n < 0 && errno == EINTR);)
                length += n > 0 ? (size_t) n : 0;
        if (sscanf(text, "exited %d", &number) == 1)
                return number;
        if (sscanf(text, "killed %d", &number) == 1)
                return EXIT_OF_SIGNAL + number;
        ctl_say("the container has ended");
        return EXIT_FAILED;
}

static int use(Session *session) {
        struct termios saved, raw;
        bool is_terminal = session->terminal >= 0;
        session->end = ctl_watch_end();
        session->resized = -1;
        signal(SIGPIPE, SIG_IGN);
        session->flows[0] = (Flow){ .from = STDIN_FILENO, .to = is_terminal ? session->terminal : session->input };
        session->flows[1] = (Flow){ .from = is_terminal ? session->terminal : session->output, .to = STDOUT_FILENO };
        session->flows[2] = (Flow){ .from = session->errors, .to = STDERR_FILENO };
        if (is_terminal && tcgetattr(STDIN_FILENO, &saved) == 0) {
                const struct sigaction resized = { .sa_handler = on_resized, .sa_flags = SA_RESTART };
                session->resized = resizes = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
                sigaction(SIGWINCH, &resized, NULL);
                pass_size(session);
                raw = saved;
                cfmakeraw(&raw);
                tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        }
        bool is_over = pass_on(session);
        if (session->resized >= 0)
                tcsetattr(STDIN_FILENO, TCSANOW, &saved);
        return is_over ? read_status(session->status) : EXIT_INTERRUPTED;
}

static int take(GVariant *handed, GUnixFDList *fds, const char *name) {
        gint32 handle;
        return g_variant_lookup(handed, name, "h", &handle) ? g_unix_fd_list_get(fds, handle, NULL) : -1;
}

static GVariant *environment(bool has_terminal) {
        GVariantBuilder builder;
        const char *term = getenv("TERM");
        g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
        if (has_terminal && term)
                g_variant_builder_add_value(&builder, g_variant_new_take_string(g_strconcat("TERM=", term, NULL)));
        return g_variant_builder_end(&builder);
}

static GVariant *options(const Ctl *ctl, bool has_terminal) {
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        if (has_terminal)
                g_variant_builder_add(&builder, "{sv}", "terminal", g_variant_new_boolean(TRUE));
        if (ctl->as)
                g_variant_builder_add(&builder, "{sv}", "user", g_variant_new_string(ctl->as));
        if (ctl->directory)
                g_variant_builder_add(&builder, "{sv}", "directory", g_variant_new_string(ctl->directory));
        return g_variant_builder_end(&builder);
}

/* On another host, where this program passes it on. */
static int shell_over_there(const Ctl *ctl, VirtbusDomain *domain, char **command, bool has_terminal) {
        g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(words, g_strdup("shell"));
        if (ctl->as)
                g_ptr_array_add(words, g_strconcat("--as=", ctl->as, NULL));
        if (ctl->directory)
                g_ptr_array_add(words, g_strconcat("--directory=", ctl->directory, NULL));
        g_ptr_array_add(words, g_strdup(virtbus_domain_get_uuid(domain)));
        for (; *command; command++)
                g_ptr_array_add(words, g_strdup(*command));
        g_ptr_array_add(words, NULL);
        return ctl_go_there(ctl, has_terminal, (const char *const *) words->pdata);
}

int verb_shell(Ctl *ctl, char **arguments) {
        static const char *const shell[] = { SHELL, NULL };
        int status = EXIT_DONE;
        bool has_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        if (ctl->host)
                return shell_over_there(ctl, domain, arguments + 1, has_terminal);
        g_autoptr(GVariant) answer =
                        ctl_call(ctl, ctl_path(domain), CONTAINER, "Exec",
                                 g_variant_new("(^as@as@a{sv})", arguments[1] ? (const char *const *) arguments + 1 : shell,
                                               environment(has_terminal), options(ctl, has_terminal)),
                                 NULL, &fds, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GVariant) handed = g_variant_get_child_value(answer, 0);
        static Session session;
        session.terminal = take(handed, fds, "terminal");
        session.status = take(handed, fds, "status");
        session.input = take(handed, fds, "input");
        session.output = take(handed, fds, "output");
        session.errors = take(handed, fds, "errors");
        g_clear_object(&fds); /* which has them too */
        return use(&session);
}

/* "TERM", "SIGTERM", "RTMIN+3" or a number; -1: it is none. */
static int find_signal(const char *text) {
        guint64 number;
        if (g_ascii_string_to_unsigned(text, 10, 1, (guint64) SIGRTMAX, &number, NULL))
                return (int) number;
        text += g_ascii_strncasecmp(text, "SIG", 3) == 0 ? 3 : 0;
        if (g_ascii_strncasecmp(text, "RTMIN+", 6) == 0)
                return g_ascii_string_to_unsigned(text + 6, 10, 0, (guint64) (SIGRTMAX - SIGRTMIN), &number, NULL)
                                       ? SIGRTMIN + (int) number
                                       : -1;
        for (int i = 1; i < SIGRTMIN; i++)
                if (sigabbrev_np(i) && g_ascii_strcasecmp(sigabbrev_np(i), text) == 0)
                        return i;
        return -1;
}

int verb_signal(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE, number = find_signal(arguments[1]);
        gint64 process = 1;
        if (number < 0) {
                ctl_say("'%s' is not a signal, such as TERM, HUP, RTMIN+4 or 15", arguments[1]);
                return EXIT_USAGE;
        }
        if (arguments[2] && !g_ascii_string_to_signed(arguments[2], 10, 1, G_MAXINT32, &process, NULL)) {
                ctl_say("'%s' is not the number of a process in the container", arguments[2]);
                return EXIT_USAGE;
        }
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        if (!domain)
                return status;
        return ctl_do(ctl, ctl_path(domain), CONTAINER, "SendSignal", g_variant_new("(xia{sv})", process, number, NULL));
}
