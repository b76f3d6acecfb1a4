/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-entry.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus.h"
#include "lxc/container-group.h"
#include "lxc/container-plan.h"
#include "lxc/container-process.h"
#include "lxc/container-socket.h"
#include "vtables.h"

/* What a caller is handed, by their names, in this order. */
enum { TERMINAL, STATUS, INPUT, OUTPUT, ERRORS, N_HANDED };
static const char *const handed_names[N_HANDED] = { "terminal", "status", "input", "output", "errors" };

/* One: who does it is a process that tells at REPORT what has become of it (lxc/guest/guest-enter.h). */
typedef struct Entry {
        Connection *connection;
        Container *container; /* NULL: that has gone */
        Call *call;           /* NULL: it is answered */
        Process *process;
        sd_event_source *heard, *timeout;
        int report, handed[N_HANDED];
        bool is_program;
} Entry;

static void close_fd(int *fd) {
        autofd_close(fd);
        *fd = -1;
}

/* What only a caller who waits needs. */
static void forget_call(Entry *entry) {
        entry->call = NULL;
        entry->heard = sd_event_source_disable_unref(entry->heard);
        entry->timeout = sd_event_source_disable_unref(entry->timeout);
        close_fd(&entry->report);
        for (size_t i = 0; i < N_HANDED; i++)
                close_fd(entry->handed + i);
}

static void entry_free(Entry *entry) {
        g_hash_table_remove(entry->connection->data, entry);
        forget_call(entry);
        g_clear_pointer(&entry->process, process_free);
        g_free(entry);
}

