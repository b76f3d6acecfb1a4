/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest.h"

#include "qemu/guest/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "bus.h"
#include "domain/connection-table.h"
#include "domain/domain-event.h"
#include "domain/domain-recover.h"
#include "domain/domain-run.h"
#include "domain/domain-status.h"
#include "domain/operations/device-change.h"
#include "domain/operations/dump.h"
#include "domain/operations/reattach.h"
#include "domain/operations/save.h"
#include "domain/operations/start.h"
#include "log.h"
#include "qemu/guest/guest-log.h"
#include "qemu/guest/qemu-words.h"
#include "qemu/guest/scope.h"
#include "qemu/guest/threads.h"
#include "qemu/host/claims.h"
#include "qemu/host/runtime.h"
#include "qemu/host/unix-socket.h"
#include "qemu/monitor/script.h"

/* How long a QEMU may take from its start to its greeting, in microseconds. */
#define START_TIMEOUT (30 * UINT64_C(1000000))

/* How long a QEMU that has closed its monitor may take to end, in microseconds, before what waits for its events fails. */
#define CLOSED_GRACE (5 * UINT64_C(1000000))

/* Beside a monitor's socket: the process of its QEMU, when that began, and the domain's name. */
#define PID_SUFFIX ".pid"

/* What QEMU locks besides the guest's memory when a device of the host's can reach that: tables of the IOMMU, and its registers. */
#define LOCKED_OVERHEAD (UINT64_C(1) << 30)

static char *log_path(const Domain *domain) {
        return guest_log_path(domain->connection, domain->uuid);
}

/* Guests */

static Guest *guest_new(Domain *domain) {
        Guest *guest = g_new0(Guest, 1);
        guest->domain = domain;
        guest->emulator = command_line_emulator(domain->live);
        guest->directory = g_build_filename(domain->connection->runtime_directory, domain->uuid, NULL);
        guest->monitor_path = g_build_filename(host_of(domain->connection)->monitors, domain->uuid, NULL);
        guest->pid_path = g_strconcat(guest->monitor_path, PID_SUFFIX, NULL);
        guest->monitor_listener = -1;
        guest->agent_timeout = AGENT_WAIT_DEFAULT;
        guest->sockets = g_ptr_array_new_with_free_func((GDestroyNotify) unix_socket_free);
        guest->terminals = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        guest->streams = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) console_free);
        domain->run = guest;
        return guest;
}

void guest_close_agent(Guest *guest) {
        g_autoptr(GError) error = NULL;
        if (!guest->object)
                return;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_AGENT_UNAVAILABLE, "it has ended");
        guest_object_free(guest->object, error);
        guest->object = NULL;
}

/* What a guest held of the host, and its traces in the file system, being given back by a worker. The guest may be gone when it is done. */
struct Returning {
        Guest *guest;
        Connection *connection;
        char *uuid, *alias, *folder;
        GPtrArray *sockets; /* UnixSocket */
        uid_t uid;
        GError *error;
        ThingsReturned done;
};

static void return_in_worker(void *data, GError **error) {
        const struct Returning *returning = data;
        (void) error;
        claims_give_back(returning->connection, returning->uuid, returning->alias);
        for (guint i = 0; returning->sockets && i < returning->sockets->len; i++)
                unix_remove(returning->sockets->pdata[i], returning->uid);
        if (returning->folder)
                runtime_remove(returning->folder);
}

static void on_returned(void *data, const GError *unused) {
        struct Returning *returning = data;
        (void) unused;
        if (returning->guest) {
                g_queue_remove(&returning->guest->returnings, returning);
                returning->done(returning->guest, returning->alias, returning->error);
        }
        g_clear_error(&returning->error);
        g_clear_pointer(&returning->sockets, g_ptr_array_unref);
        g_free(returning->folder);
        g_free(returning->uuid);
        g_free(returning->alias);
        g_free(returning);
}

static struct Returning *returning_new(Guest *guest, const char *alias, const GError *error, ThingsReturned done) {
        struct Returning *returning = g_new0(struct Returning, 1);
        *returning = (struct Returning){
                .guest = guest,
                .connection = guest->domain->connection,
                .uuid = g_strdup(guest->domain->uuid),
                .alias = g_strdup(alias),
                .uid = host_of(guest->domain->connection)->uid,
                .error = error ? g_error_copy(error) : NULL,
                .done = done,
        };
        g_queue_push_tail(&guest->returnings, returning);
        return returning;
}

void guest_return_things(Guest *guest, const char *alias, const GError *error, ThingsReturned done) {
        Connection *connection = guest->domain->connection;
        if (claims_any(connection, guest->domain->uuid))
                worker_run(connection->worker, return_in_worker, on_returned, returning_new(guest, alias, error, done));
        else
                done(guest, alias, error);
}

/* What a guest that has ended leaves in the file system goes with what it held. */
static void return_everything(Guest *guest, const GError *error, ThingsReturned done) {
        Connection *connection = guest->domain->connection;
        struct Returning *returning = returning_new(guest, NULL, error, done);
        unlink(guest->monitor_path);
        unlink(guest->pid_path);
        scope_end(guest);
        returning->folder = runtime_put_aside(connection->runtime_directory, guest->domain->uuid);
        returning->sockets = g_steal_pointer(&guest->sockets);
        guest->sockets = g_ptr_array_new_with_free_func((GDestroyNotify) unix_socket_free);
        worker_run(connection->worker, return_in_worker, on_returned, returning);
}

/* Sockets */

typedef struct Removal {
        GPtrArray *sockets; /* UnixSocket */
        uid_t uid;
} Removal;

static void remove_in_worker(void *data, GError **error) {
        const Removal *removal = data;
        (void) error;
        for (guint i = 0; i < removal->sockets->len; i++)
                unix_remove(removal->sockets->pdata[i], removal->uid);
}

static void on_removed(void *data, const GError *error) {
        Removal *removal = data;
        (void) error;
        g_ptr_array_unref(removal->sockets);
        g_free(removal);
}

void guest_keep_sockets(Guest *guest, const GPtrArray *files, const GPtrArray *paths) {
        for (guint i = 0; i < files->len; i++) {
                const File *file = files->pdata[i];
                if (file->socket)
                        g_ptr_array_add(guest->sockets, unix_socket_copy(file->socket));
        }
        for (guint i = 0; paths && i < paths->len; i++)
                g_ptr_array_add(guest->sockets, unix_socket_new(paths->pdata[i], 0, 0));
}

void guest_remove_sockets(Guest *guest, guint from, const char *path) {
        Connection *connection = guest->domain->connection;
        Removal *removal = g_new0(Removal, 1);
        *removal = (Removal){ g_ptr_array_new_with_free_func((GDestroyNotify) unix_socket_free), host_of(connection)->uid };
        for (guint i = guest->sockets->len; i-- > from;)
                if (!path || strcmp(((UnixSocket *) guest->sockets->pdata[i])->path, path) == 0)
                        g_ptr_array_add(removal->sockets, g_ptr_array_steal_index(guest->sockets, i));
        worker_run(connection->worker, remove_in_worker, on_removed, removal);
}

