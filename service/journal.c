/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "authority.h"
#include "bounds.h"
#include "bus.h"
#include "interfaces.h"
#include "log.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* As data/virtbus.catalog has them. */
#define MESSAGE_DONE "6d2a3f0a5b7c4c1f9a0e8d41c7b25e93"
#define MESSAGE_FAILED "b1f4d7c2908e4e6c8d35a2f7160c9b4e"
#define MESSAGE_COMPLETED "3c8e51d70f9b46a2b7d4e6158a2f90c3"
#define MESSAGE_COMPLETED_FAILED "94d0b6ae7c214f58a1e3702bc5f86d19"
#define MESSAGE_LEFT_OUT "e07c95b81d3a4f2eb6c4d90a5f8e1372"

/* Users that are counted together, where there are too many. */
#define OTHERS ((uid_t) -1)

struct Journal {
        Mirror *mirror;
        sd_event *event;
        int fd;                    /* to the journal; negative: entries are lines on stderr */
        GHashTable *users;         /* by uid: struct Share, of this interval */
        unsigned n_written;        /* in this interval, of all users */
        sd_event_source *interval; /* its end; NULL while nothing has been written */
};

/* What was written of one user's calls. */
typedef struct Share {
        uid_t uid;
        unsigned written, left_out;
} Share;

struct JournalEntry {
        Journal *journal;
        uid_t uid;
        pid_t pid;
        char *caller, *path;
        const char *noun; /* of the object that it is, is of or has made; NULL: it has no name */
        char *name, *uuid;
        const char *interface, *method, *property;
};

/* Writing */

/* A field in the form that any value can have: its size is before it. See systemd's "Native Journal Protocol". */
static void add_field(GByteArray *datagram, const char *name, const char *value) {
        if (!value)
                return;
        uint64_t size = GUINT64_TO_LE(strlen(value));
        g_byte_array_append(datagram, (const guint8 *) name, (guint) strlen(name));
        g_byte_array_append(datagram, (const guint8 *) "\n", 1);
        g_byte_array_append(datagram, (const guint8 *) &size, sizeof size);
        g_byte_array_append(datagram, (const guint8 *) value, (guint) strlen(value));
        g_byte_array_append(datagram, (const guint8 *) "\n", 1);
}

static void add_number(GByteArray *datagram, const char *name, uint64_t value) {
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);
        add_field(datagram, name, text);
}

static GByteArray *datagram_new(const char *message, const char *id, int priority) {
        GByteArray *datagram = g_byte_array_new();
        add_field(datagram, "MESSAGE", message);
        add_field(datagram, "MESSAGE_ID", id);
        add_field(datagram, "SYSLOG_IDENTIFIER", "virtbusd");
        add_number(datagram, "PRIORITY", (uint64_t) priority);
        return datagram;
}

/* A line on stderr that nobody reads would be waited for. */
static bool stderr_takes_a_line(void) {
        struct pollfd descriptor = { .fd = STDERR_FILENO, .events = POLLOUT };
        return poll(&descriptor, 1, 0) != 0;
}

/* sd_journal_sendv would wait for a journal that is busy. Returns false where it has to be left out. */
static bool deliver(Journal *journal, const GByteArray *datagram, const char *message) {
        const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
        if (journal->fd >= 0) {
                if (sendto(journal->fd, datagram->data, datagram->len, MSG_NOSIGNAL | MSG_DONTWAIT,
                           (const struct sockaddr *) &address, sizeof address) >= 0)
                        return true;
                if (errno == EAGAIN || errno == ENOBUFS)
                        return false;
        }
        if (!stderr_takes_a_line())
                return false;
        log_info("%s", message);
        return true;
}

/* Bounds */

static Share *share_of(Journal *journal, uid_t uid) {
        Share *share = g_hash_table_lookup(journal->users, GUINT_TO_POINTER(uid));
        if (share)
                return share;
        if (uid != OTHERS && g_hash_table_size(journal->users) >= JOURNAL_USERS_MAX)
                return share_of(journal, OTHERS);
        share = g_new0(Share, 1);
        share->uid = uid;
        g_hash_table_insert(journal->users, GUINT_TO_POINTER(uid), share);
        return share;
}

