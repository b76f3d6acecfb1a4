/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "bus.h"
#include "domain/backup-bus.h"
#include "domain/change-options.h"
#include "domain/connection.h"
#include "domain/container-bus.h"
#include "domain/connection-define.h"
#include "domain/device-bus.h"
#include "domain/disk-image-bus.h"
#include "domain/domain-run.h"
#include "domain/monitor-bus.h"
#include "domain/offers.h"
#include "domain/operation.h"
#include "domain/owners-rights.h"
#include "domain/operations/device-change.h"
#include "domain/operations/dump.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/power.h"
#include "domain/operations/save.h"
#include "domain/operations/saved-document.h"
#include "domain/operations/start.h"
#include "domain/resources.h"
#include "domain/checkpoint-bus.h"
#include "domain/snapshot-bus.h"
#include "domain/taint.h"
#include "domain/words.h"
#include "options.h"
#include "vtables.h"

/* Keys that are pressed together, and how long they may be held, in microseconds. */
#define KEYS_MAX 16
#define KEYS_HOLD_MIN 1000
#define KEYS_HOLD_DEFAULT 100000
#define KEYS_HOLD_MAX 10000000

/* How much of a guest's memory one call shows, in bytes. */
#define PEEK_BYTES_MAX 65536

DOMAIN_VTABLE(Domain, bus);

/* org.virtbus1.Domain: methods */

/* Queues an operation that has no options yet. */
static void operate(Call *call, Domain *self, const OperationClass *class, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (options && !options_read(options, &error, NULL))
                call_fail(call, error);
        else
                domain_operate(self, operation_new(class, call));
}

static void bus_start(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) fds = NULL;
        bool paused = false, boots = false;
        if (!options_read(options, &error, "paused", 'b', &paused, "force_boot", 'b', &boots, "fds", OPTION_FDS, &fds, NULL) ||
            !offers_check_fds(self->connection, fds, &error))
                call_fail(call, error);
        else
                domain_operate(self,
                               start_new(call, (StartOptions){ .paused = paused, .boots = boots, .fds = g_steal_pointer(&fds) }));
}

static void bus_suspend(Call *call, Domain *self) {
        operate(call, self, &suspend_class, NULL);
}

static void bus_resume(Call *call, Domain *self) {
        operate(call, self, &resume_class, NULL);
}

static void bus_shutdown(Call *call, Domain *self, sd_bus_message *options) {
        operate(call, self, &shutdown_class, options);
}

static void bus_reboot(Call *call, Domain *self, sd_bus_message *options) {
        operate(call, self, &reboot_class, options);
}

static void bus_reset(Call *call, Domain *self) {
        operate(call, self, &reset_class, NULL);
}

static void bus_destroy(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (!options_read(options, &error, NULL))
                call_fail(call, error);
        else
                domain_destroy(self, REASON_DESTROYED, call);
}

static void bus_dump(Call *call, Domain *self, int file, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        int fd = -1;
        if (!options_read(options, &error, NULL))
                call_fail(call, error);
        else if ((fd = fcntl(file, F_DUPFD_CLOEXEC, 3)) < 0)
                call_fail_errno(call, -errno);
        else
                domain_operate(self, dump_new(call, fd));
}

static void bus_attach_device(Call *call, Domain *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) parsed = xml_parse(xml, NULL, &error);
        DeviceChange *change = parsed ? change_options_read(options, CHANGE_HAS_FDS, &error) : NULL;
        if (!change || !offers_check_fds(self->connection, change->fds, &error)) {
                g_clear_pointer(&change, device_change_free);
                call_fail(call, error);
                return;
        }
        change->element = g_steal_pointer(&parsed);
        domain_operate(self, change_new(&attach_class, call, change));
}

/* Queues a change of the domain; NULL where ERROR says why there is none. */
static void change_domain(Call *call, Domain *self, DeviceChange *change, const GError *error) {
        if (change)
                domain_operate(self, change_new(&resize_class, call, change));
        else
                call_fail(call, error);
}