struct Connecting {
        Guest *guest;
        UnixSocket *socket; /* NULL: there is none */
        int fd;
        GuestConnected done;
        void *data;
};

static void connect_in_worker(void *data, GError **error) {
        struct Connecting *connecting = data;
        (void) error;
        if (connecting->socket)
                connecting->fd = unix_connect(connecting->socket);
}

static void on_connected(void *data, const GError *error) {
        struct Connecting *connecting = data;
        (void) error;
        if (connecting->guest)
                g_queue_remove(&connecting->guest->connectings, connecting);
        connecting->done(connecting->guest, connecting->fd, connecting->data);
        g_clear_pointer(&connecting->socket, unix_socket_free);
        g_free(connecting);
}

void guest_connect(Guest *guest, const char *path, GuestConnected done, void *data) {
        struct Connecting *connecting = g_new0(struct Connecting, 1);
        *connecting = (struct Connecting){ .guest = guest, .fd = -ENOTSOCK, .done = done, .data = data };
        for (guint i = 0; i < guest->sockets->len; i++) {
                const UnixSocket *known = guest->sockets->pdata[i];
                if (known->inode != 0 && strcmp(known->path, path) == 0) {
                        g_clear_pointer(&connecting->socket, unix_socket_free);
                        connecting->socket = unix_socket_copy(known);
                }
        }
        g_queue_push_tail(&guest->connectings, connecting);
        worker_run(guest->domain->connection->worker, connect_in_worker, on_connected, connecting);
}

/* Lets go of a guest, which may run on. */
static void guest_free(Guest *guest) {
        guest->domain->run = NULL;
        if (guest->opening)
                guest->opening->guest = NULL;
        guest_close_agent(guest);
        g_clear_pointer(&guest->monitor, monitor_free);
        g_clear_pointer(&guest->events, event_flow_free);
        g_clear_pointer(&guest->process, process_free);
        g_clear_pointer(&guest->former, process_free);
        sd_event_source_disable_unref(guest->timeout);
        progress_end(guest);
        control_free(guest);
        hotplug_free(guest);
        collect_free(guest);
        scope_forget(guest);
        threads_forget(guest);
        for (GList *link = guest->returnings.head; link; link = link->next)
                ((struct Returning *) link->data)->guest = NULL;
        g_queue_clear(&guest->returnings);
        for (GList *link = guest->connectings.head; link; link = link->next)
                ((struct Connecting *) link->data)->guest = NULL;
        g_queue_clear(&guest->connectings);
        g_clear_error(&guest->failure);
        if (guest->document)
                xmlFreeDoc(guest->document);
        if (guest->line)
                command_line_free(guest->line);
        autofd_close(&guest->monitor_listener);
        consoles_leave(guest);
        g_hash_table_unref(guest->streams);
        g_hash_table_unref(guest->terminals);
        g_ptr_array_unref(guest->sockets);
        if (guest->asks)
                capabilities_forget(host_of(guest->domain->connection)->capabilities, guest);
        g_clear_pointer(&guest->capabilities, capabilities_unref);
        g_free(guest->stranger);
        g_free(guest->agent_alias);
        g_free(guest->emulator);
        g_free(guest->directory);
        g_free(guest->monitor_path);
        g_free(guest->pid_path);
        g_free(guest);
}

void guest_release(Domain *domain) {
        guest_free(domain->run);
}

/* What QEMU wrote last in this run. */
static char *log_tail(const Guest *guest) {
        g_autofree char *path = log_path(guest->domain);
        g_autofree char *tail = guest_log_tail(path, guest->log_start);
        return qemu_words(guest->line, tail);
}

static void end_guest(Guest *guest, const char *unused, const GError *error) {
        Domain *domain = guest->domain;
        Operation *operation = guest->operation;
        bool clean = guest->ended_well;
        (void) unused;
        guest_free(guest);
        if (operation)
                operation_finish(operation, error);
        else
                domain_stopped(domain, clean ? REASON_SHUTDOWN : REASON_FAILED, error);
}

/* The guest has no process, or none any more: what it held and its traces go, and the operation, or the domain's run, ends. */
static void finish_guest(Guest *guest, const GError *error) {
        if (guest->has_ended)
                return; /* it is being done already */
        guest->has_ended = true;
        return_everything(guest, error, end_guest);
}

/* Ends a guest that does not start as it should; fail_start follows when its process has ended. */
static void abort_start(Guest *guest, const GError *error) {
        if (!guest->failure)
                guest->failure = qemu_error(guest->domain, guest->line, error);
        process_end(guest->process);
}

/* The disk whose image QEMU could not lock, by the name of its node in what QEMU has said; or NULL. */
static const DeviceDefinition *find_locked(const Domain *domain, const char *words) {
        const GPtrArray *devices = domain_definition(domain)->devices;
        for (guint i = 0; qemu_cannot_lock(words) && i < devices->len; i++) {
                const DeviceDefinition *device = devices->pdata[i];
                g_autofree char *node = g_strdup_printf("\"%s-", device->alias);
                if (device->device_class == DEVICE_DISK && strstr(words, node))
                        return device;
        }
        return NULL;
}

/* Why QEMU has ended, as far as it has said so. */
static void tell_end(Domain *domain, const char *words, GError **error) {
        g_autofree char *log = log_path(domain);
        const DeviceDefinition *locked = find_locked(domain, words);
        if (locked)
                qemu_fail_locked(domain, locked->alias, locked->target, locked->source, error);
        else
                domain_fail(domain, error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU has ended%s%s; its log is %s",
                            *words ? ": " : "", words, log);
}

static void on_ended(void *data, int status) {
        Guest *guest = data;
        Domain *domain = guest->domain;
        g_autofree char *tail = log_tail(guest);
        g_autoptr(GError) error = g_steal_pointer(&guest->failure);
        if (!error && domain->state == DOMAIN_STOPPING)
                domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed");
        else if (!error)
                tell_end(domain, tail, &error);
        if (guest->monitor) /* whoever waits for an answer of it gets none */
                monitor_end(guest->monitor, error);
        guest->ended_well = status == 0;
        finish_guest(guest, error);
}

/* Events */

static bool is_operations_doing(const Domain *domain) {
        return domain->operation && domain->operation->class->tells_state;
}

static void on_stop(Guest *guest, JsonObject *unused) {
        Domain *domain = guest->domain;
        (void) unused;
        if (is_operations_doing(domain))
                return;
        DomainReason reason = guest->pause_reason;
        if (operation_is(domain->operation, &dump_class))
                reason = REASON_DUMP;
        else if (operation_is(domain->operation, &save_class))
                reason = REASON_SAVING;
        if (domain->state == DOMAIN_RUNNING)
                domain_changed(domain, DOMAIN_PAUSED, reason);
        guest->pause_reason = REASON_UNKNOWN;
}

