/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/worker.h"
#include "bus.h"
#include "log.h"
#include "vtables.h"

/* How much of a log's end goes into an error. */
#define TAIL_BYTES 1024

/* How much of the kernel's news is taken at a time. */
#define EVENT_BYTES 65536

struct GuestLogs {
        Connection *connection;
        int inotify;
        sd_event_source *writing, *due;
};

char *guest_log_path(const Connection *connection, const char *uuid) {
        return g_strdup_printf("%s/%s.log", connection->log_directory, uuid);
}

static char *aside(const char *path, unsigned number) {
        return number == 0 ? g_strdup(path) : g_strdup_printf("%s.%u", path, number);
}

/* Makes room for a new log to be put aside. */
static void move_on(const char *path, unsigned first) {
        for (unsigned i = GUEST_LOGS - 1; i > first; i--) {
                g_autofree char *from = aside(path, i - 1), *to = aside(path, i);
                rename(from, to);
        }
}

int guest_log_open(const char *path) {
        struct stat info;
        if (lstat(path, &info) == 0 && info.st_size > GUEST_LOG_BYTES_MAX / 2)
                move_on(path, 0);
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        return fd < 0 ? -errno : fd;
}

/* Where what a line says begins: behind "2026-11-26T04:09:45.105555Z qemu-system-x86_64: ", either of which may be missing. */
static const char *skip_sender(const char *line) {
        size_t time = strspn(line, "0123456789-:.T");
        const char *rest = time > 0 && line[time] == 'Z' && line[time + 1] == ' ' ? line + time + 2 : line;
        size_t word = strcspn(rest, " :");
        g_autofree char *program = g_strndup(rest, word), *name = g_path_get_basename(program);
        return g_str_has_prefix(name, "qemu") && g_str_has_prefix(rest + word, ": ") ? rest + word + 2 : rest;
}

/* What lines begin with that tell nobody anything: terminals that are known anyway, a log that a helper is kept from. */
static const char *const empty_words[] = { "char device redirected to ", "Failed to send " };

char *guest_log_words(const char *text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        g_auto(GStrv) lines = g_strsplit(valid, "\n", -1);
        g_autoptr(GString) words = g_string_new(NULL);
        for (size_t i = 0; lines[i]; i++) {
                const char *said = skip_sender(g_strstrip(lines[i]));
                bool says_nothing = false;
                for (size_t k = 0; k < G_N_ELEMENTS(empty_words); k++)
                        says_nothing |= g_str_has_prefix(said, empty_words[k]);
                if (*said && !says_nothing)
                        g_string_append_printf(words, "%s%s", words->len > 0 ? "\n" : "", said);
        }
        return g_string_free(g_steal_pointer(&words), FALSE);
}

char *guest_log_tail(const char *path, off_t start) {
        char tail[TAIL_BYTES + 1];
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
        off_t from = MAX(start <= end ? start : 0, end - TAIL_BYTES); /* it may have been put aside since */
        ssize_t n = end > from ? pread(fd, tail, (size_t) (end - from), from) : 0;
        tail[MAX(n, 0)] = '\0';
        return guest_log_words(tail);
}

/* A log that is being opened for somebody. */
typedef struct LogOpening {
        Call *call;
        char *name, *path; /* the domain's, which may be gone before it is open */
        int fd;
} LogOpening;

/* Opens nothing but a file that this driver has made, and waits for nothing that lies in its place. */
static int open_own(const char *path) {
        struct stat info;
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &info) < 0)
                return -errno;
        return S_ISREG(info.st_mode) && info.st_uid == geteuid() ? steal_fd(&fd) : -EPERM;
}

static void open_in_worker(void *data, GError **error) {
        LogOpening *opening = data;
        opening->fd = open_own(opening->path);
        if (opening->fd == -ENOENT)
                virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                  "domain '%s': it has no log yet: it has not been started", opening->name);
        else if (opening->fd < 0)
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "domain '%s': cannot open its log %s: %s",
                                  opening->name, opening->path, g_strerror(-opening->fd));
}

static void on_opened(void *data, const GError *error) {
        LogOpening *opening = data;
        g_autofd int fd = opening->fd;
        if (error)
                call_fail(opening->call, error);
        else
                reply_domain_open_log(opening->call, fd);
        g_free(opening->name);
        g_free(opening->path);
        g_free(opening);
}

