/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The log of a domain: shown once, or followed. */

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"

/* How much is read at a time. */
#define PIECE 65536

/* How much of the kernel's news is taken at a time. */
#define EVENT_BYTES 4096

/* How often the log is looked at, in milliseconds, where the kernel tells nothing of it: it tells of a file only to who may
 * open that himself, and who may not was given the descriptor by the service. */
#define LOOK_INTERVAL 500

typedef struct Log {
        Ctl *ctl;
        GMainLoop *loop; /* NULL: it is not followed */
        VirtbusDomain *domain;
        char *path, *name, *connection;
        int fd; /* or -1: there is no log yet */
        off_t offset;
        GByteArray *text; /* what was read, and not been shown yet */
        int inotify, watch;
        guint source, timer;
        int status;
} Log;

/* How many bytes at the end of a text begin a character that is not all there. */
static size_t unfinished(const guint8 *text, size_t n) {
        for (size_t i = 1; i <= MIN(n, 4); i++)
                if ((text[n - i] & 0xc0) != 0x80)
                        return g_utf8_get_char_validated((const char *) text + n - i, (gssize) i) == (gunichar) -2 ? i : 0;
        return 0;
}

/* As a text, which has no character 0. */
static char *as_text(const guint8 *bytes, size_t n) {
        char *text = g_malloc(n + 1);
        for (size_t i = 0; i < n; i++)
                text[i] = bytes[i] ? (char) bytes[i] : '?';
        text[n] = '\0';
        return text;
}

/* Shows what was read, on a terminal without what that would obey; what is ALL of it through the pager. */
static void show(Log *log, bool all) {
        bool is_terminal = output_is_terminal();
        size_t n = log->text->len - (is_terminal && !all ? unfinished(log->text->data, log->text->len) : 0);
        g_autofree char *raw = is_terminal ? as_text(log->text->data, n) : NULL, *printable = raw ? output_printable(raw) : NULL;
        if (all && is_terminal)
                output_page(log->ctl, raw);
        else if (is_terminal)
                output_text(printable);
        else
                output_bytes(log->text->data, n);
        g_byte_array_remove_range(log->text, 0, (guint) n);
}

/* Reads what was added since; from its beginning where the log was emptied meanwhile. */
static void read_more(Log *log) {
        guint8 piece[PIECE];
        struct stat info;
        ssize_t n = 0;
        if (fstat(log->fd, &info) == 0 && info.st_size < log->offset)
                log->offset = 0;
        while ((n = pread(log->fd, piece, sizeof piece, log->offset)) > 0) {
                log->offset += n;
                g_byte_array_append(log->text, piece, (guint) n);
        }
}

static void read_on(Log *log) {
        if (log->fd >= 0)
                read_more(log);
        show(log, false);
}

/* Leaves the last lines of what was read. */
static void cut_to_lines(GByteArray *text, int lines) {
        guint start = text->len;
        while (start > 0 && !(text->data[start - 1] == '\n' && start < text->len && lines-- == 1))
                start--;
        g_byte_array_remove_range(text, 0, start);
}

static gboolean on_news(int fd, GIOCondition condition, gpointer data) {
        char events[EVENT_BYTES]; /* what happened is seen in the file */
        (void) condition;
        while (read(fd, events, sizeof events) > 0)
                ;
        read_on(data);
        return G_SOURCE_CONTINUE;
}

static gboolean on_time(gpointer data) {
        read_on(data);
        return G_SOURCE_CONTINUE;
}

/* Learns when something is added to the file that is open now. */
static void watch(Log *log) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", log->fd);
        if (log->watch >= 0)
                inotify_rm_watch(log->inotify, log->watch);
        log->watch = log->inotify >= 0 ? inotify_add_watch(log->inotify, path, IN_MODIFY) : -1;
        if (log->watch < 0 && log->timer == 0)
                log->timer = g_timeout_add(LOOK_INTERVAL, on_time, log);
}

/* Opens the log, and reads it; where another file is in its place now, after the rest of the one before. */
static bool open_log(Log *log, GError **error) {
        struct stat before, now;
        int fd = ctl_call_for_fd(log->ctl, log->path, "org.virtbus1.Domain", "OpenLog",
                                 g_variant_new("(@a{sv})", ctl_options(NULL, NULL)), error);
        if (fd < 0)
                return false;
        if (log->fd >= 0 && fstat(log->fd, &before) == 0 && fstat(fd, &now) == 0 && before.st_ino == now.st_ino &&
            before.st_dev == now.st_dev) {
                close(fd);
                return true;
        }
        if (log->fd >= 0) {
                read_on(log);
                close(log->fd);
        }
        log->fd = fd;
        log->offset = 0;
        if (log->loop)
                watch(log);
        return true;
}

static void end(Log *log, int status) {
        log->status = status;
        g_main_loop_quit(log->loop);
}

