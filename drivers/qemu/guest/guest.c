/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bus.h"
#include "domain/device-elements.h"
#include "domain/operations/device-change.h"
#include "domain/operations/start.h"
#include "domain/owners-rights.h"
#include "domain/user-work.h"
#include "log.h"
#include "qemu/command/rights.h"
#include "qemu/guest/guest-fetch.h"
#include "qemu/guest/guest-leave.h"
#include "qemu/guest/guest-secrets.h"
#include "qemu/guest/guest-tpm.h"
#include "qemu/guest/progress.h"
#include "qemu/guest/scope.h"
#include "qemu/guest/threads.h"
#include "qemu/host/claims.h"
#include "qemu/host/runtime.h"
#include "qemu/host/tpm-folder.h"
#include "qemu/host/unix-socket.h"
#include "qemu/monitor/script.h"

/* What QEMU locks besides the guest's memory when a device of the host's can reach that: tables of the IOMMU, and its
 * registers. */
#define LOCKED_OVERHEAD (UINT64_C(1) << 30)

Guest *guest_new(Domain *domain) {
        Guest *guest = g_new0(Guest, 1);
        guest->domain = domain;
        guest->uid = host_of(domain->connection)->uid;
        guest->gid = host_of(domain->connection)->gid;
        guest->emulator = command_line_emulator(domain->live);
        guest->directory = g_build_filename(domain->connection->runtime_directory, domain->uuid, NULL);
        guest->monitor_path = g_build_filename(host_of(domain->connection)->monitors, domain->uuid, NULL);
        guest->pid_path = g_strconcat(guest->monitor_path, PID_SUFFIX, NULL);
        guest->monitor_listener = -1;
        guest->agent_timeout = AGENT_WAIT_DEFAULT;
        guest->sockets = g_ptr_array_new_with_free_func((GDestroyNotify) unix_socket_free);
        guest->terminals = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        domain->run = guest;
        GUEST_EACH(guest, begin);
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

/* What a guest held of the host, and its traces in the file system, being given back by a worker. The guest may be gone when
 * it is done. */
struct Returning {
        Guest *guest;
        Connection *connection;
        char *uuid, *alias, *folder;
        char *tpm, *tpm_gone; /* its TPM's folder, to be taken back or removed */
        GPtrArray *sockets;   /* UnixSocket */
        uid_t uid;
        GError *error;
        ThingsReturned done;
};

static void return_in_worker(void *data, GError **error) {
        const struct Returning *returning = data;
        (void) error;
        for (guint i = 0; returning->sockets && i < returning->sockets->len; i++)
                unix_remove(returning->sockets->pdata[i], returning->uid);
        if (returning->folder)
                runtime_remove(returning->folder);
        if (returning->tpm)
                tpm_folder_give_back(returning->tpm);
        if (returning->tpm_gone)
                runtime_remove(returning->tpm_gone);
        claims_give_back(returning->connection, returning->uuid, returning->alias); /* the user last: nothing is left of it */
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
        g_free(returning->tpm);
        g_free(returning->tpm_gone);
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
                .uid = guest->uid,
                .error = error ? g_error_copy(error) : NULL,
                .done = done,
        };
        g_queue_push_tail(&guest->returnings, returning);
        return returning;
}

void guest_return_things(Guest *guest, const char *alias, const GError *error, ThingsReturned done) {
        Connection *connection = guest->domain->connection;
        if (claims_any(connection, guest->domain->uuid))
                worker_undo(connection->worker, return_in_worker, on_returned, returning_new(guest, alias, error, done));
        else
                done(guest, alias, error);
}