static void on_resume(Guest *guest, JsonObject *unused) {
        Domain *domain = guest->domain;
        (void) unused;
        if (is_operations_doing(domain))
                return;
        if (domain->state == DOMAIN_PAUSED)
                domain_changed(domain, DOMAIN_RUNNING, REASON_RESUMED);
}
/* The guest has opened or closed a port of its virtio-serial bus. */
static void on_port_changed(Guest *guest, JsonObject *arguments) {
        JsonNode *open = arguments ? json_object_get_member(arguments, "open") : NULL;
        if (guest->object && open && JSON_NODE_HOLDS_VALUE(open) &&
            g_strcmp0(json_string(arguments, "id"), guest->agent_alias) == 0)
                guest_object_set_connected(guest->object, json_node_get_boolean(open));
}

/* QEMU names the node, whose name begins with the disk's. */
static void on_disk_error(Guest *guest, JsonObject *arguments) {
        const char *node = json_string(arguments, "node-name");
        JsonNode *full = arguments ? json_object_get_member(arguments, "nospace") : NULL;
        bool no_space = full && JSON_NODE_HOLDS_VALUE(full) && json_node_get_boolean(full);
        for (guint i = 0; node && i < guest->domain->live->devices->len; i++) {
                const DeviceDefinition *device = guest->domain->live->devices->pdata[i];
                g_autofree char *prefix = command_line_node_prefix(device->alias);
                if (device->device_class == DEVICE_DISK && command_line_node_layer(prefix, node) >= 0)
                        domain_disk_failed(guest->domain, device->alias, no_space ? "no-space" : "failed");
        }
}

static void on_shutdown(Guest *guest, JsonObject *arguments) {
        const char *reason = json_string(arguments, "reason");
        if (g_strcmp0(reason, "guest-reset") == 0) /* on_reboot is destroy */
                domain_guest_event(guest->domain, GUEST_REBOOT);
        else if (reason && g_str_has_prefix(reason, "guest-"))
                domain_guest_event(guest->domain, GUEST_SHUTDOWN);
}

static void on_reset(Guest *guest, JsonObject *arguments) {
        if (g_strcmp0(json_string(arguments, "reason"), "guest-reset") == 0)
                domain_guest_event(guest->domain, GUEST_REBOOT);
}

static void on_sleep(Guest *guest, JsonObject *unused) {
        (void) unused;
        domain_guest_event(guest->domain, GUEST_SLEEP);
}

static void on_wakeup(Guest *guest, JsonObject *unused) {
        (void) unused;
        domain_guest_event(guest->domain, GUEST_WAKE);
}

static void on_panicked(Guest *guest, JsonObject *unused) {
        (void) unused;
        domain_guest_event(guest->domain, GUEST_CRASH);
}

static void on_ballooned(Guest *guest, JsonObject *arguments) {
        gint64 size = json_int(arguments, "actual", -1);
        if (size <= 0 || (uint64_t) size > guest->domain->live->max_memory)
                return;
        collect_ballooned(guest, (uint64_t) size);
        domain_memory_changed(guest->domain, (uint64_t) size);
}

static void on_io_error(Guest *guest, JsonObject *arguments) {
        on_disk_error(guest, arguments);
        if (g_strcmp0(json_string(arguments, "action"), "stop") == 0)
                guest->pause_reason = REASON_IO_ERROR;
}

static void on_acpi_status(Guest *guest, JsonObject *arguments) {
        hotplug_on_acpi_status(guest, json_member(arguments, "info"));
}

/* What a guest is at, as far as it matters to what its QEMU may tell. */
typedef enum GuestPhase {
        PHASE_BEGINNING = 1,   /* its processors have not run yet */
        PHASE_SETTING_OUT = 2, /* they have been told to, and the start is not at its end */
        PHASE_FINDING = 4,     /* after a driver's restart: what has happened before will be asked */
        PHASE_RUNNING = 8,
        PHASE_ENDING = 16, /* nothing that it tells matters any more */
} GuestPhase;

static GuestPhase phase_of(const Guest *guest) {
        if (guest->has_ended || guest->failure || guest->domain->state == DOMAIN_STOPPING)
                return PHASE_ENDING;
        if (!guest->operation)
                return PHASE_RUNNING;
        if (operation_is(guest->operation, &reattach_class))
                return PHASE_FINDING;
        return guest->has_set_out ? PHASE_SETTING_OUT : PHASE_BEGINNING;
}

/* Events, and when one is believed: a QEMU that the guest has taken over tells what it likes. What an operation waits for is taken once, by that. */
static const struct {
        const char *name;
        unsigned phases; /* GuestPhase */
        void (*take)(Guest *guest, JsonObject *arguments);
} events[] = {
        { "VSERPORT_CHANGE", PHASE_BEGINNING | PHASE_SETTING_OUT | PHASE_FINDING | PHASE_RUNNING, on_port_changed },
        { "SHUTDOWN", PHASE_SETTING_OUT | PHASE_RUNNING, on_shutdown },
        { "RESET", PHASE_SETTING_OUT | PHASE_RUNNING, on_reset },
        { "SUSPEND", PHASE_RUNNING, on_sleep },
        { "WAKEUP", PHASE_RUNNING, on_wakeup },
        { "STOP", PHASE_RUNNING, on_stop },
        { "RESUME", PHASE_RUNNING, on_resume },
        { "BALLOON_CHANGE", PHASE_SETTING_OUT | PHASE_FINDING | PHASE_RUNNING, on_ballooned },
        { "GUEST_PANICKED", PHASE_SETTING_OUT | PHASE_RUNNING, on_panicked },
        { "BLOCK_IO_ERROR", PHASE_SETTING_OUT | PHASE_FINDING | PHASE_RUNNING, on_io_error },
        { "DUMP_COMPLETED", PHASE_RUNNING, dump_completed },
        { "MIGRATION", PHASE_BEGINNING | PHASE_RUNNING, migration_on_event },
        { "DEVICE_DELETED", PHASE_FINDING | PHASE_RUNNING, hotplug_on_deleted },
        { "DEVICE_UNPLUG_GUEST_ERROR", PHASE_RUNNING, hotplug_on_refused },
        { "MEM_UNPLUG_ERROR", PHASE_RUNNING, hotplug_on_refused },
        { "ACPI_DEVICE_OST", PHASE_RUNNING, on_acpi_status },
};

/* Whether what QEMU tells matters at all. */
static bool is_event(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(events); i++)
                if (strcmp(events[i].name, name) == 0)
                        return true;
        return false;
}

static void take_event(void *data, const char *name, JsonObject *arguments) {
        Guest *guest = data;
        GuestPhase phase = phase_of(guest);
        for (size_t i = 0; i < G_N_ELEMENTS(events); i++)
                if (strcmp(events[i].name, name) == 0) {
                        if (events[i].phases & phase)
                                events[i].take(guest, arguments);
                        return;
                }
}

static void on_event(void *data, const char *name, JsonObject *arguments) {
        Guest *guest = data;
        static const char *const obeyed[] = { "SHUTDOWN", "RESET", "SUSPEND", "SUSPEND_DISK", NULL };
        GuestPhase phase = phase_of(guest);
        if (guest->object && phase != PHASE_ENDING && g_strv_contains(obeyed, name))
                guest_object_machine_obeys(guest->object);
        if (is_event(name))
                event_flow_told(guest->events, name, arguments);
}