/* Where there is none yet, one comes with the domain's start. */
static void open_again(Log *log) {
        g_autoptr(GError) error = NULL;
        if (open_log(log, &error))
                read_on(log);
        else if (log->domain && !g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_OPERATION_INVALID) &&
                 !g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_DOMAIN) &&
                 !g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT))
                end(log, ctl_fail(g_steal_pointer(&error)));
}

static void on_state_changed(VirtbusDomain *domain, GParamSpec *specification, Log *log) {
        (void) domain;
        (void) specification;
        open_again(log);
}

static void follow(Log *log, VirtbusDomain *domain) {
        log->domain = g_object_ref(domain);
        g_signal_connect(domain, "notify::state", G_CALLBACK(on_state_changed), log);
}

static void forget(Log *log) {
        if (log->domain)
                g_signal_handlers_disconnect_by_data(log->domain, log);
        g_clear_object(&log->domain);
}

static void check_gone(Log *log) {
        if (log->domain || !ctl_is_gone(log->ctl, log->path, log->connection))
                return;
        read_on(log);
        ctl_say("domain '%s' is gone", log->name);
        end(log, EXIT_NO_SUCH_DOMAIN);
}

static void on_domain_added(VirtbusClient *client, VirtbusDomain *domain, Log *log) {
        (void) client;
        if (log->domain || strcmp(log->path, ctl_path(domain)) != 0)
                return;
        follow(log, domain);
        open_again(log);
}

static void on_domain_removed(VirtbusClient *client, VirtbusDomain *domain, Log *log) {
        (void) client;
        if (strcmp(log->path, ctl_path(domain)) == 0)
                forget(log);
        check_gone(log);
}

static void on_service_changed(GObject *object, GParamSpec *specification, Log *log) {
        (void) object;
        (void) specification;
        check_gone(log);
}

static int run(Log *log) {
        VirtbusClient *client = log->ctl->client;
        gpointer manager = virtbus_client_get_manager(client);
        g_signal_connect(client, "domain-added", G_CALLBACK(on_domain_added), log);
        g_signal_connect(client, "domain-removed", G_CALLBACK(on_domain_removed), log);
        g_signal_connect(client, "notify::available", G_CALLBACK(on_service_changed), log);
        g_signal_connect(manager, "notify::drivers", G_CALLBACK(on_service_changed), log);
        if (log->fd < 0)
                fprintf(stderr, "Domain %s has not been started yet; waiting for it.\n", log->name);
        g_main_loop_run(log->loop);
        g_signal_handlers_disconnect_by_data(client, log);
        g_signal_handlers_disconnect_by_data(manager, log);
        return log->status;
}

static void log_clear(Log *log) {
        forget(log);
        if (log->source > 0)
                g_source_remove(log->source);
        if (log->timer > 0)
                g_source_remove(log->timer);
        if (log->inotify >= 0)
                close(log->inotify);
        if (log->fd >= 0)
                close(log->fd);
        g_clear_pointer(&log->loop, g_main_loop_unref);
        g_byte_array_unref(log->text);
        g_free(log->path);
        g_free(log->name);
        g_free(log->connection);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Log, log_clear)

/* The same on another host: a descriptor does not pass over ssh. */
static int log_over_there(const Ctl *ctl, VirtbusDomain *domain) {
        g_autofree char *lines = ctl->lines > 0 ? g_strdup_printf("--lines=%d", ctl->lines) : g_strdup("--no-pager");
        const char *arguments[] = { "log", virtbus_domain_get_uuid(domain), lines, ctl->follow ? "--follow" : NULL, NULL };
        return ctl_go_there(ctl, output_is_terminal(), arguments);
}

int verb_log(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        if (ctl->host)
                return log_over_there(ctl, domain);
        VirtbusConnection *connection = virtbus_client_get_connection_of(ctl->client, domain);
        g_auto(Log) log = { .ctl = ctl, .fd = -1, .inotify = -1, .watch = -1, .text = g_byte_array_new() };
        log.path = g_strdup(ctl_path(domain));
        log.name = g_strdup(virtbus_domain_get_name(domain));
        log.connection = g_strdup(connection ? virtbus_connection_get_name(connection) : "");
        if (ctl->follow) {
                log.inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
                log.source = log.inotify >= 0 ? g_unix_fd_add(log.inotify, G_IO_IN, on_news, &log) : 0;
                log.loop = g_main_loop_new(NULL, FALSE);
                follow(&log, domain); /* before it is opened, so that no start is missed */
        }
        bool is_open = open_log(&log, &error), can_come = g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_OPERATION_INVALID);
        if (!is_open && !(ctl->follow && can_come))
                return ctl_fail(g_steal_pointer(&error));
        if (is_open)
                read_more(&log);
        if (ctl->lines > 0)
                cut_to_lines(log.text, ctl->lines);
        show(&log, !ctl->follow);
        return ctl->follow ? run(&log) : EXIT_DONE;
}
