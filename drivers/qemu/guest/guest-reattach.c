/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-reattach.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "domain/connection-table.h"
#include "domain/domain-recover.h"
#include "domain/operation.h"
#include "log.h"
#include "qemu/guest/guest-end.h"
#include "qemu/guest/guest-run.h"
#include "qemu/guest/isolation.h"
#include "qemu/guest/pid-file.h"
#include "qemu/host/guest-user.h"
#include "qemu/host/unix-socket.h"
#include "vtables.h"

/* PATH is a pid file. False where no process is meant by it that still runs. */
static bool adopt(Connection *connection, const char *uuid, const char *path) {
        const Domain *domain = connection_find(connection, uuid);
        g_autofree char *name = NULL, *normal = uuid_normalize(uuid);
        g_autoptr(GError) error = NULL;
        struct stat info;
        int pid = 0;
        uint64_t start_time = 0;
        if (domain && domain_is_active(domain))
                return true;
        if (!normal || !pid_file_read(path, &pid, &start_time, &name))
                return access(path, F_OK) == 0; /* damaged: whoever it means may run */
        if (stat(path, &info) < 0 || !process_is_there(pid, start_time))
                return false;
        if (domain_adopt(connection, "qemu", normal, *name ? name : normal, (uint64_t) info.st_mtime * 1000000, &error))
                log_error("domain '%s' has a QEMU, process %d, but no status that can be read: it is shown as it is defined; "
                          "what can be done is to pause it, to shut it down and to destroy it",
                          *name ? name : normal, pid);
        else
                log_error("the QEMU of domain %s, process %d, runs on and cannot be managed until the domain is started, which "
                          "ends it first: %s",
                          uuid, pid, error->message);
        return true;
}

void guest_adopt_lost(Connection *connection) {
        const char *directory = host_of(connection)->monitors;
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                bool is_pid_file = g_str_has_suffix(name, PID_SUFFIX);
                g_autofree char *uuid = g_strndup(name, strlen(name) - (is_pid_file ? strlen(PID_SUFFIX) : 0)),
                                *monitor = g_build_filename(directory, uuid, NULL),
                                *pid_file = g_strconcat(monitor, PID_SUFFIX, NULL);
                /* Where neither a domain nor a process is there, a driver was killed before either was. */
                if (!adopt(connection, uuid, pid_file)) {
                        unlink(monitor);
                        unlink(pid_file);
                }
        }
}

void guest_save(const Domain *domain, xmlNode *saved) {
        const Guest *guest = domain->run;
        if (!guest)
                return;
        g_autofree char *timeout =
                        g_strdup_printf("%d", guest->object ? guest_object_timeout(guest->object) : guest->agent_timeout);
        xml_set_attribute(saved, "agent-timeout", timeout);
        GUEST_EACH(guest, save, saved);
        if (guest->capabilities)
                xml_add(saved, "capabilities", capabilities_text(guest->capabilities));
        else if (!guest->is_alien)
                xml_set_attribute(saved, "capabilities", "unknown");
        if (guest_user_may_be(guest->uid)) {
                g_autofree char *user = g_strdup_printf("%u", guest->uid);
                xml_set_attribute(saved, "user", user);
        }
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
                    (int) (GUEST_START_TIMEOUT / 1000000));
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
        isolation_find_user(domain, saved, &guest->uid, &guest->gid);
        GUEST_EACH(guest, load, saved);
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
                guest->process = process_find(domain->connection->event, (pid_t) pid, start_time, guest_on_ended, guest, NULL);
        if (!guest->process)
                guest->process = pid_file_find(guest, guest_on_ended);
        if (!guest->process) {
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its QEMU has ended while no driver was there");
                guest_finish(guest, error);
                return;
        }
        if (domain->state == DOMAIN_STOPPING || domain->state == DOMAIN_STARTING) {
                /* Cut off in between: what had begun to end is ended, and what had not started never did. */
                domain->state = DOMAIN_STOPPING;
                domain->stop_reason = domain->reason;
                process_end(guest->process);
                return;
        }
        if (pid == 0) /* else it is shown as it was saved */
                domain_announce(domain, (const int[]){ DOMAIN_ISOLATION, -1 });
        g_autofree char *capabilities = xml_text(xml_child(saved, "capabilities"));
        guest->capabilities = capabilities ? capabilities_parse(capabilities) : NULL;
        /* Its QEMU is not asked again: another binary may lie there by now. Where the last driver ended before it had learnt
         * them, QEMU itself refuses what it does not have. */
        if (!guest->capabilities && !xml_attribute_is(saved, "capabilities", "unknown")) {
                guest->is_alien = true;
                log_error("domain '%s': its status does not say what its QEMU can do; it can be paused, shut down and destroyed",
                          domain_name(domain));
        }
        if (!guest_open_monitor(guest, &error))
                guest_leave_alone(guest, error->message);
        else
                sd_event_add_time_relative(domain->connection->event, &guest->timeout, CLOCK_MONOTONIC, GUEST_START_TIMEOUT, 0,
                                           on_reattach_timeout, guest);
}