static void fail(Entry *entry, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void fail(Entry *entry, VirtbusError code, const char *format, ...) {
        g_autoptr(GError) error = NULL;
        va_list arguments;
        if (!entry->call)
                return;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        if (entry->container)
                domain_fail(entry->container->domain, &error, code, "%s", text);
        else
                virtbus_error_set(&error, code, "%s", text);
        call_fail(entry->call, error);
        forget_call(entry);
}

/* Nobody waits for those of a container any more. */
static void leave(Container *container) {
        GHashTable *entries = container->domain->connection->data;
        GHashTableIter iterator;
        void *key;
        g_hash_table_iter_init(&iterator, entries);
        while (g_hash_table_iter_next(&iterator, &key, NULL)) {
                Entry *entry = key;
                if (entry->container != container)
                        continue;
                if (entry->call)
                        process_end(entry->process);
                fail(entry, VIRTBUS_ERROR_OPERATION_INVALID, "it has ended");
                entry->container = NULL;
        }
}

bool container_entries_open(Connection *connection, GError **error) {
        (void) error;
        connection->data = g_hash_table_new(NULL, NULL);
        return true;
}

void container_entries_close(Connection *connection) {
        g_autoptr(GList) entries = g_hash_table_get_keys(connection->data);
        for (GList *link = entries; link; link = link->next) {
                Entry *entry = link->data;
                fail(entry, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
                entry_free(entry);
        }
        g_clear_pointer(&connection->data, g_hash_table_unref);
}

static unsigned count_programs(const Container *container) {
        GHashTableIter iterator;
        unsigned n = 0;
        void *key;
        g_hash_table_iter_init(&iterator, container->domain->connection->data);
        while (g_hash_table_iter_next(&iterator, &key, NULL))
                n += ((Entry *) key)->container == container;
        return n;
}

/* What is told */

static void answer_program(Entry *entry) {
        sd_bus_message *answer = NULL;
        int r = call_begin_answer(entry->call, &answer);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "{sh}");
        for (size_t i = 0; r >= 0 && i < N_HANDED; i++)
                if (entry->handed[i] >= 0)
                        r = sd_bus_message_append(answer, "{sh}", handed_names[i], entry->handed[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        if (r >= 0)
                call_send_answer(entry->call, answer);
        else
                call_fail_errno(entry->call, r);
        sd_bus_message_unref(answer);
        forget_call(entry);
}

static void take(Entry *entry, const char *text, int fd) {
        g_autofd int terminal = fd;
        int number;
        if (strcmp(text, "terminal") == 0 && entry->handed[TERMINAL] < 0)
                entry->handed[TERMINAL] = steal_fd(&terminal);
        else if (strcmp(text, "running") == 0)
                answer_program(entry);
        else if (g_str_has_prefix(text, "failed "))
                fail(entry, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s", text + strlen("failed "));
        else if (sscanf(text, "signalled %d", &number) == 1 && number == 0) {
                reply_domain_container_send_signal(entry->call);
                forget_call(entry);
        } else if (sscanf(text, "signalled %d", &number) == 1)
                fail(entry, VIRTBUS_ERROR_INVALID_ARGUMENT, "no process can be sent the signal: %s", g_strerror(number));
}

static void hear_all(Entry *entry) {
        char text[CONTAINER_MESSAGE_BYTES_MAX + 1];
        int fd;
        while (entry->call && container_socket_receive(entry->report, text, &fd) > 0)
                take(entry, text, fd);
}

static int on_heard(sd_event_source *source, int fd, uint32_t events, void *data) {
        Entry *entry = data;
        (void) fd;
        hear_all(entry);
        if (entry->call && events & (EPOLLHUP | EPOLLERR)) /* its end is seen by itself */
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static void on_ended(void *data, int status) {
        Entry *entry = data;
        (void) status;
        hear_all(entry); /* what it said last */
        fail(entry, VIRTBUS_ERROR_HYPERVISOR_FAILED, "what goes into it has ended before it was there");
        entry_free(entry);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Entry *entry = data;
        (void) source;
        (void) usec;
        process_end(entry->process);
        fail(entry, VIRTBUS_ERROR_TIMEOUT, "nothing has got into it within %d seconds; is it being suspended?",
             (int) (CONTAINER_ENTRY_TIMEOUT / 1000000));
        return 0;
}

/* Begins */

/* What whoever goes in is started with. */
typedef struct Theirs {
        GuestEntry entry;
        GArray *members;
} Theirs;

static void theirs_clear(Theirs *theirs) {
        int *fds[] = { &theirs->entry.report, &theirs->entry.status, theirs->entry.streams, theirs->entry.streams + 1,
                       theirs->entry.streams + 2 };
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                close_fd(fds[i]);
        for (guint i = 0; i < theirs->members->len; i++)
                close(g_array_index(theirs->members, int, i));
        g_array_unref(theirs->members);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Theirs, theirs_clear)

/* WRITES: which of the two ends is ours. */
static bool make_pipe(int *ours, int *theirs, bool writes) {
        int pair[2];
        if (pipe2(pair, O_CLOEXEC) < 0)
                return false;
        *ours = pair[writes];
        *theirs = pair[!writes];
        return true;
}

static bool make_descriptors(Entry *entry, Theirs *theirs, bool has_terminal, GError **error) {
        int pair[2], *handed = entry->handed;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return virtbus_error_set_errno(error, errno, "it cannot be entered");
        entry->report = pair[0];
        theirs->entry.report = pair[1];
        if (!entry->is_program)
                return true;
        return (make_pipe(handed + STATUS, &theirs->entry.status, false) &&
                (has_terminal || (make_pipe(handed + INPUT, theirs->entry.streams, true) &&
                                  make_pipe(handed + OUTPUT, theirs->entry.streams + 1, false) &&
                                  make_pipe(handed + ERRORS, theirs->entry.streams + 2, false)))) ||
               virtbus_error_set_errno(error, errno, "it cannot be entered");
}

static bool make_process(Entry *entry, const Theirs *theirs, int plan, GError **error) {
        Connection *connection = entry->connection;
        g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
        const int all[] = { plan,
                            theirs->entry.init,
                            theirs->entry.report,
                            theirs->entry.status,
                            theirs->entry.streams[0],
                            theirs->entry.streams[1],
                            theirs->entry.streams[2] };
        for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
                if (all[i] >= 0)
                        g_array_append_val(fds, all[i]);
        g_array_append_vals(fds, theirs->members->data, theirs->members->len);
        entry->process = container_process_new(connection, plan, fds, on_ended, entry, error);
        return entry->process;
}

static bool begin(Entry *entry, const ContainerProgram *program, int64_t process, int number, GError **error) {
        const Container *container = entry->container;
        const Domain *domain = container->domain;
        g_auto(Theirs) theirs = { .entry = { container->init, -1, -1, { -1, -1, -1 }, number, (int) process },
                                  .members = g_array_new(FALSE, FALSE, sizeof(int)) };
        g_autoptr(xmlDoc) document = definition_document(domain->live, error);
        g_autofree char *stage = container_process_stage(domain->connection, error);
        if (!document || !stage || !make_descriptors(entry, &theirs, program && program->has_terminal, error) ||
            (program && !container_group_open(domain->uuid, theirs.members, error)))
                return false;
        g_autofd int plan = program ? container_plan_run(xmlDocGetRootElement(document), program, theirs.members, &theirs.entry,
                                                         stage, error)
                                    : container_plan_signal(&theirs.entry, stage, error);
        if (plan < 0 || !make_process(entry, &theirs, plan, error))
                return false;
        sd_event *event = domain->connection->event;
        int r = sd_event_add_io(event, &entry->heard, entry->report, EPOLLIN, on_heard, entry);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &entry->timeout, CLOCK_MONOTONIC, CONTAINER_ENTRY_TIMEOUT, 0, on_timeout,
                                               entry);
        if (r < 0) {
                process_end(entry->process);
                return virtbus_error_set_errno(error, -r, "it cannot be watched");
        }
        process_go(entry->process);
        return true;
}

static bool check_runs(const Domain *domain, GError **error) {
        if (!container_check_runs(domain, error))
                return false;
        return count_programs(domain->run) < CONTAINER_PROGRAMS_MAX ||
               domain_fail(domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                           "%d programs run in it that were started so; wait until one has ended", CONTAINER_PROGRAMS_MAX);
}

/* PROGRAM: NULL for a signal. */
static void enter(Domain *domain, const ContainerProgram *program, int64_t process, int number, Call *call) {
        g_autoptr(GError) error = NULL;
        if (!check_runs(domain, &error)) {
                call_fail(call, error);
                return;
        }
        Entry *entry = g_new0(Entry, 1);
        *entry = (Entry){
                .connection = domain->connection, .container = domain->run, .call = call, .report = -1, .is_program = program
        };
        for (size_t i = 0; i < N_HANDED; i++)
                entry->handed[i] = -1;
        g_hash_table_add(domain->connection->data, entry);
        entry->container->left = leave;
        if (begin(entry, program, process, number, &error))
                return;
        g_autoptr(GError) named = domain_name_error(domain, error);
        call_fail(call, named);
        forget_call(entry);
        if (!entry->process) /* else that is seen to end */
                entry_free(entry);
}

static void run(Domain *domain, const ContainerProgram *program, Call *call) {
        enter(domain, program, 0, 0, call);
}

/* Its first process takes from within only signals that it handles; from here also those that end it. */
static void send_signal(Domain *domain, int64_t process, int number, Call *call) {
        const Container *container = domain->run;
        g_autoptr(GError) error = NULL;
        if (process != 1) {
                enter(domain, NULL, process, number, call);
                return;
        }
        if (!check_runs(domain, &error))
                ;
        else if (syscall(SYS_pidfd_send_signal, container->init, number, NULL, 0) < 0)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "its first process cannot be sent the signal: %s",
                            g_strerror(errno));
        if (error)
                call_fail(call, error);
        else
                reply_domain_container_send_signal(call);
}

/* Namespaces */

static int append_namespaces(sd_bus_message *answer, const Container *container, bool has_users) {
        static const char *const names[] = { "mnt", "uts", "ipc", "net", "cgroup", "pid", "user" };
        int r = sd_bus_message_open_container(answer, 'a', "{sh}");
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(names) - !has_users; i++) {
                g_autofree char *path = g_strdup_printf("/proc/%d/ns/%s", container->pid, names[i]);
                g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
                r = fd < 0 ? -errno : sd_bus_message_append(answer, "{sh}", names[i], fd);
        }
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

static void open_namespaces(Domain *domain, Call *call) {
        const Container *container = domain->run;
        g_autoptr(GError) error = NULL;
        sd_bus_message *answer = NULL;
        if (!container_check_runs(domain, &error)) {
                call_fail(call, error);
                return;
        }
        g_autoptr(xmlDoc) document = definition_document(domain->live, NULL);
        bool has_users = document && xml_child(xmlDocGetRootElement(document), "idmap");
        int r = call_begin_answer(call, &answer);
        if (r >= 0)
                r = append_namespaces(answer, container, has_users);
        /* Looked at after they are open: its number was nobody else's. */
        if (container_has_ended(container->init))
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it has ended");
        else if (r < 0)
                virtbus_error_set_errno(&error, -r, "the namespaces of domain '%s' cannot be opened", domain_name(domain));
        if (error)
                call_fail(call, error);
        else
                call_send_answer(call, answer);
        sd_bus_message_unref(answer);
}

const HypervisorContainers container_entries = {
        .open_namespaces = open_namespaces,
        .send_signal = send_signal,
        .run = run,
};
