/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor-events.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libvirt-errors.h"

/* How much is read at a time, and how long a line may be, in bytes. */
#define READ_SIZE 65536
#define LINE_MAX_BYTES 65536

typedef struct MonitorCallback {
        MonitorEvents *events;
        int number, fd;
        guint source;
        char *event; /* NULL: all, or those that the pattern matches */
        bool any_case;
        GRegex *pattern;
        GString *text; /* that has come, and is no line yet */
} MonitorCallback;

struct MonitorEvents {
        Conversation *conversation;
        Domains *const *domains;
        GPtrArray *callbacks;
        int last;
};

static void callback_free(void *data) {
        MonitorCallback *callback = data;
        g_clear_handle_id(&callback->source, g_source_remove);
        g_clear_pointer(&callback->pattern, g_regex_unref);
        g_string_free(callback->text, TRUE);
        g_free(callback->event);
        close(callback->fd);
        g_free(callback);
}

MonitorEvents *monitor_events_new(Conversation *conversation, Domains *const *domains) {
        MonitorEvents *events = g_new0(MonitorEvents, 1);
        events->conversation = conversation;
        events->domains = domains;
        events->callbacks = g_ptr_array_new_with_free_func(callback_free);
        return events;
}

void monitor_events_free(MonitorEvents *events) {
        if (!events)
                return;
        g_ptr_array_unref(events->callbacks);
        g_free(events);
}

static bool is_wanted(const MonitorCallback *callback, const char *event) {
        if (callback->pattern)
                return g_regex_match(callback->pattern, event, 0, NULL);
        return !callback->event ||
               (callback->any_case ? g_ascii_strcasecmp(callback->event, event) : strcmp(callback->event, event)) == 0;
}

/* "SECONDS.MICROSECONDS UUID EVENT DATA". One whose domain is not known, as it has gone, is told to nobody. */
static void tell(MonitorCallback *callback, const char *line) {
        g_auto(GStrv) parts = g_strsplit(line, " ", 4);
        const Known *known = *callback->events->domains ? domains_known(*callback->events->domains) : NULL;
        uint8_t uuid[XDR_UUID_BYTES];
        if (g_strv_length(parts) < 3 || !known || !is_wanted(callback, parts[2]) || !xdr_read_uuid(parts[1], uuid))
                return;
        const KnownDomain *domain = known_by_uuid(known, uuid);
        const char *fraction = strchr(parts[0], '.');
        if (!domain || !fraction)
                return;
        conversation_event(callback->events->conversation, QEMU_DOMAIN_MONITOR_EVENT,
                           g_variant_new("(i(ssi)sxums)", (int32_t) callback->number, domain->name, domain->uuid_text, domain->id,
                                         parts[2], (int64_t) g_ascii_strtoll(parts[0], NULL, 10),
                                         (uint32_t) g_ascii_strtoull(fraction + 1, NULL, 10), parts[3]));
}

static void take_lines(MonitorCallback *callback) {
        char *start = callback->text->str;
        for (char *end; (end = strchr(start, '\n')); start = end + 1) {
                *end = '\0';
                tell(callback, start);
        }
        g_string_erase(callback->text, 0, start - callback->text->str);
        if (callback->text->len > LINE_MAX_BYTES) /* that is no line of an event */
                g_string_truncate(callback->text, 0);
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer data) {
        MonitorCallback *callback = data;
        char bytes[READ_SIZE];
        ssize_t n = read(fd, bytes, sizeof bytes);
        (void) condition;
        if (n > 0) {
                g_string_append_len(callback->text, bytes, n);
                take_lines(callback);
        }
        if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
                return G_SOURCE_CONTINUE;
        callback->source = 0; /* the driver has ended: nothing more is told */
        return G_SOURCE_REMOVE;
}

int monitor_events_add(MonitorEvents *events, int fd, const MonitorFilter *filter, GError **error) {
        g_autoptr(GError) failure = NULL;
        MonitorCallback *callback = g_new0(MonitorCallback, 1);
        *callback = (MonitorCallback){ .events = events, .number = events->last, .fd = fd, .any_case = filter->any_case };
        callback->text = g_string_new(NULL);
        if (filter->is_pattern && filter->event)
                callback->pattern = g_regex_new(filter->event, filter->any_case ? G_REGEX_CASELESS : 0, 0, &failure);
        else
                callback->event = g_strdup(filter->event);
        if (failure || !g_unix_set_fd_nonblocking(fd, TRUE, &failure)) {
                libvirt_error_set(error, LIBVIRT_INVALID_ARG, "invalid argument: the events' pattern: %s", failure->message);
                callback_free(callback);
                return -1;
        }
        callback->source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, callback);
        events->last++;
        g_ptr_array_add(events->callbacks, callback);
        return callback->number;
}

bool monitor_events_remove(MonitorEvents *events, int number) {
        for (unsigned int i = 0; i < events->callbacks->len; i++)
                if (((const MonitorCallback *) events->callbacks->pdata[i])->number == number)
                        return g_ptr_array_remove_index(events->callbacks, i) != NULL;
        return false;
}
