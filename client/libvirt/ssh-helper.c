/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbus-libvirt-ssh-helper: what ssh runs on this machine for a client of libvirt's elsewhere. It connects its standard
 * input and output with the socket, as the user who has logged in. */

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local-socket.h"
#include "log.h"

#define SYSTEM_SOCKET "/run/virtbus/libvirt-sock"
#define BUFFER_BYTES 65536

/* What has come from one side goes to the other before more is read. */
typedef struct Way {
        int from, to;
        size_t n, written;
        char buffer[BUFFER_BYTES];
} Way;

/* A user's own guests have a socket in the user's folder, whose clients say themselves that they only read. */
static char *socket_of(const char *uri, bool read_only) {
        const char *path = strstr(uri, "://");
        path = path ? strchr(path + strlen("://"), '/') : NULL;
        if (path && g_str_has_prefix(path, "/session"))
                return g_build_filename(g_get_user_runtime_dir(), "virtbus", "libvirt-sock", NULL);
        return g_strdup(read_only ? SYSTEM_SOCKET "-ro" : SYSTEM_SOCKET);
}

/* Whether the way goes on. */
static bool go(Way *way, bool readable, bool writable) {
        ssize_t n = 1;
        if (readable) {
                n = read(way->from, way->buffer, sizeof way->buffer);
                way->n = n > 0 ? (size_t) n : 0;
                way->written = 0;
        } else if (writable) {
                n = write(way->to, way->buffer + way->written, way->n - way->written);
                way->written += n > 0 ? (size_t) n : 0;
        }
        return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until either side ends: a client that has closed its side wants no answers. */
static void relay(int fd) {
        static Way ways[2];
        bool goes_on = true;
        ways[0] = (Way){ .from = STDIN_FILENO, .to = fd };
        ways[1] = (Way){ .from = fd, .to = STDOUT_FILENO };
        while (goes_on) {
                struct pollfd polls[2];
                for (unsigned int i = 0; i < 2; i++) {
                        bool full = ways[i].written < ways[i].n;
                        polls[i] = (struct pollfd){ .fd = full ? ways[i].to : ways[i].from, .events = full ? POLLOUT : POLLIN };
                }
                if (poll(polls, 2, -1) < 0 && errno != EINTR)
                        return;
                for (unsigned int i = 0; i < 2; i++) {
                        bool ready = polls[i].revents != 0, reads = polls[i].events == POLLIN;
                        goes_on &= go(&ways[i], ready && reads, ready && !reads);
                }
        }
}

int main(int argc, char *argv[]) {
        g_autofree char *path = NULL;
        gboolean read_only = FALSE, show_version = FALSE;
        int ignored = 0;
        const GOptionEntry options[] = {
                { "readonly", 'r', 0, G_OPTION_ARG_NONE, &read_only, "Connect where nothing is changed", NULL },
                { "unix", 'U', 0, G_OPTION_ARG_FILENAME, &path, "Connect to this path, whatever the URI says, as nc does",
                  "PATH" },
                { "quit", 'q', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &ignored, "nc's: it ends at once", "SECONDS" },
                { "version", 0, 0, G_OPTION_ARG_NONE, &show_version, "Show the version", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GError) error = NULL;
        g_autoptr(GOptionContext) context = g_option_context_new("[URI] - connect a client of libvirt's with virtbus");
        g_option_context_add_main_entries(context, options, NULL);
        if (!g_option_context_parse(context, &argc, &argv, &error)) {
                log_error("%s; see --help", error->message);
                return EXIT_FAILURE;
        }
        if (show_version) {
                puts(VIRTBUS_VERSION);
                return EXIT_SUCCESS;
        }
        g_autofree char *chosen = path ? g_strdup(path) : socket_of(argc > 1 ? argv[1] : "", read_only);
        int fd = local_socket_connect(chosen, SOCK_STREAM);
        if (fd < 0) {
                log_error("cannot connect to %s: %s; see that the socket's unit is enabled (virtbus-libvirt(8))", chosen,
                          g_strerror(-fd));
                return EXIT_FAILURE;
        }
        signal(SIGPIPE, SIG_IGN);
        relay(fd);
        return EXIT_SUCCESS;
}