bool guest_take_awaited(Guest *guest, GuestAwaits awaited) {
        bool is_due = guest->awaits == awaited;
        if (is_due)
                guest->awaits = AWAITS_NOTHING;
        return is_due;
}

/* REATTACH: its QEMU does not answer as one. */
static void leave_alone(Guest *guest, const char *why) {
        Operation *operation = g_steal_pointer(&guest->operation);
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        log_error("domain '%s': its QEMU cannot be asked: %s; it runs on, and Destroy can end it", domain_name(guest->domain),
                  why);
        operation_finish(operation, NULL);
}

/* No event will end what waits for one. */
static void give_up_waiting(Guest *guest, const GError *error) {
        if (guest->has_ended || guest->operation)
                return;
        migration_give_up(guest, error);
        dump_give_up(guest, error);
        hotplug_give_up(guest, error);
}

static int on_runs_on(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU has closed its monitor, and runs on");
        give_up_waiting(guest, error);
        return 0;
}

static void on_silent(void *data, const GError *error) {
        Guest *guest = data;
        if (operation_is(guest->operation, &start_class)) {
                abort_start(guest, error);
                return;
        }
        log_error("domain '%s': %s; what is asked of it fails until it answers again, and Destroy can end it",
                  domain_name(guest->domain), error->message);
        if (guest->operation)
                leave_alone(guest, error->message);
        give_up_waiting(guest, error);
}

static void on_closed(void *data, const GError *error) {
        Guest *guest = data;
        /* Mostly because the process ends, which is seen next, with QEMU's words in its log. */
        if (operation_is(guest->operation, &start_class))
                process_end(guest->process);
        else if (guest->operation)
                leave_alone(guest, error->message);
        else if (guest->domain->state != DOMAIN_STOPPING) {
                log_warning("domain '%s': %s", domain_name(guest->domain), error->message);
                sd_event_source_disable_unref(guest->timeout);
                sd_event_add_time_relative(guest->domain->connection->event, &guest->timeout, CLOCK_MONOTONIC, CLOSED_GRACE, 0,
                                           on_runs_on, guest);
        }
}

static void on_ready(void *data);

static const MonitorListener monitor_listener = {
        .ready = on_ready,
        .event = on_event,
        .closed = on_closed,
        .silent = on_silent,
};

/* Connects to the monitor: its socket listens, whether QEMU runs yet or not. */
static bool open_monitor(Guest *guest, GError **error) {
        int fd = unix_connect_own(guest->monitor_path);
        if (fd < 0)
                return virtbus_error_set_errno(error, -fd, "domain '%s': QEMU's monitor %s cannot be connected to",
                                               domain_name(guest->domain), guest->monitor_path);
        guest->events = event_flow_new(guest->domain->connection->event, take_event, guest);
        const Connection *connection = guest->domain->connection;
        guest->monitor = monitor_new(connection->event, fd, &monitor_listener, guest, error);
        if (guest->monitor && operation_is(guest->operation, &reattach_class))
                monitor_skip_remainder(guest->monitor);
        if (guest->monitor && connection->answer_timeout > 0)
                monitor_set_patience(guest->monitor, connection->answer_timeout);
        return guest->monitor != NULL;
}

static bool listen_for_monitor(Guest *guest, GError **error) {
        g_autoptr(UnixSocket) made = NULL;
        guest->monitor_listener = unix_listen(guest->monitor_path, 0600, &made);
        if (guest->monitor_listener == -ENAMETOOLONG)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                         "the path %s is too long for a socket: keep the runtime directory's short",
                                         guest->monitor_path);
        if (guest->monitor_listener == -EADDRINUSE)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                "a QEMU of an earlier run still listens at %s, and nothing says which process it is: end it",
                                guest->monitor_path);
        return guest->monitor_listener >= 0 ||
               virtbus_error_set_errno(error, -guest->monitor_listener, "the socket %s cannot be made", guest->monitor_path);
}

static void take_capabilities(Guest *guest) {
        Capabilities *known = capabilities_find(host_of(guest->domain->connection)->capabilities, guest->emulator);
        guest->capabilities = known ? capabilities_ref(known) : NULL;
}

static void on_learned(void *data) {
        Guest *guest = data;
        guest->asks = false;
        take_capabilities(guest);
        domain_save_status(guest->domain);
}

/* Starting does not wait for the answer, nor share its processors with the QEMUs that are asked: it is written into the status when it
 * comes. */
static void learn_capabilities(Guest *guest) {
        g_autofree ExecutableIdentity *identity = g_steal_pointer(&guest->stranger);
        if (!identity)
                return;
        guest->asks = true;
        if (capabilities_learn(host_of(guest->domain->connection)->capabilities, guest->emulator, identity, on_learned, guest))
                on_learned(guest);
}

/* Starting, step by step: files by a worker; process; QEMU's greeting; terminals; processors. */

static void finish_start(Guest *guest, const GError *error) {
        Operation *operation = guest->operation;
        g_autoptr(Domain) domain = domain_ref(guest->domain);
        if (!operation || guest->failure)
                return; /* it fails already, and that is told when its process has ended */
        if (error) {
                abort_start(guest, error);
                return;
        }
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        guest->operation = NULL;
        g_clear_pointer(&guest->document, xmlFreeDoc);
        operation_finish(operation, NULL);
        if (domain->run == guest && !guest->has_ended)
                learn_capabilities(guest);
}

static void on_continued(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        finish_start(data, error);
}

static void run_processors(Guest *guest);

void guest_loaded(Guest *guest, const GError *error) {
        if (error)
                finish_start(guest, error);
        else
                run_processors(guest);
}

static void set_out(Guest *guest);

static void on_threads_placed(Guest *guest, const GError *error) {
        if (error)
                finish_start(guest, error);
        else
                set_out(guest);
}

/* Its threads go where they belong before they have much to do. */
static void place_threads(Guest *guest) {
        if (threads_are_placed(guest->document))
                threads_place(guest, xmlCopyDoc(guest->document, 1), on_threads_placed);
        else
                set_out(guest);
}

/* What the machine is to begin with: its own start, or what was saved. */
static void set_out(Guest *guest) {
        if (!guest->operation || guest->failure)
                return;
        if (start_restoring_fd(guest->operation) < 0) {
                run_processors(guest);
                return;
        }
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        migration_load(guest);
}

static void run_processors(Guest *guest) {
        if (start_is_paused(guest->operation))
                finish_start(guest, NULL);
        else {
                guest->has_set_out = true;
                monitor_command(guest->monitor, "cont", NULL, -1, on_continued, guest);
        }
}

void guest_write_terminals(const Guest *guest, const Definition *definition, xmlDoc *document) {
        xmlNode *element = definition_first_device(document);
        for (guint i = 0; element; element = definition_next_device(element), i++) {
                const DeviceDefinition *part = definition->devices->pdata[i];
                const char *terminal = g_hash_table_lookup(guest->terminals, part->alias);
                if (terminal)
                        xml_set_attribute(xml_ensure_child(element, "source"), "path", terminal);
        }
}

