/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "bus.h"
#include "domain/agent/leases.h"
#include "domain/connection.h"
#include "domain/connection-define.h"
#include "domain/domain-run.h"
#include "domain/operation.h"
#include "domain/disk-size.h"
#include "domain/operations/device-change.h"
#include "domain/operations/dump.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/power.h"
#include "domain/operations/save.h"
#include "domain/operations/start.h"
#include "domain/words.h"
#include "options.h"
#include "vtables.h"

/* How many limits one disk may have. */
#define IO_LIMITS_MAX 32

/* What memory is counted in, in bytes. */
#define MEMORY_UNIT 1024

/* Keys that are pressed together, and how long they may be held, in microseconds. */
#define KEYS_MAX 16
#define KEYS_HOLD_MIN 1000
#define KEYS_HOLD_DEFAULT 100000
#define KEYS_HOLD_MAX 10000000

/* How much of a guest's memory one call shows, in bytes. */
#define PEEK_BYTES_MAX 65536

DOMAIN_VTABLE(Domain, bus);
DEVICE_VTABLE(Device, device);
DEVICE_DISK_VTABLE(Device, disk);
DEVICE_NETWORK_INTERFACE_VTABLE(Device, network_interface);
DEVICE_CONSOLE_VTABLE(Device, console);
DEVICE_GRAPHICS_VTABLE(Device, graphics);

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
        bool paused = false, boots = false;
        if (!options_read(options, &error, "paused", 'b', &paused, "force_boot", 'b', &boots, NULL))
                call_fail(call, error);
        else
                domain_operate(self, start_new(call, (StartOptions){ .paused = paused, .boots = boots }));
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

/* Reads where a change of devices takes effect, and what else it may be told; NULL with an error. */
static DeviceChange *read_change(sd_bus_message *options, bool has_timeout, bool has_force, GError **error) {
        bool live = false, config = false, force = false;
        uint64_t timeout = DETACH_TIMEOUT_DEFAULT;
        bool fine = has_timeout ? options_read(options, error, "live", 'b', &live, "config", 'b', &config, "timeout", 't',
                                               &timeout, NULL)
                    : has_force ? options_read(options, error, "live", 'b', &live, "config", 'b', &config, "force", 'b', &force,
                                               NULL)
                                : options_read(options, error, "live", 'b', &live, "config", 'b', &config, NULL);
        if (!fine)
                return NULL;
        if (timeout > DETACH_TIMEOUT_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "timeout is %" PRIu64 "; it is at most %" PRIu64 " microseconds", timeout, DETACH_TIMEOUT_MAX);
                return NULL;
        }
        DeviceChange *change = device_change_new(live, config);
        change->timeout = timeout;
        change->force = force;
        return change;
}

static void bus_attach_device(Call *call, Domain *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) parsed = xml_parse(xml, NULL, &error);
        DeviceChange *change = parsed ? read_change(options, false, false, &error) : NULL;
        if (!change) {
                call_fail(call, error);
                return;
        }
        change->xml = g_strdup(xml);
        domain_operate(self, change_new(&attach_class, call, change));
}

