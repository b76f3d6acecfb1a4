/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/resources.h"

#include <inttypes.h>
#include <string.h>

#include "domain/change-options.h"

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