/* What a start went on without: startupPolicy. A drive is empty then. */
static void drop_missing(xmlDoc *document) {
        for (xmlNode *element = definition_first_device(document), *next; element; element = next) {
                xmlNode *source = xml_child(element, "source");
                next = definition_next_device(element);
                if (!xml_attribute_is(source, "missing", "yes"))
                        continue;
                bool is_drive = xml_attribute_is(element, "device", "cdrom") || xml_attribute_is(element, "device", "floppy");
                xml_remove(is_drive ? source : element);
        }
}

/* The live definition: what was written, with what was chosen for this run. */
static void set_live(Guest *guest) {
        g_autoptr(GError) error = NULL;
        guest_write_terminals(guest, guest->domain->live, guest->document);
        drop_missing(guest->document);
        g_autoptr(Definition) live = definition_from_document(guest->document, &error);
        if (live)
                domain_set_live(guest->domain, live);
        else
                log_error("domain '%s': its live document cannot be read: %s", domain_name(guest->domain), error->message);
}

/* What query-chardev calls a pseudo terminal, before its number. */
#define TERMINAL "pty:/dev/pts/"

void guest_take_terminals(Guest *guest, JsonObject *answer) {
        JsonArray *chardevs = json_array(answer, "return");
        /* No more than there can be devices, whatever a QEMU tells: they are written into its status. */
        for (guint i = 0; chardevs && i < MIN(json_array_get_length(chardevs), DEVICES_MAX); i++) {
                JsonObject *chardev = json_object_at(chardevs, i);
                const char *label = json_string(chardev, "label"), *file = json_string(chardev, "filename");
                /* Only the kernel's terminals: a QEMU that names another file will not have it opened. */
                const char *number = file && g_str_has_prefix(file, TERMINAL) ? file + strlen(TERMINAL) : "";
                if (label && g_str_has_prefix(label, "char") && *number && strspn(number, "0123456789") == strlen(number))
                        g_hash_table_insert(guest->terminals, g_strdup(label + strlen("char")), g_strdup(file + strlen("pty:")));
        }
}

static void on_chardevs(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        if (error) {
                finish_start(guest, error);
                return;
        }
        guest_take_terminals(guest, answer);
        set_live(guest);
        place_threads(guest);
}

static void run_commands(Guest *guest);

struct Script *guest_script_new(Guest *guest) {
        if (!guest->scripts)
                guest->scripts = g_hash_table_new_full(g_direct_hash, g_direct_equal, (GDestroyNotify) script_free, NULL);
        return script_new(guest->monitor, guest->scripts);
}

static void on_command_run(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        (void) answer;
        if (error)
                finish_start(guest, error);
        else
                run_commands(guest);
}

/* What the document asks for and no argument can say; then the terminals. */
static void run_commands(Guest *guest) {
        GPtrArray *commands = guest->line->commands;
        if (commands->len > 0) {
                MonitorRequest *request = g_ptr_array_steal_index(commands, 0);
                monitor_command(guest->monitor, request->name, json_object_ref(request->arguments), request->fd, on_command_run,
                                guest);
                monitor_request_free(request);
        } else if (guest->line->consoles->len > 0)
                monitor_command(guest->monitor, "query-chardev", NULL, -1, on_chardevs, guest);
        else
                place_threads(guest);
}

static void on_status(void *data, JsonObject *answer, const GError *error) {
        /* QEMU's run states, and what they are to a user. */
        static const struct {
                const char *status;
                DomainState state;
                DomainReason reason;
        } states[] = {
                { "running", DOMAIN_RUNNING, REASON_REATTACHED },     { "paused", DOMAIN_PAUSED, REASON_USER },
                { "prelaunch", DOMAIN_PAUSED, REASON_USER },          { "io-error", DOMAIN_PAUSED, REASON_IO_ERROR },
                { "guest-panicked", DOMAIN_CRASHED, REASON_CRASHED }, { "suspended", DOMAIN_PMSUSPENDED, REASON_UNKNOWN },
                { "postmigrate", DOMAIN_PAUSED, REASON_SAVING },      { "finish-migrate", DOMAIN_PAUSED, REASON_SAVING },
        };
        Guest *guest = data;
        Domain *domain = guest->domain;
        Operation *operation = g_steal_pointer(&guest->operation); /* NULL: it answers again after it was silent */
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        const char *status = json_string(json_member(answer, "return"), "status");
        if (!error)
                for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
                        if (g_strcmp0(status, states[i].status) == 0 && domain->state != states[i].state)
                                domain_changed(domain, states[i].state, states[i].reason);
        if (error)
                log_warning("domain '%s': %s", domain_name(domain), error->message);
        if (operation)
                operation_finish(operation, NULL);
        if (domain->was_saving && !error)
                migration_recover(guest);
        if (g_strcmp0(status, "shutdown") == 0)
                domain_guest_event(domain, GUEST_SHUTDOWN);
}

/* Whether the guest had opened its agent's port before this driver was there. */
static void on_ports_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        JsonArray *chardevs = json_array(answer, "return");
        for (guint i = 0; !error && chardevs && i < json_array_get_length(chardevs); i++) {
                JsonObject *chardev = json_object_at(chardevs, i);
                const char *label = json_string(chardev, "label");
                JsonNode *open = chardev ? json_object_get_member(chardev, "frontend-open") : NULL;
                if (label && g_str_has_prefix(label, "char") && g_strcmp0(label + strlen("char"), guest->agent_alias) == 0 &&
                    open && JSON_NODE_HOLDS_VALUE(open) && guest->object)
                        guest_object_set_connected(guest->object, json_node_get_boolean(open));
        }
}

/* What goes on when the agent's socket is connected to, or cannot be. */
typedef struct AgentSearch {
        char *alias; /* of its channel */
        void (*done)(Guest *guest);
} AgentSearch;

static void on_agent_connected(Guest *guest, int fd, void *data) {
        AgentSearch *search = data;
        if (guest && fd < 0)
                log_warning("domain '%s': the socket of its agent's %s cannot be opened: %s", domain_name(guest->domain),
                            search->alias, g_strerror(-fd));
        if (guest && fd >= 0 && !guest->object && !guest->has_ended) {
                g_free(guest->agent_alias);
                guest->agent_alias = g_strdup(search->alias);
                guest->object = guest_object_new(guest->domain, fd);
                guest_object_restore_timeout(guest->object, guest->agent_timeout);
                monitor_command(guest->monitor, "query-chardev", NULL, -1, on_ports_known, guest);
        } else
                autofd_close(&fd);
        if (guest && search->done)
                search->done(guest);
        g_free(search->alias);
        g_free(search);
}