static void bus_set_memory(Call *call, Domain *self, uint64_t size, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = NULL;
        if (size == 0 || size % MEMORY_UNIT != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "size is %" PRIu64 "; it must be a multiple of %d above 0", size, MEMORY_UNIT);
        else
                change = read_change(options, false, false, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        change->memory = size;
        domain_operate(self, change_new(&resize_class, call, change));
}

static void bus_set_vcpus(Call *call, Domain *self, uint32_t count, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = NULL;
        if (count == 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "a domain has one processor at least");
        else
                change = read_change(options, false, false, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        change->vcpus = count;
        domain_operate(self, change_new(&resize_class, call, change));
}

static void change_domain(Call *call, Domain *self, DeviceChange *change, const GError *error) {
        if (change)
                domain_operate(self, change_new(&resize_class, call, change));
        else
                call_fail(call, error);
}

/* A change that says where something is on the host, by a list of numbers; NULL with an error. */
static DeviceChange *read_place(const char *list, const char *what, sd_bus_message *options, GError **error) {
        if (*list && strspn(list, "0123456789,-^ ") == strlen(list))
                return read_change(options, false, false, error);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not a list of %s such as 0-3,8", list, what);
        return NULL;
}

static void pin(Call *call, Domain *self, PinnedThread which, uint32_t number, const char *cpus, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = read_place(cpus, "processors", options, &error);
        if (change) {
                change->cpus = g_strdup(cpus);
                change->pinned = which;
                change->thread = number;
        }
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

/* What is the most is said by the definition: what has been started keeps its own. */
static DeviceChange *read_maximum(const Domain *self, sd_bus_message *options, GError **error) {
        DeviceChange *change = read_change(options, false, false, error);
        if (change && change->live) {
                domain_fail(self, error, VIRTBUS_ERROR_UNSUPPORTED,
                            "what a guest can be given at most is settled when it starts; leave out the option live");
                g_clear_pointer(&change, device_change_free);
        }
        if (change)
                change->config = true;
        return change;
}

static void bus_set_max_memory(Call *call, Domain *self, uint64_t size, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = NULL;
        if (size == 0 || size % MEMORY_UNIT != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "size is %" PRIu64 "; it must be a multiple of %d above 0", size, MEMORY_UNIT);
        else if ((change = read_maximum(self, options, &error)))
                change->max_memory = size;
        change_domain(call, self, change, error);
}

static void bus_set_max_vcpus(Call *call, Domain *self, uint32_t count, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = NULL;
        if (count == 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "a domain has one processor at least");
        else if ((change = read_maximum(self, options, &error)))
                change->max_vcpus = count;
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
        DeviceChange *change = read_change(options, false, false, &error);
        bool fine = change && words_set_title(change, title, &error);
        change_words(call, self, change, fine, error);
}

static void bus_set_description(Call *call, Domain *self, const char *description, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = read_change(options, false, false, &error);
        bool fine = change && words_set_description(change, description, &error);
        change_words(call, self, change, fine, error);
}

static void bus_set_metadata(Call *call, Domain *self, const char *uri, const char *key, const char *xml,
                             sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = read_change(options, false, false, &error);
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

static void bus_set_memory_nodes(Call *call, Domain *self, const char *nodes, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = read_place(nodes, "NUMA nodes", options, &error);
        if (change)
                change->nodes = g_strdup(nodes);
        change_domain(call, self, change, error);
}

static void change_io_thread(Call *call, Domain *self, IOThreadChange kind, uint32_t thread, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = NULL;
        if (thread == 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "I/O threads are numbered from 1");
        else
                change = read_change(options, false, false, &error);
        if (change) {
                change->io_thread = kind;
                change->thread = thread;
        }
        change_domain(call, self, change, error);
}

static void bus_add_io_thread(Call *call, Domain *self, uint32_t thread, sd_bus_message *options) {
        change_io_thread(call, self, IO_THREAD_ADDED, thread, options);
}

static void bus_remove_io_thread(Call *call, Domain *self, uint32_t thread, sd_bus_message *options) {
        change_io_thread(call, self, IO_THREAD_REMOVED, thread, options);
}

/* Puts one limit into the change, `data`; false where there is none of that name. */
static bool edit_limit(const char *name, uint64_t value, void *data) {
        DeviceChange *change = data;
        static const struct {
                const char *name, *place, *unit;
        } limits[] = {
                { "cpu_shares", "cputune/shares", "" },
                { "cpu_quota", "cputune/global_quota", "" },
                { "cpu_period", "cputune/global_period", "" },
                { "vcpu_quota", "cputune/quota", "" },
                { "vcpu_period", "cputune/period", "" },
                { "emulator_quota", "cputune/emulator_quota", "" },
                { "emulator_period", "cputune/emulator_period", "" },
                { "iothread_quota", "cputune/iothread_quota", "" },
                { "iothread_period", "cputune/iothread_period", "" },
                { "memory_hard_limit", "memtune/hard_limit", " unit='b'" },
                { "memory_soft_limit", "memtune/soft_limit", " unit='b'" },
                { "swap_hard_limit", "memtune/swap_hard_limit", " unit='b'" },
                { "blkio_weight", "blkiotune/weight", "" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
                if (strcmp(name, limits[i].name) == 0) {
                        const char *element = strchr(limits[i].place, '/') + 1;
                        g_autofree char *text =
                                        g_strdup_printf("<%s%s>%" PRIu64 "</%s>", element, limits[i].unit, value, element);
                        device_change_edit(change, limits[i].place, value > 0 ? text : NULL);
                        return true;
                }
        return false;
}

/* Takes one limit; false where there is none of this name. */
typedef bool (*TakeLimit)(const char *name, uint64_t value, void *data);

/* Reads limits by their names and has each taken. Returns a negative errno where the message is not one; where a name is refused,
   `error` says so and names the member whose documentation has the list. */
static int read_limits(sd_bus_message *arguments, const char *member, TakeLimit take, void *data, GError **error) {
        size_t n = 0;
        int r = sd_bus_message_enter_container(arguments, 'a', "{st}");
        while (r >= 0 && (r = sd_bus_message_enter_container(arguments, 'e', "st")) > 0) {
                const char *name;
                uint64_t value;
                r = sd_bus_message_read(arguments, "st", &name, &value);
                if (r >= 0 && (++n > IO_LIMITS_MAX || !take(name, value, data))) {
                        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not a limit; see %s", name, member);
                        return 0;
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(arguments);
        }
        return r < 0 ? r : sd_bus_message_exit_container(arguments);
}

static void bus_set_limits(Call *call, Domain *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        DeviceChange *given = device_change_new(false, false);
        int r = read_limits(arguments, "SetLimits", edit_limit, given, &error);
        if (!error && r >= 0 && given->edits->len == 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "no limit is given");
        DeviceChange *change = !error && r >= 0 ? read_change(arguments, false, false, &error) : NULL;
        if (r < 0)
                call_fail_errno(call, r);
        else {
                if (change) {
                        given->live = change->live;
                        given->config = change->config;
                        device_change_free(change);
                        change = g_steal_pointer(&given);
                }
                change_domain(call, self, change, error);
        }
        if (given)
                device_change_free(given);
}

/* Whether the domain is active, and past its start. */
static bool is_up(const Domain *self) {
        return domain_is_active(self) && self->state != DOMAIN_STARTING && self->state != DOMAIN_STOPPING;
}

static bool check_active(const Domain *self, const char *what, GError **error) {
        if (is_up(self))
                return true;
        return domain_fail(self, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; for %s it must be active",
                           domain_state_name(self->state), what);
}

static void bus_open_log(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const Hypervisor *hypervisor = self->connection->hypervisor;
        if (options_read(options, &error, NULL) && !hypervisor->open_log)
                domain_fail(self, &error, VIRTBUS_ERROR_UNSUPPORTED, "driver %s keeps no logs", hypervisor->connection);
        if (error)
                call_fail(call, error);
        else
                hypervisor->open_log(self, call);
}

static void bus_screenshot(Call *call, Domain *self, uint32_t screen, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (!options_read(options, &error, NULL) || !check_active(self, "Screenshot", &error))
                call_fail(call, error);
        else
                self->connection->hypervisor->screenshot(self, screen, call);
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
        if (!options_read(arguments, &error, "hold_time", 't', &hold_time, NULL) || !check_active(self, "SendKeys", &error))
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
                self->connection->hypervisor->send_keys(self, keys, hold_time, call);
}

static void bus_inject_nmi(Call *call, Domain *self) {
        g_autoptr(GError) error = NULL;
        if (!check_active(self, "InjectNMI", &error))
                call_fail(call, error);
        else
                self->connection->hypervisor->inject_nmi(self, call);
}

static void bus_wake_up(Call *call, Domain *self) {
        g_autoptr(GError) error = NULL;
        if (self->state != DOMAIN_PMSUSPENDED) {
                domain_fail(self, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; for WakeUp it must be pmsuspended",
                            domain_state_name(self->state));
                call_fail(call, error);
        } else
                self->connection->hypervisor->wake_up(self, call);
}

static void bus_peek_memory(Call *call, Domain *self, uint64_t address, uint64_t size, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool is_virtual = false;
        if (!options_read(options, &error, "virtual", 'b', &is_virtual, NULL) || !check_active(self, "PeekMemory", &error))
                ;
        else if (size == 0 || size > PEEK_BYTES_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "size is %" PRIu64 "; it must be from 1 to %d", size,
                                  PEEK_BYTES_MAX);
        if (error)
                call_fail(call, error);
        else
                self->connection->hypervisor->peek_memory(self, address, size, is_virtual, call);
}

/* Queues a save; PATH, or FD, or neither. */
static void save(Call *call, Domain *self, const char *path, int fd, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const char *compression = "";
        bool paused = false;
        g_autofd int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
        Saving *saving = NULL;
        if (fd >= 0 && copy < 0) {
                call_fail_errno(call, -errno);
                return;
        }
        if (options_read(options, &error, "compression", 's', &compression, "paused", 'b', &paused, NULL))
                saving = saving_new(path, steal_fd(&copy), compression, paused, &error);
        if (saving)
                domain_operate(self, save_new(call, saving));
        else
                call_fail(call, error);
}

static void bus_save(Call *call, Domain *self, const char *path, sd_bus_message *options) {
        save(call, self, path, -1, options);
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

static void bus_undefine(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool nvram = false, managed_save = false;
        if (!options_read(options, &error, "nvram", 'b', &nvram, "managed_save", 'b', &managed_save, NULL))
                call_fail(call, error);
        else
                connection_undefine(self, nvram, managed_save, call);
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
DOMAIN_PROPERTY(bool, has_managed_save, self->has_managed_save)
DOMAIN_PROPERTY(uint32_t, id, self->id)
DOMAIN_PROPERTY(uint32_t, owner, self->owner)
DOMAIN_PROPERTY(uint64_t, start_time, self->start_time)
DOMAIN_PROPERTY(uint64_t, memory, domain_definition(self)->memory)
DOMAIN_PROPERTY(uint64_t, max_memory, domain_definition(self)->max_memory)
DOMAIN_PROPERTY(uint32_t, vcpus, domain_definition(self)->vcpus)
DOMAIN_PROPERTY(uint32_t, max_vcpus, domain_definition(self)->max_vcpus)

/* org.virtbus1.Device and its kinds */

static void device_get_xml(Call *call, Device *self) {
        g_autofree char *xml = definition_device_text(domain_definition(self->domain), self->index);
        reply_device_get_xml(call, xml);
}

static void device_detach(Call *call, Device *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = read_change(options, true, false, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        change->alias = g_strdup(self->definition->alias);
        domain_operate(self->domain, change_new(&detach_class, call, change));
}

static void device_update(Call *call, Device *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) parsed = xml_parse(xml, NULL, &error);
        DeviceChange *change = parsed ? read_change(options, false, true, &error) : NULL;
        if (!change) {
                call_fail(call, error);
                return;
        }
        change->alias = g_strdup(self->definition->alias);
        change->xml = g_strdup(xml);
        domain_operate(self->domain, change_new(&update_class, call, change));
}

/* Changes parts of a device's element. */
static void edit(Call *call, const Device *self, DeviceChange *change) {
        change->alias = g_strdup(self->definition->alias);
        domain_operate(self->domain, change_new(&update_class, call, change));
}

static void disk_change_media(Call *call, Device *self, const char *path, const char *format, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool removable = strcmp(self->definition->type, "cdrom") == 0 || strcmp(self->definition->type, "floppy") == 0;
        DeviceChange *change = NULL;
        if (!removable)
                domain_fail(self->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "device '%s' is a %s, whose medium cannot be changed; detach it", self->definition->alias,
                            self->definition->type);
        else if (!path[0] || path_check(path, &error))
                change = read_change(options, false, true, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        bool is_block = g_str_has_prefix(path, "/dev/");
        g_autofree char *quoted = g_markup_escape_text(path, -1),
                        *source = g_strdup_printf("<source %s='%s'/>", is_block ? "dev" : "file", quoted);
        device_change_edit(change, "backingStore", NULL);
        device_change_edit(change, "source", path[0] ? source : NULL);
        device_change_edit(change, "@type", is_block ? "block" : "file");
        device_change_edit(change, "driver/@type", path[0] ? (format[0] ? format : "raw") : NULL);
        edit(call, self, change);
}

/* The elements of <iotune> that are numbers. */
static bool is_io_limit(const char *name) {
        static const char *const starts[] = { "total_bytes_sec", "read_bytes_sec", "write_bytes_sec",
                                              "total_iops_sec",  "read_iops_sec",  "write_iops_sec" };
        static const char *const ends[] = { "", "_max", "_max_length", NULL };
        for (size_t i = 0; i < G_N_ELEMENTS(starts); i++)
                if (g_str_has_prefix(name, starts[i]))
                        return g_strv_contains(ends, name + strlen(starts[i]));
        return strcmp(name, "size_iops_sec") == 0;
}

static bool take_io_limit(const char *name, uint64_t value, void *limits) {
        if (!is_io_limit(name))
                return false;
        if (value > 0)
                g_string_append_printf(limits, "<%s>%" PRIu64 "</%s>", name, value, name);
        return true;
}

static void disk_set_io_limits(Call *call, Device *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) limits = g_string_new("<iotune>");
        int r = read_limits(arguments, "SetIOLimits", take_io_limit, limits, &error);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        bool none = strcmp(limits->str, "<iotune>") == 0;
        g_string_append(limits, "</iotune>");
        DeviceChange *change = error ? NULL : read_change(arguments, false, false, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        device_change_edit(change, "iotune", none ? NULL : limits->str);
        edit(call, self, change);
}

static void network_interface_set_link(Call *call, Device *self, bool up, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = read_change(options, false, false, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        device_change_edit(change, "link", up ? "<link state='up'/>" : "<link state='down'/>");
        edit(call, self, change);
}

/* The limits of a card, as the document names and counts them: rates in kilobytes a second, bursts in kibibytes. */
static const struct {
        const char *name, *direction, *attribute;
        uint64_t unit;
} bandwidths[] = {
        { "inbound_average", "inbound", "average", 1000 }, { "inbound_peak", "inbound", "peak", 1000 },
        { "inbound_burst", "inbound", "burst", 1024 },     { "outbound_average", "outbound", "average", 1000 },
        { "outbound_peak", "outbound", "peak", 1000 },     { "outbound_burst", "outbound", "burst", 1024 },
};

static bool take_bandwidth(const char *name, uint64_t value, void *data) {
        uint64_t *values = data;
        for (size_t i = 0; i < G_N_ELEMENTS(bandwidths); i++)
                if (strcmp(name, bandwidths[i].name) == 0) {
                        values[i] = value / bandwidths[i].unit + (value % bandwidths[i].unit > 0);
                        return true;
                }
        return false;
}

static void network_interface_set_bandwidth(Call *call, Device *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) text = g_string_new("<bandwidth>");
        uint64_t values[G_N_ELEMENTS(bandwidths)] = { 0 };
        bool any = false;
        int r = read_limits(arguments, "SetBandwidth", take_bandwidth, values, &error);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(bandwidths); i += G_N_ELEMENTS(bandwidths) / 2) {
                uint64_t average = values[i], peak = values[i + 1], burst = values[i + 2];
                const char *direction = bandwidths[i].direction;
                if (!error && average == 0 && (peak > 0 || burst > 0))
                        virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s_average is missing", direction);
                else if (!error && peak > 0 && peak < average)
                        virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s_peak is below %s_average", direction,
                                          direction);
                if (average == 0)
                        continue;
                any = true;
                g_string_append_printf(text, "<%s", direction);
                for (size_t k = i; k < i + G_N_ELEMENTS(bandwidths) / 2; k++)
                        if (values[k] > 0)
                                g_string_append_printf(text, " %s='%" PRIu64 "'", bandwidths[k].attribute, values[k]);
                g_string_append(text, "/>");
        }
        g_string_append(text, "</bandwidth>");
        DeviceChange *change = error ? NULL : read_change(arguments, false, false, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        device_change_edit(change, "bandwidth", any ? text->str : NULL);
        edit(call, self, change);
}

#define DEVICE_PROPERTY(type, prefix, name, member) \
        static type prefix##_get_##name(const Device *self) { \
                return self->definition->member; \
        }
#define DEVICE_STRING(prefix, name, member) DEVICE_PROPERTY(const char *, prefix, name, member)

DEVICE_STRING(device, alias, alias)
DEVICE_STRING(device, kind, kind)
DEVICE_STRING(device, model, model)
static const char *disk_get_error(const Device *self) {
        GHashTable *errors = self->domain->disk_errors;
        const char *error = errors ? g_hash_table_lookup(errors, self->definition->alias) : NULL;
        return error ? error : "";
}

DEVICE_STRING(disk, target, target)
DEVICE_STRING(disk, bus, bus)
DEVICE_STRING(disk, type, type)
DEVICE_STRING(disk, source_type, source_type)
DEVICE_STRING(disk, source, source)
DEVICE_STRING(disk, format, format)
DEVICE_PROPERTY(bool, disk, read_only, read_only)
DEVICE_PROPERTY(uint32_t, disk, boot_order, boot)
DEVICE_STRING(network_interface, mac, mac)
DEVICE_STRING(network_interface, type, type)
DEVICE_STRING(network_interface, source, source)
DEVICE_STRING(network_interface, host_interface, target)
DEVICE_PROPERTY(uint32_t, network_interface, boot_order, boot)
DEVICE_STRING(console, type, type)
DEVICE_STRING(console, path, source)
DEVICE_STRING(console, name, name)
DEVICE_STRING(console, target_type, target)
DEVICE_PROPERTY(uint32_t, console, port, port)
DEVICE_STRING(graphics, type, type)
DEVICE_STRING(graphics, socket, source)

/* Consoles and displays can be opened while the domain is active and past its start. */
static bool check_open(const Device *self, GError **error) {
        const Domain *domain = self->domain;
        if (is_up(domain))
                return true;
        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; to open its %s '%s' start it first",
                           domain_state_name(domain->state), self->definition->kind, self->definition->alias);
}

static void console_open(Call *call, Device *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool force = false;
        if (!options_read(options, &error, "force", 'b', &force, NULL) || !check_open(self, &error))
                call_fail(call, error);
        else
                self->domain->connection->hypervisor->open_console(self->domain, self->definition, force, call);
}

static void graphics_open(Call *call, Device *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (!options_read(options, &error, NULL) || !check_open(self, &error))
                call_fail(call, error);
        else
                self->domain->connection->hypervisor->open_graphics(self->domain, self->definition, call);
}

static void network_interface_get_addresses(Call *call, Device *self, const char *source, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool agent = strcmp(source, "agent") == 0, lease = strcmp(source, "lease") == 0;
        if (!agent && !lease && strcmp(source, "arp") != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "source is '%.32s'; it must be agent, lease or arp",
                                  source);
        if (error || !options_read(options, &error, NULL) || !check_open(self, &error))
                call_fail(call, error);
        else if (lease)
                leases_answer(self->domain->connection->worker, self->definition->bridge, self->definition->mac, call);
        else
                self->domain->connection->hypervisor->get_addresses(self->domain, self->definition, agent, call);
}

static void disk_resize(Call *call, Device *self, uint64_t bytes, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        Domain *domain = self->domain;
        DiskSize size = { .bytes = bytes };
        if (options_read(options, &error, "add", 'b', &size.adds, "shrink", 'b', &size.shrinks, NULL) &&
            (domain->state == DOMAIN_SHUTOFF || check_open(self, &error)))
                disk_size_check(&size, &error);
        if (error)
                call_fail(call, error);
        else
                domain->connection->hypervisor->resize_disk(domain, self->definition, &size, call);
}

/* Publishing */

static const Vtable *const device_vtables[][3] = {
        [DEVICE_OTHER] = { &device_vtable, NULL },
        [DEVICE_DISK] = { &device_vtable, &disk_vtable, NULL },
        [DEVICE_NETWORK_INTERFACE] = { &device_vtable, &network_interface_vtable, NULL },
        [DEVICE_CONSOLE] = { &device_vtable, &console_vtable, NULL },
        [DEVICE_GRAPHICS] = { &device_vtable, &graphics_vtable, NULL },
};

static void device_withdraw(Device *device) {
        published_withdraw(device->published);
        g_free(device);
}

static Device *find_device(Domain *domain, const char *path) {
        for (guint i = 0; i < domain->devices->len; i++) {
                Device *device = domain->devices->pdata[i];
                if (strcmp(published_path(device->published), path) == 0)
                        return device;
        }
        return NULL;
}

static void publish_devices(Domain *domain) {
        Definition *definition = domain_definition(domain);
        g_autoptr(GPtrArray) old = domain->devices;
        GPtrArray *devices = g_ptr_array_new();
        for (guint i = 0; i < definition->devices->len; i++) {
                DeviceDefinition *part = definition->devices->pdata[i];
                const Vtable *const *vtables = device_vtables[part->device_class];
                g_autofree char *path = domain_device_path(domain, part->alias);
                domain->devices = old;
                Device *device = find_device(domain, path);
                if (device && device->device_class != part->device_class) {
                        g_ptr_array_remove(old, device);
                        device_withdraw(device);
                        device = NULL;
                }
                if (device) {
                        g_ptr_array_remove(old, device);
                        device->definition = part;
                        device->index = i;
                        for (size_t j = 0; vtables[j]; j++)
                                published_changed(device->published, vtables[j], NULL);
                } else {
                        device = g_new0(Device, 1);
                        *device = (Device){
                                .domain = domain, .definition = part, .device_class = part->device_class, .index = i
                        };
                        device->published = objects_publish(domain->connection->objects, path, device, vtables);
                }
                g_ptr_array_add(devices, device);
        }
        for (guint i = 0; i < old->len; i++)
                device_withdraw(old->pdata[i]);
        domain->devices = devices;
}

static void publish(Domain *domain) {
        static const Vtable *const vtables[] = { &bus_vtable, NULL };
        g_autofree char *path = g_strdup_printf("%s/domain/%s", domain->connection->path, domain->uuid);
        domain->published = objects_publish(domain->connection->objects, g_strdelimit(path, "-", '_'), domain, vtables);
        publish_devices(domain);
}

static void withdraw(Domain *domain) {
        if (!domain->published)
                return;
        for (guint i = 0; i < domain->devices->len; i++)
                device_withdraw(domain->devices->pdata[i]);
        g_ptr_array_set_size(domain->devices, 0);
        g_clear_pointer(&domain->published, published_withdraw);
}

static void announce(Domain *domain, const int *properties) {
        published_changed(domain->published, &bus_vtable, properties);
}

static void announce_disk_errors(Domain *domain) {
        for (guint i = 0; i < domain->devices->len; i++) {
                const Device *device = domain->devices->pdata[i];
                if (device->device_class == DEVICE_DISK)
                        published_changed(device->published, &disk_vtable, (const int[]){ DEVICE_DISK_ERROR, -1 });
        }
}

static void announce_state(Domain *domain, DomainState old) {
        announce(domain, (const int[]){ DOMAIN_STATE, DOMAIN_STATE_REASON, DOMAIN_ACTIVE, DOMAIN_ID, DOMAIN_START_TIME, -1 });
        if (old != domain->state)
                published_emit(domain->published, &bus_vtable, "StateChanged", "sss", domain_state_name(old),
                               domain_state_name(domain->state), domain_reason_name(domain->reason));
}

const DomainListener domain_bus_listener = {
        .added = publish,
        .changed = announce,
        .state_changed = announce_state,
        .devices_changed = publish_devices,
        .disk_errors_changed = announce_disk_errors,
        .gone = withdraw,
        .freed = withdraw,
};
