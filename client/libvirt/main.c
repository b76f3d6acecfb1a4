/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbus-libvirt: takes libvirt's clients in, and has a process of its own for each, so that what one of them does harms no
 * other. It accepts its user's own clients itself; those of the machine are accepted by virtbusd, which hands them over. */

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "client.h"
#include "handed.h"
#include "local-socket.h"
#include "log.h"
#include "program.h"

/* Clients at once; more wait to be accepted. */
#define CLIENTS_MAX 1024

/* The client's socket and its connection to virtbusd, in the process that serves it: the first after those that every process
 * has. */
#define CLIENT_FD 3
#define CLIENT_BUS_FD 4

/* By how much the heap grows at least: an answer with a thousand domains is taken apart into some hundred thousand pieces. */
#define HEAP_STEP (1 << 20)

static const int signals[] = { SIGINT, SIGTERM, SIGCHLD, 0 };

typedef struct Acceptor {
        sd_event *event;
        GArray *sockets; /* sd_event_source * */
        unsigned int n_clients;
} Acceptor;

static int add_source(Acceptor *acceptor, int fd, sd_event_io_handler_t handler) {
        sd_event_source *source;
        int r = sd_event_add_io(acceptor->event, &source, fd, EPOLLIN, handler, acceptor);
        if (r >= 0) {
                sd_event_source_set_io_fd_own(source, true);
                g_array_append_val(acceptor->sockets, source);
        }
        return r;
}

static void forget_source(Acceptor *acceptor, sd_event_source *source) {
        for (unsigned int i = acceptor->sockets->len; i > 0; i--)
                if (g_array_index(acceptor->sockets, sd_event_source *, i - 1) == source)
                        g_array_remove_index(acceptor->sockets, i - 1);
        sd_event_source_disable_unref(source);
}