/* Connects to the agent's socket, once: QEMU has said hello, so that it listens. Then DONE, which may be NULL. */
static void find_agent(Guest *guest, const xmlDoc *document, void (*done)(Guest *guest)) {
        guint i;
        xmlNode *channel = guest->object || !document ? NULL : guest_object_channel((xmlDoc *) document, &i);
        g_autofree char *path = xml_attribute(xml_child(channel, "source"), "path");
        if (!channel) {
                if (done)
                        done(guest);
                return;
        }
        AgentSearch *search = g_new0(AgentSearch, 1);
        *search = (AgentSearch){ g_strdup(((DeviceDefinition *) guest->domain->live->devices->pdata[i])->alias), done };
        guest_connect(guest, path ? path : "", on_agent_connected, search);
}

static void find_live_agent(Guest *guest, void (*done)(Guest *guest)) {
        g_autoptr(xmlDoc) document = xml_parse(guest->domain->live->xml, "domain", NULL);
        find_agent(guest, document, done);
}

void guest_find_agent(Guest *guest) {
        find_live_agent(guest, NULL);
}

/* It may have begun to end since. */
static void go_on(Guest *guest) {
        if (guest->has_ended || guest->failure)
                return;
        if (!guest->operation || operation_is(guest->operation, &reattach_class)) {
                hotplug_recover(guest);
                monitor_command(guest->monitor, "query-status", NULL, -1, on_status, guest);
        } else
                run_commands(guest);
}

static void on_ready(void *data) {
        Guest *guest = data;
        if (!guest->operation)
                log_warning("domain '%s': its QEMU answers again", domain_name(guest->domain));
        if (!guest->operation || operation_is(guest->operation, &reattach_class))
                find_live_agent(guest, go_on);
        else
                find_agent(guest, guest->document, go_on);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        g_autoptr(GError) error = NULL;
        g_autofree char *tail = log_tail(guest), *emulator = command_line_emulator(guest->domain->live);
        (void) source;
        (void) usec;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_TIMEOUT,
                    "%s did not answer within %d seconds; is it a QEMU of 7.2 or later?%s%s", emulator,
                    (int) (START_TIMEOUT / 1000000), *tail ? " It said: " : "", tail);
        abort_start(guest, error);
        return 0;
}

static int open_log(Guest *guest, GError **error) {
        g_autofree char *path = log_path(guest->domain);
        g_autofd int fd = guest_log_open(path);
        if (fd < 0) {
                virtbus_error_set_errno(error, -fd, "the log %s cannot be written", path);
                return -1;
        }
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *time = g_date_time_format_iso8601(now),
                        *command = g_strjoinv(" ", (char **) guest->line->arguments->pdata);
        dprintf(fd, "%s domain '%s' starts: %s\n", time, domain_name(guest->domain), command);
        guest->log_start = lseek(fd, 0, SEEK_END);
        return steal_fd(&fd);
}

/* It is where it belongs, and may run its program. */
static void on_placed(Guest *guest, const GError *error) {
        g_autoptr(GError) ending = NULL;
        if (!error && guest->domain->connection->closing)
                domain_fail(guest->domain, &ending, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (error || ending) {
                abort_start(guest, error ? error : ending);
                return;
        }
        process_go(guest->process);
        sd_event_add_time_relative(guest->domain->connection->event, &guest->timeout, CLOCK_MONOTONIC, START_TIMEOUT, 0,
                                   on_timeout, guest);
        /* QEMU has its own copies now. */
        autofd_close(&guest->monitor_listener);
        guest->monitor_listener = -1;
        for (guint i = 0; i < guest->line->fds->len; i++)
                close(g_array_index(guest->line->fds, int, i));
        g_array_set_size(guest->line->fds, 0);
        /* While QEMU loads there is time for this, unless it will name terminals. */
        if (guest->line->consoles->len == 0)
                set_live(guest);
}

static uint64_t lockable_memory(const Guest *guest) {
        return guest->domain->live->max_memory + LOCKED_OVERHEAD;
}

void guest_lock_memory(const Guest *guest) {
        uint64_t size = lockable_memory(guest);
        const struct rlimit limit = { .rlim_cur = size, .rlim_max = size };
        if (prlimit(process_pid(guest->process), RLIMIT_MEMLOCK, &limit, NULL) < 0) /* QEMU says then what it could not do */
                log_warning("domain '%s': its memory cannot be locked: %s", domain_name(guest->domain), g_strerror(errno));
}

static bool write_pid(const Guest *guest) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("%d %" PRIu64 " %s\n", process_pid(guest->process),
                                                process_start_time(guest->process), domain_name(guest->domain));
        /* In place: while half of it is written, its process has not run its program yet, and does not when we end. */
        if (!g_file_set_contents_full(guest->pid_path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error))
                log_error("domain '%s': %s", domain_name(guest->domain), error->message);
        return !error;
}

static bool launch(Guest *guest, GError **error) {
        Host *host = host_of(guest->domain->connection);
        g_autofd int log = open_log(guest, error);
        if (log < 0)
                return false;
        int monitor = guest->monitor_listener;
        g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
        g_array_append_vals(fds, guest->line->fds->data, guest->line->fds->len);
        g_array_append_val(fds, monitor);
        const ProcessSetup setup = {
                .arguments = (char *const *) guest->line->arguments->pdata,
                .environment = (char *const *) guest->line->environment->pdata,
                .fds = (const int *) (void *) fds->data,
                .n_fds = fds->len,
                .log = log,
                .uid = host->uid,
                .gid = host->gid,
                .groups = host->groups,
                .n_groups = host->n_groups,
                .locked_memory = guest->line->locks_memory ? lockable_memory(guest) : 0,
        };
        if (!open_monitor(guest, error))
                return false;
        guest->process = process_new(guest->domain->connection->event, &setup, on_ended, guest, error);
        if (!guest->process)
                return false;
        /* It is written down before it runs: whatever happens to this driver, the guest is found again; and whatever happens to that file, no
         * second one is started beside it. */
        g_autoptr(GError) failure = NULL;
        if (domain_save_status(guest->domain) && write_pid(guest))
                scope_create(guest, guest->document, on_placed);
        else {
                domain_fail(guest->domain, &failure, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                            "that it runs cannot be written down in %s: make space there",
                            guest->domain->connection->runtime_directory);
                abort_start(guest, failure);
        }
        return true;
}

CommandLineContext guest_context(Guest *guest, xmlDoc *document, const Definition *definition, const Definition *running) {
        return (CommandLineContext){
                .connection = guest->domain->connection,
                .definition = definition,
                .emulator = guest->emulator,
                .capabilities = guest->capabilities,
                .n_host_nodes = host_of(guest->domain->connection)->n_nodes,
                .document = document,
                .running = running,
                .incoming = operation_is(guest->operation, &start_class) && start_restoring_fd(guest->operation) >= 0,
                .directory = guest->directory,
                .monitor = guest->monitor_listener,
        };
}

static bool build_and_launch(Guest *guest, GPtrArray *files, GError **error) {
        CommandLineContext context = guest_context(guest, guest->document, guest->domain->live, NULL);
        guest->line = command_line_build(&context, files, error);
        guest_keep_sockets(guest, files, guest->line ? guest->line->paths : NULL);
        return guest->line && launch(guest, error);
}

static void open_files(void *data, GError **error) {
        Opening *opening = data;
        files_open(opening->files, opening->foreign_user, error);
}