static bool share_has_room(const Journal *journal, const Share *share) {
        return share->written < (journal->n_written < JOURNAL_ENTRIES_MAX ? JOURNAL_ENTRIES_PER_USER : JOURNAL_ENTRIES_LEAST);
}

static void write_left_out(Journal *journal, const Share *share) {
        g_autofree char *who = share->uid == OTHERS ? g_strdup("further users") : g_strdup_printf("user %u", share->uid);
        g_autofree char *message = g_strdup_printf("%u more calls of %s suppressed", share->left_out, who);
        g_autoptr(GByteArray) datagram = datagram_new(message, MESSAGE_LEFT_OUT, LOG_WARNING);
        if (share->uid != OTHERS)
                add_number(datagram, "VIRTBUS_CALLER_UID", share->uid);
        add_number(datagram, "VIRTBUS_SUPPRESSED", share->left_out);
        deliver(journal, datagram, message);
}

static void end_interval(Journal *journal) {
        GHashTableIter iterator;
        void *share;
        journal->interval = sd_event_source_disable_unref(journal->interval);
        g_hash_table_iter_init(&iterator, journal->users);
        while (g_hash_table_iter_next(&iterator, NULL, &share))
                if (((Share *) share)->left_out > 0)
                        write_left_out(journal, share);
        g_hash_table_remove_all(journal->users);
        journal->n_written = 0;
}

static int on_interval(sd_event_source *source, uint64_t usec, void *data) {
        (void) source;
        (void) usec;
        end_interval(data);
        return 0;
}

/* Entries */

bool journal_wants(const char *action) {
        return action && strcmp(action, ACTION_READ) != 0;
}

/* The name of what an object is, is of or acts on. */
static void name_object(JournalEntry *entry, const Object *object) {
        const Object *subject = decision_subject(decision_object(decision_subject(object)));
        if (!subject_name(subject) || entry->noun)
                return;
        entry->noun = subject_info(subject)->noun;
        entry->name = g_strdup(subject_name(subject));
        entry->uuid = g_strdup(subject_uuid(subject));
}

JournalEntry *journal_begin(Journal *journal, const Caller *caller, const Object *object, const char *interface,
                            const char *method, const char *property) {
        JournalEntry *entry = g_new(JournalEntry, 1);
        *entry = (JournalEntry){
                .journal = journal,
                .uid = caller->uid,
                .pid = caller->process.pid,
                .caller = g_strdup(caller->name),
                .path = g_strdup(object->path),
                .interface = interface,
                .method = method ? method : "Set",
                .property = property,
        };
        name_object(entry, object);
        return entry;
}

void journal_entry_free(JournalEntry *entry) {
        g_free(entry->caller);
        g_free(entry->path);
        g_free(entry->name);
        g_free(entry->uuid);
        g_free(entry);
}

/* One line, whatever an object is called. */
static char *message_of(const JournalEntry *entry, const char *error, const char *result) {
        g_autoptr(GString) text = g_string_new(entry->method);
        if (entry->property)
                g_string_append_printf(text, " %s", entry->property);
        g_string_append_printf(text, " of %s", entry->path);
        if (entry->noun)
                g_string_append_printf(text, ", %s '%s',", entry->noun, entry->name);
        g_string_append_printf(text, entry->caller ? " by user %u" : " begun by user %u", entry->uid);
        if (entry->caller)
                g_string_append_printf(text, ", process %d", (int) entry->pid);
        g_string_append(text, ": ");
        if (error)
                g_string_append_printf(text, "failed with %s", error);
        else
                g_string_append_printf(text, "done%s%s", result ? ", see " : "", result ? result : "");
        for (char *c = text->str; *c; c++)
                if (g_ascii_iscntrl(*c))
                        *c = '?';
        return g_string_free(g_steal_pointer(&text), FALSE);
}

/* A field that is called after a kind: VIRTBUS_DOMAIN. */
static void add_kind(GByteArray *datagram, const char *noun, const char *value) {
        g_autofree char *upper = noun ? g_ascii_strup(noun, -1) : NULL;
        g_autofree char *field = noun ? g_strconcat("VIRTBUS_", upper, NULL) : NULL;
        if (field)
                add_field(datagram, field, value);
}