static void bus_set_memory(Call *call, Domain *self, uint64_t size, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = resources_read_memory(size, options, &error);
        change_domain(call, self, change, error);
}

static void bus_set_vcpus(Call *call, Domain *self, uint32_t count, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = resources_read_vcpus(count, options, &error);
        change_domain(call, self, change, error);
}

static void bus_set_max_memory(Call *call, Domain *self, uint64_t size, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = resources_read_max_memory(self, size, options, &error);
        change_domain(call, self, change, error);
}

static void bus_set_max_vcpus(Call *call, Domain *self, uint32_t count, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = resources_read_max_vcpus(self, count, options, &error);
        change_domain(call, self, change, error);
}

static void pin(Call *call, Domain *self, PinnedThread which, uint32_t number, const char *cpus, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = resources_read_cpus(which, number, cpus, options, &error);
        change_domain(call, self, change, error);
}

static void bus_pin_vcpu(Call *call, Domain *self, uint32_t vcpu, const char *cpus, sd_bus_message *options) {
        pin(call, self, PINNED_VCPU, vcpu, cpus, options);
}

static void bus_pin_emulator(Call *call, Domain *self, const char *cpus, sd_bus_message *options) {
        pin(call, self, PINNED_EMULATOR, 0, cpus, options);
}

static void bus_pin_io_thread(Call *call, Domain *self, uint32_t thread, const char *cpus, sd_bus_message *options) {
        pin(call, self, PINNED_IO_THREAD, thread, cpus, options);
}

static void bus_set_memory_nodes(Call *call, Domain *self, const char *nodes, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = resources_read_nodes(nodes, options, &error);
        change_domain(call, self, change, error);
}

static void change_io_thread(Call *call, Domain *self, IOThreadChange kind, uint32_t thread, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = resources_read_io_thread(kind, thread, options, &error);
        change_domain(call, self, change, error);
}

static void bus_add_io_thread(Call *call, Domain *self, uint32_t thread, sd_bus_message *options) {
        change_io_thread(call, self, IO_THREAD_ADDED, thread, options);
}

static void bus_remove_io_thread(Call *call, Domain *self, uint32_t thread, sd_bus_message *options) {
        change_io_thread(call, self, IO_THREAD_REMOVED, thread, options);
}

static void bus_set_io_thread(Call *call, Domain *self, uint32_t thread, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        int r = 0;
        DeviceChange *change = resources_read_io_thread_values(thread, arguments, &r, &error);
        if (r < 0)
                call_fail_errno(call, r);
        else
                change_domain(call, self, change, error);
}

static void bus_set_vcpu_list(Call *call, Domain *self, const char *vcpus, bool enabled, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = resources_read_vcpu_list(self, vcpus, enabled, options, &error);
        change_domain(call, self, change, error);
}

static void bus_set_lifecycle_action(Call *call, Domain *self, const char *event, const char *action, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = resources_read_lifecycle(event, action, options, &error);
        change_domain(call, self, change, error);
}

static void bus_set_limits(Call *call, Domain *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        DeviceChange *given = device_change_new(false, false);
        int r = change_options_read_limits(arguments, "SetLimits", change_options_edit_limit, given, &error);
        if (!error && r >= 0 && given->edits->len == 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "no limit is given");
        DeviceChange *change = !error && r >= 0 ? change_options_read(arguments, 0, &error) : NULL;
        if (change)
                device_change_take_edits(change, given);
        device_change_free(given);
        if (r < 0)
                call_fail_errno(call, r);
        else
                change_domain(call, self, change, error);
}

/* Queues a change of what is said of the domain, which is refused where it is not FINE. */
static void change_words(Call *call, Domain *self, DeviceChange *change, bool fine, const GError *error) {
        if (!fine && change)
                g_clear_pointer(&change, device_change_free);
        change_domain(call, self, change, error);
}

static void bus_set_title(Call *call, Domain *self, const char *title, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = change_options_read(options, 0, &error);
        bool fine = change && words_set_title(change, title, &error);
        change_words(call, self, change, fine, error);
}

