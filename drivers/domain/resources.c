/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/resources.h"

#include <inttypes.h>
#include <string.h>

#include "domain/change-options.h"
#include "domain/vcpu-list.h"

/* What memory is counted in, in bytes. */
#define MEMORY_UNIT 1024

static bool check_memory(uint64_t size, GError **error) {
        if (size > 0 && size % MEMORY_UNIT == 0)
                return true;
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "size is %" PRIu64 "; it must be a multiple of %d above 0", size, MEMORY_UNIT);
}

static bool check_vcpus(uint32_t count, GError **error) {
        return count > 0 || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "a domain has one processor at least");
}

DeviceChange *resources_read_memory(uint64_t size, sd_bus_message *options, GError **error) {
        DeviceChange *change = check_memory(size, error) ? change_options_read(options, 0, error) : NULL;
        if (change)
                change->memory = size;
        return change;
}

DeviceChange *resources_read_vcpus(uint32_t count, sd_bus_message *options, GError **error) {
        DeviceChange *change = check_vcpus(count, error) ? change_options_read(options, 0, error) : NULL;
        if (change)
                change->vcpus = count;
        return change;
}

/* A domain that runs may have fewer than its definition: what is too much for either is refused when it is looked at. */
DeviceChange *resources_read_vcpu_list(const Domain *domain, const char *text, bool enabled, sd_bus_message *options,
                                       GError **error) {
        uint32_t count = MAX(domain_definition(domain)->max_vcpus, domain->persistent ? domain->persistent->max_vcpus : 0);
        g_autoptr(GArray) numbers = vcpu_list_read(text, count);
        if (!numbers || g_array_index(numbers, uint32_t, 0) == 0) {
                domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            numbers ? "processor 0 is always there: '%.64s' must be without it"
                                    : "'%.64s' is not a list of virtual processors such as 1-3,5; it can have %u, counted from 0",
                            text, count);
                return NULL;
        }
        DeviceChange *change = change_options_read(options, 0, error);
        if (change) {
                change->listed_vcpus = g_steal_pointer(&numbers);
                change->enables_listed = enabled;
        }
        return change;
}

static DeviceChange *read_maximum(const Domain *domain, sd_bus_message *options, GError **error) {
        DeviceChange *change = change_options_read(options, 0, error);
        if (change && change->live) {
                domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                            "what a guest can be given at most is settled when it starts; leave out the option live");
                g_clear_pointer(&change, device_change_free);
        }
        if (change)
                change->config = true;
        return change;
}

DeviceChange *resources_read_max_memory(const Domain *domain, uint64_t size, sd_bus_message *options, GError **error) {
        DeviceChange *change = check_memory(size, error) ? read_maximum(domain, options, error) : NULL;
        if (change)
                change->max_memory = size;
        return change;
}

DeviceChange *resources_read_max_vcpus(const Domain *domain, uint32_t count, sd_bus_message *options, GError **error) {
        DeviceChange *change = check_vcpus(count, error) ? read_maximum(domain, options, error) : NULL;
        if (change)
                change->max_vcpus = count;
        return change;
}

/* A change that says where something is on the host, by a list of numbers. */
static DeviceChange *read_place(const char *list, const char *what, sd_bus_message *options, GError **error) {
        if (*list && strspn(list, "0123456789,-^ ") == strlen(list))
                return change_options_read(options, 0, error);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not a list of %s such as 0-3,8", list, what);
        return NULL;
}

DeviceChange *resources_read_cpus(PinnedThread which, uint32_t number, const char *cpus, sd_bus_message *options,
                                  GError **error) {
        DeviceChange *change = read_place(cpus, "processors", options, error);
        if (change) {
                change->cpus = g_strdup(cpus);
                change->pinned = which;
                change->thread = number;
        }
        return change;
}

DeviceChange *resources_read_nodes(const char *nodes, sd_bus_message *options, GError **error) {
        DeviceChange *change = read_place(nodes, "NUMA nodes", options, error);
        if (change)
                change->nodes = g_strdup(nodes);
        return change;
}

DeviceChange *resources_read_io_thread(IOThreadChange kind, uint32_t thread, sd_bus_message *options, GError **error) {
        if (thread == 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "I/O threads are numbered from 1");
                return NULL;
        }
        DeviceChange *change = change_options_read(options, 0, error);
        if (change) {
                change->io_thread = kind;
                change->thread = thread;
        }
        return change;
}

static bool take_value(const char *name, uint64_t value, void *data) {
        static const char *const names[IO_THREAD_N_VALUES] = {
                [IO_THREAD_POLL_MAX] = "poll_max_ns",     [IO_THREAD_POLL_GROW] = "poll_grow",
                [IO_THREAD_POLL_SHRINK] = "poll_shrink",  [IO_THREAD_POOL_MIN] = "thread_pool_min",
                [IO_THREAD_POOL_MAX] = "thread_pool_max",
        };
        DeviceChange *change = data;
        for (size_t i = 0; i < IO_THREAD_N_VALUES; i++)
                if (strcmp(name, names[i]) == 0) {
                        change->io_thread_values[i] = value;
                        return change->io_thread_given[i] = true;
                }
        return false;
}

DeviceChange *resources_read_io_thread_values(uint32_t thread, sd_bus_message *arguments, int *r, GError **error) {
        DeviceChange *given = device_change_new(false, false), *change = NULL;
        bool any = false;
        *r = change_options_read_limits(arguments, "SetIOThread", take_value, given, error);
        for (size_t i = 0; i < IO_THREAD_N_VALUES; i++)
                any |= given->io_thread_given[i];
        if (*r >= 0 && !*error && !any)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "no value is given; see SetIOThread");
        if (*r >= 0 && !*error)
                change = resources_read_io_thread(IO_THREAD_TUNED, thread, arguments, error);
        if (change) {
                memcpy(change->io_thread_values, given->io_thread_values, sizeof given->io_thread_values);
                memcpy(change->io_thread_given, given->io_thread_given, sizeof given->io_thread_given);
        }
        device_change_free(given);
        return change;
}

DeviceChange *resources_read_lifecycle(const char *event, const char *action, sd_bus_message *options, GError **error) {
        static const char *const events[] = { "poweroff", "reboot", "crash", NULL };
        if (!g_strv_contains(events, event) || !xml_is_text(action)) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  g_strv_contains(events, event) ? "action '%.32s' has a character that a document cannot have"
                                                                 : "event is '%.32s'; it must be poweroff, reboot or crash",
                                  g_strv_contains(events, event) ? action : event);
                return NULL;
        }
        DeviceChange *change = change_options_read(options, 0, error);
        if (change) {
                g_autofree char *place = g_strconcat("on_", event, NULL);
                xmlNodeAddContent(device_change_put(change, place), (const xmlChar *) action);
                change->is_lifecycle = true;
        }
        return change;
}