static void let_accept(Acceptor *acceptor, bool accept) {
        for (unsigned int i = 0; i < acceptor->sockets->len; i++)
                sd_event_source_set_enabled(g_array_index(acceptor->sockets, sd_event_source *, i),
                                            accept ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* The rights are those of who runs this: nobody else may use them, whatever the socket's mode is. */
static bool is_owner(int fd) {
        struct ucred peer;
        socklen_t size = sizeof peer;
        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

/* Puts a descriptor in its place, which may be where the other one is. */
static int place(int fd, int at) {
        if (fd == at)
                return fcntl(fd, F_SETFD, 0);
        return dup2(fd, at);
}

/* Told to end before anything was begun. */
static void end_at_once(int signal) {
        (void) signal;
        _exit(EXIT_SUCCESS);
}

/* Also told to end when the process that accepts has ended, in which nobody would. */
static bool listen_to_signals(pid_t parent) {
        sigset_t none;
        signal(SIGTERM, end_at_once);
        signal(SIGINT, end_at_once);
        sigemptyset(&none);
        return sigprocmask(SIG_SETMASK, &none, NULL) == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent;
}

/* Nothing of the process that accepts is left here but the client's descriptors. */
static int serve(const Origin *origin) {
        Origin own = *origin;
        bool system = origin_is_system(origin);
        int last = system ? CLIENT_BUS_FD : CLIENT_FD;
        prctl(PR_SET_DUMPABLE, 0);
        /* The thread that takes the bus's messages apart would have a heap of its own, which grows by a page at a time. */
        mallopt(M_ARENA_MAX, 1);
        mallopt(M_TOP_PAD, HEAP_STEP);
        /* Out of the way of each other first. */
        own.socket = fcntl(origin->socket, F_DUPFD, CLIENT_BUS_FD + 1);
        own.bus = system ? fcntl(origin->bus, F_DUPFD, CLIENT_BUS_FD + 1) : -1;
        if (place(own.socket, CLIENT_FD) < 0 || (system && place(own.bus, CLIENT_BUS_FD) < 0) ||
            close_range((unsigned int) last + 1, ~0U, 0) < 0)
                return EXIT_FAILURE;
        own.socket = CLIENT_FD;
        own.bus = system ? CLIENT_BUS_FD : -1;
        return client_serve(&own);
}

static void begin(Acceptor *acceptor, const Origin *origin) {
        pid_t parent = getpid(), child = fork();
        if (child == 0)
                exit(listen_to_signals(parent) ? serve(origin) : EXIT_SUCCESS);
        if (child < 0)
                log_warning("a client is sent away, as no process can be made for it: %s", g_strerror(errno));
        else if (++acceptor->n_clients == CLIENTS_MAX)
                let_accept(acceptor, false);
}

/* virtbusd has handed a client over, or has gone. */
static int on_handed(sd_event_source *source, int fd, uint32_t events, void *data) {
        Acceptor *acceptor = data;
        Origin origin;
        (void) events;
        int r = handed_take(fd, &origin);
        if (r > 0) {
                begin(acceptor, &origin);
                close(origin.socket);
                close(origin.bus);
        } else if (r != -EAGAIN && r != -EINTR) {
                if (r < 0)
                        log_warning("what hands over clients is cut off: %s", g_strerror(-r));
                forget_source(acceptor, source);
        }
        return 0;
}

/* virtbusd connects: nobody else may, by the socket's mode. */
static int on_hander(sd_event_source *source, int fd, uint32_t events, void *data) {
        Acceptor *acceptor = data;
        (void) source;
        (void) events;
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection < 0)
                return errno == ECONNABORTED || errno == EAGAIN || errno == EINTR ? 0 : -errno;
        int r = add_source(acceptor, connection, on_handed);
        if (r < 0)
                close(connection);
        return r;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *data) {
        Acceptor *acceptor = data;
        (void) source;
        (void) events;
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0 && (errno == ECONNABORTED || errno == EAGAIN || errno == EINTR))
                return 0;
        if (client < 0 && acceptor->n_clients > 0) {
                let_accept(acceptor, false); /* there is room again when one has gone */
                return 0;
        }
        if (client < 0)
                return -errno;
        if (is_owner(client))
                begin(acceptor, &(Origin){ .socket = client, .bus = -1, .trusted = true });
        close(client);
        return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
        Acceptor *acceptor = data;
        (void) source;
        if (info->ssi_signo != SIGCHLD)
                return sd_event_exit(acceptor->event, 0);
        while (waitpid(-1, NULL, WNOHANG) > 0)
                acceptor->n_clients--;
        let_accept(acceptor, true);
        return 0;
}

static int listen_at(const char *path) {
        struct sockaddr_un address;
        int r = local_socket_address(path, &address);
        if (r < 0)
                return r;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        unlink(path);
        mode_t mask = umask(0177); /* the owner's alone */
        r = bind(fd, (struct sockaddr *) &address, sizeof address) < 0 || listen(fd, SOMAXCONN) < 0 ? -errno : fd;
        umask(mask);
        if (r < 0)
                close(fd);
        return r;
}

/* What virtbusd connects to keeps messages apart; a client's socket is a stream. */
static int add_socket(Acceptor *acceptor, int fd) {
        int type;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
                return -errno;
        return add_source(acceptor, fd, type == SOCK_SEQPACKET ? on_hander : on_connect);
}

/* PATH: NULL for the sockets that systemd passes. */
static int open_sockets(Acceptor *acceptor, const char *path) {
        int n = path ? 1 : sd_listen_fds(true), r = n;
        for (int i = 0; r >= 0 && i < n; i++) {
                int fd = path ? listen_at(path) : SD_LISTEN_FDS_START + i;
                r = fd < 0 ? fd : add_socket(acceptor, fd);
        }
        if (r < 0)
                log_error("cannot listen%s%s: %s", path ? " at " : "", path ? path : "", g_strerror(-r));
        else if (n == 0) {
                log_error("there is no socket to listen at; give one as --socket, or have systemd start this");
                r = -EINVAL;
        }
        return r;
}

static void close_sockets(Acceptor *acceptor) {
        for (unsigned int i = 0; i < acceptor->sockets->len; i++)
                sd_event_source_unref(g_array_index(acceptor->sockets, sd_event_source *, i));
        g_array_unref(acceptor->sockets);
        sd_event_unref(acceptor->event);
}

static int run(const char *path) {
        Acceptor acceptor = { .sockets = g_array_new(FALSE, FALSE, sizeof(sd_event_source *)) };
        int r = sd_event_new(&acceptor.event);
        if (r >= 0)
                r = program_on_signals(acceptor.event, signals, on_signal, &acceptor);
        if (r >= 0)
                r = open_sockets(&acceptor, path);
        if (r >= 0) {
                sd_notify(false, "READY=1");
                r = sd_event_loop(acceptor.event);
        }
        close_sockets(&acceptor);
        if (r < 0)
                log_error("virtbus-libvirt ends: %s", g_strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        g_autofree char *path = NULL;
        const GOptionEntry options[] = {
                { "socket", 0, 0, G_OPTION_ARG_FILENAME, &path, "Listen at this path, for the user's own programs", "PATH" },
                G_OPTION_ENTRY_NULL,
        };
        int status;
        program_hold_signals(signals);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        return program_options(options, "- speak libvirt's protocol for virtbus", argc, argv, NULL, &status) ? run(path) : status;
}