static bool write_entry(const JournalEntry *entry, const char *error, const char *result) {
        g_autofree char *message = message_of(entry, error, result);
        g_autoptr(GByteArray) datagram =
                        datagram_new(message, error ? MESSAGE_FAILED : MESSAGE_DONE, error ? LOG_NOTICE : LOG_INFO);
        add_number(datagram, "VIRTBUS_CALLER_UID", entry->uid);
        add_number(datagram, "VIRTBUS_CALLER_PID", (uint64_t) entry->pid);
        add_field(datagram, "VIRTBUS_CALLER", entry->caller);
        add_field(datagram, "VIRTBUS_INTERFACE", entry->interface);
        add_field(datagram, "VIRTBUS_METHOD", entry->method);
        add_field(datagram, "VIRTBUS_PROPERTY", entry->property);
        add_field(datagram, "VIRTBUS_OBJECT", entry->path);
        add_kind(datagram, entry->noun, entry->name);
        add_field(datagram, "VIRTBUS_UUID", entry->uuid);
        add_field(datagram, "VIRTBUS_RESULT", result);
        add_field(datagram, "VIRTBUS_ERROR", error);
        return deliver(entry->journal, datagram, message);
}

/* Counts an entry of a user's; false where it must be left out. */
static bool may_write(Journal *journal, const Share *share) {
        if (!journal->interval && sd_event_add_time_relative(journal->event, &journal->interval, CLOCK_MONOTONIC,
                                                             JOURNAL_INTERVAL, 0, on_interval, journal) < 0)
                log_warning("the journal's entries cannot be counted for a while");
        return share_has_room(journal, share);
}

static void count(Journal *journal, Share *share, bool written) {
        share->written += written;
        journal->n_written += written;
        share->left_out += !written;
}

void journal_end(JournalEntry *ended, const char *error, const char *result) {
        g_autoptr(JournalEntry) entry = ended;
        Journal *journal = entry->journal;
        const Object *made = result ? mirror_find(journal->mirror, result) : NULL;
        Share *share = share_of(journal, entry->uid);
        if (made)
                name_object(entry, made);
        count(journal, share, may_write(journal, share) && write_entry(entry, error, result));
}

static bool write_completed(const JournalEntry *entry, const Object *object, const char *error) {
        g_autofree char *message = message_of(entry, error, NULL);
        g_autoptr(GByteArray) datagram = datagram_new(message, error ? MESSAGE_COMPLETED_FAILED : MESSAGE_COMPLETED,
                                                      error ? LOG_NOTICE : LOG_INFO);
        add_number(datagram, "VIRTBUS_CALLER_UID", entry->uid);
        add_kind(datagram, subject_info(object)->noun, object->path);
        add_field(datagram, "VIRTBUS_OPERATION", subject_operation(object));
        add_field(datagram, "VIRTBUS_OBJECT", entry->path);
        add_kind(datagram, entry->noun, entry->name);
        add_field(datagram, "VIRTBUS_UUID", entry->uuid);
        add_field(datagram, "VIRTBUS_ERROR", error);
        return deliver(entry->journal, datagram, message);
}

void journal_completed(Journal *journal, const Object *object, const char *error) {
        g_autoptr(JournalEntry) entry = g_new(JournalEntry, 1);
        const char *noun = subject_info(object)->noun, *operation = subject_operation(object);
        g_autofree char *what = g_strdup_printf("%c%s %s", g_ascii_toupper(noun[0]), noun + 1, operation ? operation : "");
        uid_t owner = OTHERS;
        subject_owner(object, &owner);
        *entry = (JournalEntry){
                .journal = journal,
                .uid = owner,
                .path = g_strdup(subject_acts_on(object) ? subject_acts_on(object) : object->path),
                .method = what,
        };
        Share *share = share_of(journal, entry->uid);
        name_object(entry, object);
        count(journal, share, may_write(journal, share) && write_completed(entry, object, error));
}

Journal *journal_new(sd_event *event, Mirror *mirror) {
        Journal *journal = g_new(Journal, 1);
        *journal = (Journal){
                .mirror = mirror,
                .event = event,
                .fd = log_is_journal() ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1,
                .users = g_hash_table_new_full(NULL, NULL, NULL, g_free),
        };
        return journal;
}

void journal_free(Journal *journal) {
        end_interval(journal);
        g_hash_table_unref(journal->users);
        if (journal->fd >= 0)
                close(journal->fd);
        g_free(journal);
}
