/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What calls give to a domain of its host's memory, processors and I/O threads, as a change of it. Each reads the options of the
 * call, too, and returns NULL with an error where what is given cannot be. */

#include "domain/domain.h"
#include "domain/operations/device-edit.h"

DeviceChange *resources_read_memory(uint64_t size, sd_bus_message *options, GError **error);
DeviceChange *resources_read_vcpus(uint32_t count, sd_bus_message *options, GError **error);

/* TEXT: which of those that DOMAIN may have. */
DeviceChange *resources_read_vcpu_list(const Domain *domain, const char *text, bool enabled, sd_bus_message *options,
                                       GError **error);

/* What is the most is said by the definition alone: what has been started keeps its own. */
DeviceChange *resources_read_max_memory(const Domain *domain, uint64_t size, sd_bus_message *options, GError **error);
DeviceChange *resources_read_max_vcpus(const Domain *domain, uint32_t count, sd_bus_message *options, GError **error);

/* Where it is: lists of the host's processors for a thread, and of its NUMA nodes. */
DeviceChange *resources_read_cpus(PinnedThread which, uint32_t number, const char *cpus, sd_bus_message *options, GError **error);
DeviceChange *resources_read_nodes(const char *nodes, sd_bus_message *options, GError **error);

DeviceChange *resources_read_io_thread(IOThreadChange kind, uint32_t thread, sd_bus_message *options, GError **error);

/* ARGUMENTS: a{st} by the names of Domain.SetIOThread, and the options. *R is a negative errno where the message is not one. */
DeviceChange *resources_read_io_thread_values(uint32_t thread, sd_bus_message *arguments, int *r, GError **error);

/* What becomes of a guest that ends. */
DeviceChange *resources_read_lifecycle(const char *event, const char *action, sd_bus_message *options, GError **error);