static void bus_set_description(Call *call, Domain *self, const char *description, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = change_options_read(options, 0, &error);
        bool fine = change && words_set_description(change, description, &error);
        change_words(call, self, change, fine, error);
}

static void bus_set_metadata(Call *call, Domain *self, const char *uri, const char *key, const char *xml,
                             sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = change_options_read(options, 0, &error);
        bool fine = change && words_set_metadata(change, uri, key, xml, &error);
        change_words(call, self, change, fine, error);
}

static void bus_rename(Call *call, Domain *self, const char *name, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (options_read(options, &error, NULL))
                connection_rename(self, name, call);
        else
                call_fail(call, error);
}

static bool check_machine(const Domain *self, bool has, const char *what, GError **error) {
        if (!offers_check_domain(self, has, what, error))
                return false;
        if (domain_is_up(self))
                return true;
        return domain_fail(self, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; for %s it must be active",
                           domain_state_name(self->state), what);
}

static void bus_open_log(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const Hypervisor *hypervisor = self->connection->hypervisor;
        if (options_read(options, &error, NULL))
                offers_check_domain(self, HYPERVISOR_HAS(hypervisor, machine, open_log), "OpenLog: it keeps no logs", &error);
        if (error)
                call_fail(call, error);
        else
                hypervisor->machine->open_log(self, call);
}

static void bus_monitor_command(Call *call, Domain *self, const char *command, sd_bus_message *options) {
        monitor_bus_command(call, self, command, options);
}

static void bus_measure_dirty_rate(Call *call, Domain *self, uint32_t seconds, sd_bus_message *options) {
        monitor_bus_measure_dirty_rate(call, self, seconds, options);
}

static void bus_open_monitor_events(Call *call, Domain *self, sd_bus_message *options) {
        monitor_bus_open_events_of(call, self, options);
}

static void bus_screenshot(Call *call, Domain *self, uint32_t screen, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (!options_read(options, &error, NULL) ||
            !check_machine(self, HYPERVISOR_HAS(self->connection->hypervisor, machine, screenshot), "Screenshot", &error))
                call_fail(call, error);
        else
                self->connection->hypervisor->machine->screenshot(self, screen, call);
}

static void bus_send_keys(Call *call, Domain *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) keys = NULL;
        uint64_t hold_time = KEYS_HOLD_DEFAULT;
        int r = sd_bus_message_read_strv(arguments, &keys);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        size_t n = keys ? g_strv_length(keys) : 0;
        if (!options_read(arguments, &error, "hold_time", 't', &hold_time, NULL) ||
            !check_machine(self, HYPERVISOR_HAS(self->connection->hypervisor, machine, send_keys), "SendKeys", &error))
                ;
        else if (n == 0 || n > KEYS_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%zu keys are given; use 1 to %d", n, KEYS_MAX);
        else if (hold_time < KEYS_HOLD_MIN || hold_time > KEYS_HOLD_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "hold_time is %" PRIu64 "; it must be from %d to %d microseconds", hold_time, KEYS_HOLD_MIN,
                                  KEYS_HOLD_MAX);
        if (error)
                call_fail(call, error);
        else
                self->connection->hypervisor->machine->send_keys(self, keys, hold_time, call);
}

static void bus_inject_nmi(Call *call, Domain *self) {
        g_autoptr(GError) error = NULL;
        if (!check_machine(self, HYPERVISOR_HAS(self->connection->hypervisor, machine, inject_nmi), "InjectNMI", &error))
                call_fail(call, error);
        else
                self->connection->hypervisor->machine->inject_nmi(self, call);
}

static void bus_wake_up(Call *call, Domain *self) {
        g_autoptr(GError) error = NULL;
        if (offers_check_domain(self, HYPERVISOR_HAS(self->connection->hypervisor, machine, wake_up), "WakeUp", &error) &&
            self->state != DOMAIN_PMSUSPENDED)
                domain_fail(self, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; for WakeUp it must be pmsuspended",
                            domain_state_name(self->state));
        if (error)
                call_fail(call, error);
        else
                self->connection->hypervisor->machine->wake_up(self, call);
}

