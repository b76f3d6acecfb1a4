/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/monitor-events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "domain/domain-run.h"
#include "vtables.h"

typedef struct Reader {
        MonitorReaders *all;
        int fd;         /* that is written to */
        uid_t user;     /* who has opened it */
        Domain *domain; /* whose events it gets; NULL: of all */
        GString *rest;  /* of a line that has gone in part */
        uint64_t missed;
        sd_event_source *source; /* tells that there is place for the rest, or that nobody reads any more */
} Reader;

struct MonitorReaders {
        sd_event *event;
        GPtrArray *list; /* Reader */
};

static void reader_free(void *data) {
        Reader *reader = data;
        sd_event_source_disable_unref(reader->source);
        g_string_free(reader->rest, TRUE);
        if (reader->domain)
                domain_unref(reader->domain);
        close(reader->fd);
        g_free(reader);
}

MonitorReaders *monitor_readers_new(sd_event *event) {
        MonitorReaders *readers = g_new0(MonitorReaders, 1);
        readers->event = event;
        readers->list = g_ptr_array_new_with_free_func(reader_free);
        return readers;
}

void monitor_readers_free(MonitorReaders *readers) {
        g_ptr_array_unref(readers->list);
        g_free(readers);
}

/* Writes what is left of a line; false: nobody reads any more. */
static bool write_rest(Reader *reader) {
        ssize_t n = reader->rest->len > 0 ? write(reader->fd, reader->rest->str, reader->rest->len) : 0;
        if (n > 0)
                g_string_erase(reader->rest, 0, n);
        sd_event_source_set_io_events(reader->source, reader->rest->len > 0 ? EPOLLOUT : 0);
        return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *data) {
        Reader *reader = data;
        (void) source;
        (void) fd;
        if (events & (EPOLLERR | EPOLLHUP) || !write_rest(reader))
                g_ptr_array_remove_fast(reader->all->list, reader);
        return 0;
}

/* What QEMU names an event is a word. */
static bool is_event(const char *name) {
        return name && *name && strlen(name) <= MONITOR_EVENT_NAME_MAX &&
               strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-") == strlen(name);
}

static char *make_line(const char *uuid, const char *name, const char *data) {
        int64_t now = g_get_real_time();
        return g_strdup_printf("%" G_GINT64_FORMAT ".%06d %s %s%s%s\n", now / G_USEC_PER_SEC, (int) (now % G_USEC_PER_SEC), uuid,
                               name, data ? " " : "", data ? data : "");
}

static char *make_event(const Domain *domain, const char *name, JsonObject *data) {
        g_autofree char *text = data ? json_text(data) : NULL;
        bool fits = !text || strlen(text) <= MONITOR_EVENT_BYTES_MAX;
        return make_line(domain->uuid, name, fits ? text : "{\"is-too-long\":true}");
}

/* A pipe takes a line whole, in part, or not at all; while one has gone in part only, what comes is missed. */
static bool tell_reader(Reader *reader, const char *line) {
        if (reader->rest->len > 0) {
                reader->missed++;
                return true;
        }
        if (reader->missed > 0) {
                g_autofree char *count = g_strdup_printf("{\"count\":%" G_GUINT64_FORMAT "}", reader->missed),
                                *missed = make_line("-", "MISSED", count);
                g_string_append(reader->rest, missed);
        }
        g_string_append(reader->rest, line);
        size_t length = reader->rest->len;
        if (!write_rest(reader))
                return false;
        if (reader->rest->len == length) { /* it is full */
                g_string_truncate(reader->rest, 0);
                sd_event_source_set_io_events(reader->source, 0);
                reader->missed++;
        } else
                reader->missed = 0;
        return true;
}

void monitor_events_tell(Guest *guest, const char *name, JsonObject *data) {
        GPtrArray *list = host_of(guest->domain->connection)->readers->list;
        g_autofree char *line = NULL;
        for (guint i = is_event(name) ? list->len : 0; i > 0; i--) {
                Reader *reader = list->pdata[i - 1];
                if (reader->domain && reader->domain != guest->domain)
                        continue;
                if (!line)
                        line = make_event(guest->domain, name, data);
                if (!tell_reader(reader, line))
                        g_ptr_array_remove_index_fast(list, i - 1);
        }
}

static bool check_place(const MonitorReaders *readers, uid_t user, GError **error) {
        unsigned n = 0;
        for (guint i = 0; i < readers->list->len; i++)
                n += ((const Reader *) readers->list->pdata[i])->user == user;
        return (readers->list->len < MONITOR_READERS_MAX && n < MONITOR_READERS_OF_USER) ||
               virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                 "%u readers of QEMU's events are open, %u of them of user %u; there may be %d, and %d of one "
                                 "user: "
                                 "close some",
                                 readers->list->len, n, user, MONITOR_READERS_MAX, MONITOR_READERS_OF_USER);
}

/* Returns the end that is read, or -1. */
static int add_reader(MonitorReaders *readers, Domain *domain, uid_t user, GError **error) {
        int pair[2];
        if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0) {
                virtbus_error_set_errno(error, errno, "cannot create a pipe for QEMU's events");
                return -1;
        }
        g_autofd int theirs = pair[0];
        Reader *reader = g_new0(Reader, 1);
        *reader = (Reader){ .all = readers, .fd = pair[1], .user = user, .rest = g_string_new(NULL) };
        if (domain)
                reader->domain = domain_ref(domain);
        int flags = fcntl(theirs, F_GETFL), r = sd_event_add_io(readers->event, &reader->source, reader->fd, 0, on_ready, reader);
        if (r < 0 || flags < 0 || fcntl(theirs, F_SETFL, flags & ~O_NONBLOCK) < 0) { /* whoever reads it may wait */
                virtbus_error_set_errno(error, r < 0 ? -r : errno, "QEMU's events cannot be waited for");
                reader_free(reader);
                return -1;
        }
        g_ptr_array_add(readers->list, reader);
        return steal_fd(&theirs);
}

static int open_reader(Connection *connection, Domain *domain, const Call *call, GError **error) {
        MonitorReaders *readers = host_of(connection)->readers;
        return check_place(readers, call->uid, error) ? add_reader(readers, domain, call->uid, error) : -1;
}

void monitor_events_open(Connection *connection, Call *call) {
        g_autoptr(GError) error = NULL;
        g_autofd int fd = open_reader(connection, NULL, call, &error);
        if (fd < 0)
                call_fail(call, error);
        else
                reply_connection_open_monitor_events(call, fd);
}

void monitor_events_open_of(Domain *domain, Call *call) {
        g_autoptr(GError) error = NULL;
        g_autofd int fd = open_reader(domain->connection, domain, call, &error);
        if (fd < 0)
                call_fail(call, error);
        else
                reply_domain_open_monitor_events(call, fd);
}