static void free_opening(void *data, const GError *error) {
        Opening *opening = data;
        (void) error;
        g_ptr_array_unref(opening->files);
        g_free(opening);
}

/* Nobody wants them any more. */
static void give_back(void *data, GError **error) {
        const Opening *opening = data;
        (void) error;
        files_give_back(opening->files);
}

static void on_files_opened(void *data, const GError *error) {
        Opening *opening = data;
        Guest *guest = opening->guest;
        g_autoptr(GError) failure = NULL;
        if (guest && error)
                domain_fail(guest->domain, &failure, virtbus_error_code(error), "%s", error->message);
        else if (guest && opening->connection->closing) /* nothing starts any more */
                domain_fail(guest->domain, &failure, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (guest) {
                guest->opening = NULL;
                opening->opened(guest, opening->files, failure);
                free_opening(opening, NULL);
        } else
                worker_run(opening->connection->worker, give_back, free_opening, opening);
}

void guest_open_files(Guest *guest, GPtrArray *files, FilesOpened opened) {
        if (files->len == 0) { /* nothing to wait for */
                g_autoptr(GPtrArray) none = files;
                opened(guest, none, NULL);
                return;
        }
        guest->opening = g_new0(Opening, 1);
        *guest->opening = (Opening){
                .guest = guest,
                .connection = guest->domain->connection,
                .files = files,
                .foreign_user = guest->domain->connection->privileged,
                .opened = opened,
        };
        worker_run(guest->domain->connection->worker, open_files, on_files_opened, guest->opening);
}

/* Before it is launched: what is known of its QEMU, or that it is to be asked later. */
static void recall_capabilities(Guest *guest, const GPtrArray *files) {
        for (guint i = 0; i < files->len; i++) {
                const File *file = files->pdata[i];
                if (file->purpose != FILE_PROGRAM)
                        continue;
                if (capabilities_see(host_of(guest->domain->connection)->capabilities, guest->emulator, &file->program))
                        take_capabilities(guest);
                else
                        guest->stranger = g_memdup2(&file->program, sizeof file->program);
        }
}

static void on_start_files(Guest *guest, GPtrArray *files, const GError *error) {
        g_autoptr(GError) failure = NULL;
        if (!error)
                recall_capabilities(guest, files);
        if (!error && build_and_launch(guest, files, &failure))
                return;
        finish_guest(guest, error ? error : failure);
}

static bool make_directory(Guest *guest, GError **error) {
        const Host *host = host_of(guest->domain->connection);
        const GPtrArray *devices = guest->domain->live->devices;
        g_autofree char *left = runtime_put_aside(guest->domain->connection->runtime_directory, guest->domain->uuid);
        bool has_display = false;
        for (guint i = 0; i < devices->len && !has_display; i++)
                has_display = strcmp(((DeviceDefinition *) devices->pdata[i])->kind, "graphics") == 0;
        return runtime_make(guest->directory, has_display, host->uid, host->gid, error);
}

static void begin_start(Guest *guest) {
        Domain *domain = guest->domain;
        g_autoptr(GError) error = NULL;
        guest->document = xml_parse_own(domain->live->xml, "domain", &error);
        if (!guest->document || !make_directory(guest, &error) || !listen_for_monitor(guest, &error)) {
                finish_guest(guest, error);
                return;
        }
        definition_write_aliases(domain->live, guest->document);
        CommandLineContext context = guest_context(guest, guest->document, domain->live, NULL);
        guest_open_files(guest, command_line_plan(&context), on_start_files);
}

/* What a pid file says; NAME, which may be NULL, is "" where it was written by an earlier version. */
static bool read_pid(const char *path, int *pid, uint64_t *start_time, char **name) {
        g_autofree char *text = NULL;
        int length = 0;
        if (!g_file_get_contents(path, &text, NULL, NULL) || sscanf(text, "%d %" SCNu64 "%n", pid, start_time, &length) != 2 ||
            *pid <= 1)
                return false;
        if (name)
                *name = g_strdup(g_strstrip(text + length));
        return true;
}

/* The QEMU that a driver has started for this domain, and that its status file need not tell of: that may be lost, or damaged. */
static Process *find_recorded(Guest *guest, ProcessEnded ended) {
        int pid = 0;
        uint64_t start_time = 0;
        if (!read_pid(guest->pid_path, &pid, &start_time, NULL))
                return NULL;
        return process_find(guest->domain->connection->event, pid, start_time, ended, guest, NULL);
}

/* PATH is a pid file. */
static void adopt(Connection *connection, const char *uuid, const char *path) {
        const Domain *domain = connection_find(connection, uuid);
        g_autofree char *name = NULL, *normal = uuid_normalize(uuid);
        g_autoptr(GError) error = NULL;
        struct stat info;
        int pid = 0;
        uint64_t start_time = 0;
        if (!normal || (domain && domain_is_active(domain)) || !read_pid(path, &pid, &start_time, &name) ||
            stat(path, &info) < 0 || !process_is_there(pid, start_time))
                return;
        if (domain_adopt(connection, normal, *name ? name : normal, (uint64_t) info.st_mtime * 1000000, &error))
                log_error("domain '%s' has a QEMU, process %d, but no status that can be read: it is shown as it is defined; "
                          "what can be "
                          "done is to pause it, to shut it down and to destroy it",
                          *name ? name : normal, pid);
        else
                log_error("the QEMU of domain %s, process %d, runs on and cannot be managed until the domain is started, which "
                          "ends it "
                          "first: %s",
                          uuid, pid, error->message);
}

void guest_adopt_lost(Connection *connection) {
        const char *directory = host_of(connection)->monitors;
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(directory, name, NULL),
                                *uuid = g_str_has_suffix(name, PID_SUFFIX) ? g_strndup(name, strlen(name) - strlen(PID_SUFFIX))
                                                                           : NULL;
                if (uuid)
                        adopt(connection, uuid, path);
        }
}

static void on_former_ended(void *data, int unused) {
        Guest *guest = data;
        (void) unused;
        g_clear_pointer(&guest->former, process_free);
        if (!guest->has_ended)
                begin_start(guest);
}

void guest_start(Operation *operation) {
        Guest *guest = guest_new(operation->domain);
        guest->operation = operation;
        guest->former = find_recorded(guest, on_former_ended);
        if (!guest->former) {
                begin_start(guest);
                return;
        }
        log_warning("domain '%s': a QEMU of an earlier run, process %d, is still there; it is ended first",
                    domain_name(operation->domain), process_pid(guest->former));
        process_end(guest->former);
}

/* Other operations */