static void bus_peek_memory(Call *call, Domain *self, uint64_t address, uint64_t size, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool is_virtual = false;
        if (!options_read(options, &error, "virtual", 'b', &is_virtual, NULL) ||
            !check_machine(self, HYPERVISOR_HAS(self->connection->hypervisor, machine, peek_memory), "PeekMemory", &error))
                ;
        else if (size == 0 || size > PEEK_BYTES_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "size is %" PRIu64 "; it must be from 1 to %d", size,
                                  PEEK_BYTES_MAX);
        if (error)
                call_fail(call, error);
        else
                self->connection->hypervisor->machine->peek_memory(self, address, size, is_virtual, call);
}

/* Queues a save; PATH, or FD, or neither. */
static void save(Call *call, Domain *self, const char *path, int fd, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const char *compression = "";
        bool running = false, paused = false;
        SavedRuns runs;
        g_autofd int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
        Saving *saving = NULL;
        if (fd >= 0 && copy < 0) {
                call_fail_errno(call, -errno);
                return;
        }
        if (options_read(options, &error, "compression", 's', &compression, "running", 'b', &running, "paused", 'b', &paused,
                         NULL) &&
            saved_runs_choose(running, paused, &runs, &error))
                saving = saving_new(path, steal_fd(&copy), compression, runs, &error);
        if (saving)
                domain_operate(self, save_new(call, saving));
        else
                call_fail(call, error);
}

static void bus_save(Call *call, Domain *self, const char *path, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (owners_rights_check_path(self, "Save", "use SaveToFD, or ManagedSave", &error))
                save(call, self, path, -1, options);
        else
                call_fail(call, error);
}

static void bus_save_to_fd(Call *call, Domain *self, int file, sd_bus_message *options) {
        save(call, self, NULL, file, options);
}