void guest_log_answer(Domain *domain, Call *call) {
        LogOpening *opening = g_new0(LogOpening, 1);
        *opening = (LogOpening){ .call = call, .name = g_strdup(domain_name(domain)), .fd = -1 };
        opening->path = guest_log_path(domain->connection, domain->uuid);
        worker_run(domain->connection->worker, open_in_worker, on_opened, opening);
}

void guest_log_remove(const char *path) {
        for (unsigned i = 0; i < GUEST_LOGS; i++) {
                g_autofree char *name = aside(path, i);
                unlink(name);
        }
}

/* QEMU goes on writing into the same file: its end is copied, and it is emptied. */
static void cut(const char *path) {
        struct stat info;
        g_autofree char *copy = aside(path, 1);
        g_autofd int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size <= GUEST_LOG_BYTES_MAX)
                return;
        move_on(path, 1);
        g_autofd int to = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        off_t from = info.st_size - GUEST_LOG_BYTES_MAX;
        while (to >= 0 && from < info.st_size && sendfile(to, fd, &from, (size_t) (info.st_size - from)) > 0)
                ;
        if (ftruncate(fd, 0) < 0)
                log_warning("log %s cannot be put aside: %s", path, g_strerror(errno));
}

typedef struct Cutting {
        Connection *connection;
        GPtrArray *paths; /* char * */
} Cutting;

static void cut_in_worker(void *data, GError **unused) {
        const Cutting *cutting = data;
        (void) unused;
        for (guint i = 0; i < cutting->paths->len; i++)
                cut(cutting->paths->pdata[i]);
}

static void on_cut(void *data, const GError *unused) {
        Cutting *cutting = data;
        (void) unused;
        g_ptr_array_unref(cutting->paths);
        g_free(cutting);
}

static GPtrArray *find_large(const Connection *connection) {
        GHashTableIter iterator;
        void *value;
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        g_hash_table_iter_init(&iterator, connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                struct stat info;
                const Domain *domain = value;
                g_autofree char *path = domain_is_active(domain) ? guest_log_path(connection, domain->uuid) : NULL;
                if (path && lstat(path, &info) == 0 && info.st_size > GUEST_LOG_BYTES_MAX)
                        g_ptr_array_add(paths, g_steal_pointer(&path));
        }
        return paths;
}

static int on_due(sd_event_source *unused, uint64_t usec, void *data) {
        GuestLogs *logs = data;
        Cutting *cutting = g_new0(Cutting, 1);
        (void) unused;
        (void) usec;
        logs->due = sd_event_source_disable_unref(logs->due);
        sd_event_source_set_enabled(logs->writing, SD_EVENT_ON); /* before looking, so that nothing is missed */
        *cutting = (Cutting){ logs->connection, find_large(logs->connection) };
        if (cutting->paths->len > 0)
                worker_run(logs->connection->worker, cut_in_worker, on_cut, cutting);
        else
                on_cut(cutting, NULL);
        return 0;
}

/* A QEMU that writes without end does not keep the driver busy: it is not listened to until the sizes are looked at. */
static int on_writing(sd_event_source *source, int fd, uint32_t unused, void *data) {
        GuestLogs *logs = data;
        char events[EVENT_BYTES]; /* which logs they name does not matter */
        (void) unused;
        if (read(fd, events, sizeof events) > 0 && !logs->due &&
            sd_event_add_time_relative(logs->connection->event, &logs->due, CLOCK_MONOTONIC, GUEST_LOG_INTERVAL, 0, on_due,
                                       logs) >= 0)
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

GuestLogs *guest_logs_new(Connection *connection) {
        GuestLogs *logs = g_new0(GuestLogs, 1);
        logs->connection = connection;
        logs->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        int r = logs->inotify < 0 || inotify_add_watch(logs->inotify, connection->log_directory, IN_MODIFY | IN_ONLYDIR) < 0
                                ? -errno
                                : sd_event_add_io(connection->event, &logs->writing, logs->inotify, EPOLLIN, on_writing, logs);
        if (r < 0)
                log_warning("the logs in %s cannot be watched, and may grow without bound: %s", connection->log_directory,
                            g_strerror(-r));
        return logs;
}

void guest_logs_free(GuestLogs *logs) {
        sd_event_source_disable_unref(logs->writing);
        sd_event_source_disable_unref(logs->due);
        autofd_close(&logs->inotify);
        g_free(logs);
}