void guest_save(const Domain *domain, xmlNode *saved) {
        const Guest *guest = domain->run;
        if (!guest)
                return;
        g_autofree char *timeout =
                        g_strdup_printf("%d", guest->object ? guest_object_timeout(guest->object) : guest->agent_timeout);
        xml_set_attribute(saved, "agent-timeout", timeout);
        if (guest->attaching)
                xml_set_attribute(saved, "attaching", guest->attaching);
        medium_save(guest, saved);
        if (guest->capabilities)
                xml_add(saved, "capabilities", capabilities_text(guest->capabilities));
        else if (!guest->is_alien)
                xml_set_attribute(saved, "capabilities", "unknown");
        if (guest->process) {
                g_autofree char *pid = g_strdup_printf("%d", process_pid(guest->process));
                g_autofree char *start_time = g_strdup_printf("%" G_GUINT64_FORMAT, process_start_time(guest->process));
                xml_set_attribute(saved, "pid", pid);
                xml_set_attribute(saved, "start-time", start_time);
        }
        for (guint i = 0; i < guest->sockets->len; i++) {
                const UnixSocket *known = guest->sockets->pdata[i];
                xmlNode *path = xml_add(saved, "path", known->path);
                g_autofree char *device = g_strdup_printf("%" PRIu64, known->device),
                                *inode = g_strdup_printf("%" PRIu64, known->inode);
                xml_set_attribute(path, "device", device);
                xml_set_attribute(path, "inode", inode);
        }
        GHashTableIter iterator;
        void *alias, *path;
        g_hash_table_iter_init(&iterator, guest->terminals);
        while (g_hash_table_iter_next(&iterator, &alias, &path)) {
                xmlNode *terminal = xml_add(saved, "terminal", path);
                xml_set_attribute(terminal, "alias", alias);
        }
}

static int on_reattach_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        (void) source;
        (void) usec;
        g_autoptr(GError) error = NULL;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_TIMEOUT, "its QEMU has not answered within %d seconds",
                    (int) (START_TIMEOUT / 1000000));
        monitor_lose_patience(guest->monitor, error);
        return 0;
}

/* One that a damaged status does not name is only missing from the live document. */
static void load_terminal(Guest *guest, const xmlNode *terminal) {
        g_autofree char *alias = xml_attribute(terminal, "alias"), *path = xml_text(terminal);
        if (alias && path && g_str_has_prefix(path, "/dev/pts/"))
                g_hash_table_insert(guest->terminals, g_steal_pointer(&alias), g_steal_pointer(&path));
}

void guest_reattach(Operation *operation, xmlNode *saved) {
        Domain *domain = operation->domain;
        Guest *guest = guest_new(domain);
        g_autoptr(GError) error = NULL;
        uint64_t pid = 0, start_time = 0;
        g_autofree char *timeout = xml_attribute(saved, "agent-timeout");
        guest->operation = operation;
        guest->attaching = xml_attribute(saved, "attaching");
        medium_load(guest, saved);
        if (timeout)
                guest->agent_timeout = CLAMP(atoi(timeout), AGENT_WAIT_FOR_EVER, AGENT_TIMEOUT_MAX);
        for (xmlNode *path = xml_child(saved, "path"); path; path = xml_next(path, "path")) {
                uint64_t device = 0, inode = 0;
                g_autofree char *text = xml_text(path);
                if (text && xml_number_attribute(path, "device", 0, UINT64_MAX, &device, NULL) &&
                    xml_number_attribute(path, "inode", 0, UINT64_MAX, &inode, NULL))
                        g_ptr_array_add(guest->sockets, unix_socket_new(text, device, inode));
        }
        for (xmlNode *terminal = xml_child(saved, "terminal"); terminal; terminal = xml_next(terminal, "terminal"))
                load_terminal(guest, terminal);
        bool known = xml_number_attribute(saved, "pid", 1, G_MAXINT32, &pid, NULL) &&
                     xml_number_attribute(saved, "start-time", 0, UINT64_MAX, &start_time, NULL);
        if (known && pid > 0 && start_time > 0)
                guest->process = process_find(domain->connection->event, (pid_t) pid, start_time, on_ended, guest, NULL);
        if (!guest->process)
                guest->process = find_recorded(guest, on_ended);
        if (!guest->process) {
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its QEMU has ended while no driver was there");
                finish_guest(guest, error);
                return;
        }
        if (domain->state == DOMAIN_STOPPING || domain->state == DOMAIN_STARTING) {
                /* Cut off in between: what had begun to end is ended, and what had not started never did. */
                domain->state = DOMAIN_STOPPING;
                domain->stop_reason = domain->reason;
                process_end(guest->process);
                return;
        }
        g_autofree char *capabilities = xml_text(xml_child(saved, "capabilities"));
        guest->capabilities = capabilities ? capabilities_parse(capabilities) : NULL;
        /* Its QEMU is not asked again: another binary may lie there by now. Where the last driver ended before it had learnt them, QEMU itself
         * refuses what it does not have. */
        if (!guest->capabilities && !xml_attribute_is(saved, "capabilities", "unknown")) {
                guest->is_alien = true;
                log_error("domain '%s': its status does not say what its QEMU can do; it can be paused, shut down and destroyed",
                          domain_name(domain));
        }
        if (!open_monitor(guest, &error))
                leave_alone(guest, error->message);
        else
                sd_event_add_time_relative(domain->connection->event, &guest->timeout, CLOCK_MONOTONIC, START_TIMEOUT, 0,
                                           on_reattach_timeout, guest);
}

static bool has_monitor(const Domain *domain, GError **error) {
        const Monitor *monitor = ((const Guest *) domain->run)->monitor;
        return (monitor && monitor_is_there(monitor)) ||
               domain_fail(domain, error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                           monitor ? "its QEMU does not answer; Destroy can end it"
                                   : "its monitor cannot be reached; Destroy can end it");
}

bool guest_check_monitor(const Domain *domain, GError **error) {
        const Guest *guest = domain->run;
        if (guest->is_alien)
                return domain_fail(domain, error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                   "its status does not say what its QEMU can do: Suspend, Resume, Reset, Shutdown and Destroy "
                                   "are all "
                                   "that can be done, until it is started again");
        return has_monitor(domain, error);
}

static void on_command_done(void *data, JsonObject *answer, const GError *error) {
        Operation *operation = data;
        (void) answer;
        operation_finish(operation, error);
}

/* Does what one monitor command does. */
static void simple_command(Operation *operation, const char *name) {
        const Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (has_monitor(operation->domain, &error))
                monitor_command(guest->monitor, name, NULL, -1, on_command_done, operation);
        else
                operation_finish(operation, error);
}

void guest_suspend(Operation *operation) {
        simple_command(operation, "stop");
}

void guest_resume(Operation *operation) {
        simple_command(operation, "cont");
}

void guest_shut_down(Operation *operation) {
        simple_command(operation, "system_powerdown");
}

void guest_reset(Operation *operation) {
        simple_command(operation, "system_reset");
}

void guest_destroy(Domain *domain) {
        Guest *guest = domain->run;
        if (guest->process) {
                process_end(guest->process);
                return;
        }
        /* Its files are still being opened, which may never end. */
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed while it started");
        finish_guest(guest, error);
}

char *guest_pass_fd(Guest *guest, int fd) {
        char *name = g_strdup_printf("virtbus%" G_GUINT64_FORMAT, guest->n_fds++);
        monitor_command(guest->monitor, "getfd", json_make("fdname", 's', name, NULL), fd, NULL, NULL);
        return name;
}