static void bus_managed_save(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (self->persistent)
                save(call, self, NULL, -1, options);
        else {
                domain_fail(self, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it is transient and would be gone; use Save");
                call_fail(call, error);
        }
}

static void bus_remove_managed_save(Call *call, Domain *self) {
        g_autoptr(GError) error = NULL;
        if (!self->has_managed_save)
                domain_fail(self, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it has no managed save");
        else if (self->state != DOMAIN_SHUTOFF)
                domain_fail(self, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it is being restored from its managed save");
        if (error) {
                call_fail(call, error);
                return;
        }
        managed_save_remove(self);
        reply_domain_remove_managed_save(call);
}

static void get_saved_xml(Call *call, Domain *self, sd_bus_message *options, SavedRequest request) {
        g_autoptr(GError) error = NULL;
        request.connection = self->connection;
        request.domain = self;
        if (options_read(options, &error, NULL))
                saved_document_answer(&request, call);
        else
                call_fail(call, error);
}

static void bus_get_managed_save_xml(Call *call, Domain *self, sd_bus_message *options) {
        get_saved_xml(call, self, options, (SavedRequest){ .reply = reply_domain_get_managed_save_xml });
}

static void bus_get_managed_save_xml_with_secrets(Call *call, Domain *self, sd_bus_message *options) {
        get_saved_xml(call, self, options,
                      (SavedRequest){ .secrets = true, .reply = reply_domain_get_managed_save_xml_with_secrets });
}

static void bus_set_managed_save_xml(Call *call, Domain *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        SavedRequest request = {
                .connection = self->connection, .domain = self, .xml = xml, .reply_done = reply_domain_set_managed_save_xml
        };
        if (saved_document_read_runs(options, &request.runs, &error))
                saved_document_answer(&request, call);
        else
                call_fail(call, error);
}

static void bus_create_snapshot(Call *call, Domain *self, const char *xml, sd_bus_message *options) {
        snapshot_bus_create(call, self, xml, options, false);
}

static void bus_create_snapshot_with_files(Call *call, Domain *self, const char *xml, sd_bus_message *options) {
        snapshot_bus_create(call, self, xml, options, true);
}

static void bus_redefine_snapshot(Call *call, Domain *self, const char *xml, sd_bus_message *options) {
        snapshot_bus_redefine(call, self, xml, options);
}

static void bus_create_checkpoint(Call *call, Domain *self, const char *xml, sd_bus_message *options) {
        checkpoint_bus_create(call, self, xml, options);
}

static void bus_begin_backup(Call *call, Domain *self, const char *xml, const char *checkpoint, sd_bus_message *options) {
        backup_bus_begin(call, self, xml, checkpoint, options);
}

static void bus_get_backup_xml(Call *call, Domain *self) {
        backup_bus_get_xml(call, self);
}

static void bus_redefine_checkpoint(Call *call, Domain *self, const char *xml, sd_bus_message *options) {
        checkpoint_bus_redefine(call, self, xml, options);
}

static void bus_undefine(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        UndefineOptions also = { 0 };
        if (!options_read(options, &error, "nvram", 'b', &also.nvram, "tpm", 'b', &also.tpm, "managed_save", 'b',
                          &also.managed_save, "snapshots", 'b', &also.snapshots, "checkpoints", 'b', &also.checkpoints, NULL))
                call_fail(call, error);
        else
                connection_undefine(self, &also, call);
}

/* The document that GetXML and GetXMLWithSecrets answer; NULL with an error. */
static char *get_xml(const Domain *self, sd_bus_message *options, bool secrets, GError **error) {
        bool inactive = false;
        if (!options_read(options, error, "inactive", 'b', &inactive, NULL))
                return NULL;
        if (inactive && !self->persistent) {
                domain_fail(self, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is transient; leave out the option inactive");
                return NULL;
        }
        return inactive ? definition_text(self->persistent, secrets, 0)
                        : definition_text(domain_definition(self), secrets, self->id);
}

static void bus_get_xml(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autofree char *xml = get_xml(self, options, false, &error);
        if (xml)
                reply_domain_get_xml(call, xml);
        else
                call_fail(call, error);
}

static void bus_get_xml_with_secrets(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autofree char *xml = get_xml(self, options, true, &error);
        if (xml)
                reply_domain_get_xml_with_secrets(call, xml);
        else
                call_fail(call, error);
}

static void bus_get_metadata(Call *call, Domain *self, const char *uri, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autofree char *xml = get_xml(self, options, false, &error), *element = xml ? words_get_metadata(xml, uri) : NULL;
        if (element)
                reply_domain_get_metadata(call, element);
        else
                call_fail(call, error);
}

static void bus_share(Call *call, Domain *self, const char *who, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) actions = NULL;
        int r = sd_bus_message_read_strv(arguments, &actions);
        char *none[] = { NULL };
        if (r < 0)
                call_fail_errno(call, r);
        else if (options_read(arguments, &error, NULL))
                connection_share(self, who, actions ? actions : none, call);
        else
                call_fail(call, error);
}

static int bus_get_shares(const Domain *self, sd_bus_message *message) {
        return sd_bus_message_append_strv(message, self->shares);
}

static void bus_set_autostart(Call *call, Domain *self, bool value) {
        connection_set_autostart(self, value, call);
}

/* org.virtbus1.Domain: properties */

#define DOMAIN_PROPERTY(type, name, value) \
        static type bus_get_##name(const Domain *self) { \
                return value; \
        }
#define DEFINED(name, member) DOMAIN_PROPERTY(const char *, name, domain_definition(self)->member)

DEFINED(name, name)
DEFINED(title, title)
DEFINED(description, description)
DEFINED(type, type)
DEFINED(os_type, os_type)
DEFINED(architecture, architecture)
DEFINED(machine, machine)
DOMAIN_PROPERTY(const char *, uuid, self->uuid)
DOMAIN_PROPERTY(const char *, state, domain_state_name(self->state))
DOMAIN_PROPERTY(const char *, state_reason, domain_reason_name(self->reason))
DOMAIN_PROPERTY(bool, active, domain_is_active(self))
DOMAIN_PROPERTY(bool, persistent, self->persistent != NULL)
DOMAIN_PROPERTY(bool, autostart, self->autostart)
DOMAIN_PROPERTY(const char *, current_snapshot, snapshot_path(snapshot_current(self)))
DOMAIN_PROPERTY(bool, has_snapshots, snapshots_count(self) > 0)
DOMAIN_PROPERTY(const char *, current_checkpoint, checkpoint_path(checkpoint_current(self)))
DOMAIN_PROPERTY(const char *, backup, backup_path(self->backup))
DOMAIN_PROPERTY(bool, has_checkpoints, checkpoints_count(self) > 0)
DOMAIN_PROPERTY(bool, has_managed_save, self->has_managed_save)
DOMAIN_PROPERTY(uint32_t, id, self->id)
DOMAIN_PROPERTY(uint32_t, owner, self->owner)
DOMAIN_PROPERTY(bool, owners_rights, self->owners_rights)
DOMAIN_PROPERTY(uint64_t, start_time, self->start_time)
DOMAIN_PROPERTY(uint64_t, memory, domain_definition(self)->memory)
DOMAIN_PROPERTY(uint64_t, max_memory, domain_definition(self)->max_memory)
DOMAIN_PROPERTY(uint32_t, vcpus, domain_definition(self)->vcpus)
DOMAIN_PROPERTY(uint32_t, max_vcpus, domain_definition(self)->max_vcpus)

static int bus_get_isolation(const Domain *self, sd_bus_message *message) {
        const Hypervisor *hypervisor = self->connection->hypervisor;
        return hypervisor->isolation ? hypervisor->isolation(self, message) : sd_bus_message_append(message, "a{sv}", 0);
}

static int bus_get_taints(const Domain *self, sd_bus_message *message) {
        g_autofree const char **taints = domain_taints(self);
        return sd_bus_message_append_strv(message, (char **) taints);
}

static void publish(Domain *domain) {
        const Vtable *const vtables[] = { &bus_vtable, domain->connection->hypervisor->containers ? container_bus_vtable() : NULL,
                                          NULL };
        g_autofree char *path = g_strdup_printf("%s/domain/%s", domain->connection->path, domain->uuid);
        domain->published = objects_publish(domain->connection->objects, g_strdelimit(path, "-", '_'), domain, vtables);
        device_bus_publish(domain);
}

static void withdraw(Domain *domain) {
        if (!domain->published)
                return;
        device_bus_withdraw(domain);
        g_clear_pointer(&domain->published, published_withdraw);
}

static void announce(Domain *domain, const int *properties) {
        published_changed(domain->published, &bus_vtable, properties);
}

static void announce_backup(Domain *domain) {
        announce(domain, (const int[]){ DOMAIN_BACKUP, -1 });
}

static void announce_redefined(Domain *domain, const Domain *before) {
        published_differs(domain->published, &bus_vtable, before);
        device_bus_publish(domain);
}

static void announce_definition(Domain *domain) {
        published_emit(domain->published, bus_vtable.info, "DefinitionChanged", NULL);
}

static void announce_state(Domain *domain, DomainState old) {
        int last = domain->connection->hypervisor->isolation ? DOMAIN_ISOLATION : -1;
        announce(domain,
                 (const int[]){ DOMAIN_STATE, DOMAIN_STATE_REASON, DOMAIN_ACTIVE, DOMAIN_ID, DOMAIN_START_TIME, last, -1 });
        if (old != domain->state)
                published_emit(domain->published, bus_vtable.info, "StateChanged", "sss", domain_state_name(old),
                               domain_state_name(domain->state), domain_reason_name(domain->reason));
}

const DomainListener domain_bus_listener = {
        .added = publish,
        .changed = announce,
        .state_changed = announce_state,
        .devices_changed = device_bus_publish,
        .redefined = announce_redefined,
        .definition_changed = announce_definition,
        .disk_errors_changed = device_bus_announce_errors,
        .trays_changed = device_bus_announce_trays,
        .disk_jobs_changed = disk_image_announce_jobs,
        .disk_job_told = disk_image_tell_job,
        .backup_changed = announce_backup,
        .snapshots_changed = snapshot_bus_publish,
        .checkpoints_changed = checkpoint_bus_publish,
        .gone = withdraw,
        .freed = withdraw,
};