/* What a guest that has ended leaves in the file system goes with what it held. */
void guest_return_everything(Guest *guest, const GError *error, ThingsReturned done) {
        Connection *connection = guest->domain->connection;
        struct Returning *returning = returning_new(guest, NULL, error, done);
        unlink(guest->monitor_path);
        unlink(guest->pid_path);
        scope_end(guest);
        returning->folder = runtime_put_aside(connection->runtime_directory, guest->domain->uuid);
        returning->tpm = guest_tpm_folder(guest, &returning->tpm_gone);
        returning->sockets = g_steal_pointer(&guest->sockets);
        guest->sockets = g_ptr_array_new_with_free_func((GDestroyNotify) unix_socket_free);
        worker_undo(connection->worker, return_in_worker, on_returned, returning);
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
        for (guint i = 0; files && i < files->len; i++) {
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
        *removal = (Removal){ g_ptr_array_new_with_free_func((GDestroyNotify) unix_socket_free), guest->uid };
        for (guint i = guest->sockets->len; i-- > from;)
                if (!path || strcmp(((UnixSocket *) guest->sockets->pdata[i])->path, path) == 0)
                        g_ptr_array_add(removal->sockets, g_ptr_array_steal_index(guest->sockets, i));
        worker_undo(connection->worker, remove_in_worker, on_removed, removal);
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

static void free_opening(void *data, const GError *error) {
        Opening *opening = data;
        (void) error;
        g_ptr_array_unref(opening->files);
        g_free(opening);
}

void guest_drop_opening(Guest *guest) {
        Opening *opening = g_steal_pointer(&guest->opening);
        if (opening && guest->fetch) { /* a worker has not begun */
                guest_fetch_forget(guest);
                free_opening(opening, NULL);
        } else if (opening)
                opening->guest = NULL;
}

/* Lets go of a guest, which may run on. */
void guest_free(Guest *guest) {
        guest->domain->run = NULL;
        guest_drop_opening(guest);
        guest_fetch_forget(guest);
        g_strfreev(guest->let);
        guest_secrets_forget(guest);
        guest_close_agent(guest);
        g_clear_pointer(&guest->monitor, monitor_free);
        g_clear_pointer(&guest->events, event_flow_free);
        g_clear_pointer(&guest->process, process_free);
        g_clear_pointer(&guest->former, process_free);
        sd_event_source_disable_unref(guest->timeout);
        GUEST_EACH(guest, forget);
        g_clear_pointer(&guest->scripts, g_hash_table_unref);
        progress_end(guest);
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
        g_clear_pointer(&guest->of_document, definition_unref);
        if (guest->line)
                command_line_free(guest->line);
        autofd_close(&guest->monitor_listener);
        g_hash_table_unref(guest->terminals);
        g_ptr_array_unref(guest->sockets);
        if (guest->asks)
                capabilities_forget(host_of(guest->domain->connection)->capabilities, guest);
        g_clear_pointer(&guest->capabilities, capabilities_unref);
        g_clear_pointer(&guest->dirty_rate, json_object_unref);
        g_free(guest->stranger);
        g_free(guest->agent_alias);
        g_free(guest->emulator);
        g_free(guest->directory);
        g_free(guest->monitor_path);
        g_free(guest->pid_path);
        g_free(guest);
}

bool guest_take_awaited(Guest *guest, GuestAwaits awaited) {
        bool is_due = guest->awaits == awaited;
        if (is_due)
                guest->awaits = AWAITS_NOTHING;
        return is_due;
}

void guest_drop_missing(xmlDoc *document) {
        for (xmlNode *element = device_elements_first(document), *next; element; element = next) {
                xmlNode *source = xml_child(element, "source");
                next = device_elements_next(element);
                if (!xml_attribute_is(source, "missing", "yes"))
                        continue;
                bool is_drive = xml_attribute_is(element, "device", "cdrom") || xml_attribute_is(element, "device", "floppy");
                xml_remove(is_drive ? source : element);
        }
}

/* A console may be a serial port by another name. */
static const char *terminal_of(const Guest *guest, const xmlNode *element, const DeviceDefinition *part) {
        const xmlNode *target = xml_child(element, "target");
        g_autofree char *port = xml_attribute(target, "port"), *serial = g_strconcat("serial", port ? port : "0", NULL);
        bool is_serial = xml_is(element, "console") && xml_attribute_is(element, "type", "pty") &&
                         xml_attribute_is(target, "type", "serial");
        const char *terminal = g_hash_table_lookup(guest->terminals, part->alias);
        return terminal || !is_serial ? terminal : g_hash_table_lookup(guest->terminals, serial);
}

void guest_write_terminals(const Guest *guest, const Definition *definition, xmlDoc *document) {
        xmlNode *element = device_elements_first(document);
        for (guint i = 0; element; element = device_elements_next(element), i++) {
                const DeviceDefinition *part = definition->devices->pdata[i];
                const char *terminal = terminal_of(guest, element, part);
                if (terminal)
                        xml_set_attribute(xml_ensure_child(element, "source"), "path", terminal);
                if (terminal && xml_is(element, "console"))
                        xml_set_attribute(element, "tty", terminal);
        }
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

struct Script *guest_script_new(Guest *guest) {
        if (!guest->scripts)
                guest->scripts = g_hash_table_new_full(g_direct_hash, g_direct_equal, (GDestroyNotify) script_free, NULL);
        return script_new(guest->monitor, guest->scripts);
}

uint64_t guest_lockable_memory(const Guest *guest) {
        return guest->domain->live->max_memory + LOCKED_OVERHEAD;
}

void guest_lock_memory(const Guest *guest) {
        uint64_t size = guest_lockable_memory(guest);
        const struct rlimit limit = { .rlim_cur = size, .rlim_max = size };
        if (prlimit(process_pid(guest->process), RLIMIT_MEMLOCK, &limit, NULL) < 0) /* QEMU says then what it could not do */
                log_warning("domain '%s': its memory cannot be locked: %s", domain_name(guest->domain), g_strerror(errno));
}

CommandLineContext guest_context(Guest *guest, xmlDoc *document, const Definition *definition, const Definition *running) {
        const DeviceChange *change = device_change_of(guest->domain->operation);
        return (CommandLineContext){
                .connection = guest->domain->connection,
                .handed = change ? change->fds : start_fds(guest->operation),
                .definition = definition,
                .emulator = guest->emulator,
                .capabilities = guest->capabilities,
                .n_host_nodes = host_of(guest->domain->connection)->n_nodes,
                .document = document,
                .running = running,
                .incoming = operation_is(guest->operation, &start_class) && start_restoring_fd(guest->operation) >= 0,
                .directory = guest->directory,
                .monitor = guest->monitor_listener,
                .rights = owners_rights_of(guest->domain),
                .uid = guest->uid,
                .tpm_uid = guest_tpm_user(guest),
        };
}

bool guest_check_line(const Guest *guest, const CommandLine *line, const xmlDoc *document, GError **error) {
        g_autoptr(GError) failure = NULL;
        const char *const *let = (const char *const *) guest->let;
        return !guest->domain->owners_rights || rights_check_line(line, guest->directory, NULL, let, document, &failure) ||
               domain_fail(guest->domain, error, virtbus_error_code(failure), "%s", failure->message);
}

static const FetchKind fetched[] = {
        { FILE_LEAVE, guest_leave_ask }, { FILE_SECRET, guest_secrets_ask }, { FILE_PORT, guest_fetch_port }, { 0, NULL }
};

static void open_files(void *data, GError **error) {
        Opening *opening = data;
        files_open(opening->files, opening->foreign_user, error);
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
                worker_undo(opening->connection->worker, give_back, free_opening, opening);
}

static void on_fetched(Guest *guest, const GError *error) {
        if (error) {
                on_files_opened(guest->opening, error);
                return;
        }
        guest->let = rights_let(guest->opening->files);
        user_work_run(guest->domain->connection, guest->domain->owner, open_files, on_files_opened, guest->opening);
}

void guest_open_files(Guest *guest, GPtrArray *files, FilesOpened opened) {
        g_clear_pointer(&guest->let, g_strfreev);
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
        guest_fetch(guest, files, fetched, on_fetched);
}

bool guest_has_monitor(const Domain *domain, GError **error) {
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
        return guest_has_monitor(domain, error);
}

char *guest_pass_fd(Guest *guest, int fd) {
        char *name = g_strdup_printf("virtbus%" G_GUINT64_FORMAT, guest->n_fds++);
        monitor_command(guest->monitor, "getfd", json_make("fdname", 's', name, NULL), fd, NULL, NULL);
        return name;
}
