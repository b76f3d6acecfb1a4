/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/change-options.h"

#include <inttypes.h>
#include <string.h>

#include "bus.h"
#include "errors.h"
#include "options.h"

/* How many limits one call may give. */
#define LIMITS_MAX 32

DeviceChange *change_options_read(sd_bus_message *options, unsigned flags, GError **error) {
        bool live = false, config = false, force = false;
        uint64_t timeout = DETACH_TIMEOUT_DEFAULT;
        g_autoptr(GPtrArray) fds = NULL;
        bool fine = flags & CHANGE_HAS_TIMEOUT ? options_read(options, error, "live", 'b', &live, "config", 'b', &config,
                                                              "timeout", 't', &timeout, NULL)
                    : flags & CHANGE_HAS_FORCE ? options_read(options, error, "live", 'b', &live, "config", 'b', &config, "force",
                                                              'b', &force, NULL)
                    : flags & CHANGE_HAS_FDS   ? options_read(options, error, "live", 'b', &live, "config", 'b', &config, "fds",
                                                              OPTION_FDS, &fds, NULL)
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
        change->fds = g_steal_pointer(&fds);
        return change;
}

static void put_limit(xmlNode *element, uint64_t value, const char *unit) {
        char text[24];
        g_snprintf(text, sizeof text, "%" PRIu64, value);
        xmlNodeAddContent(element, (const xmlChar *) text);
        if (unit)
                xml_set_attribute(element, "unit", unit);
}

bool change_options_edit_limit(const char *name, uint64_t value, void *data) {
        DeviceChange *change = data;
        static const struct {
                const char *name, *place, *unit;
        } limits[] = {
                { "cpu_shares", "cputune/shares", NULL },
                { "cpu_quota", "cputune/global_quota", NULL },
                { "cpu_period", "cputune/global_period", NULL },
                { "vcpu_quota", "cputune/quota", NULL },
                { "vcpu_period", "cputune/period", NULL },
                { "emulator_quota", "cputune/emulator_quota", NULL },
                { "emulator_period", "cputune/emulator_period", NULL },
                { "iothread_quota", "cputune/iothread_quota", NULL },
                { "iothread_period", "cputune/iothread_period", NULL },
                { "memory_hard_limit", "memtune/hard_limit", "b" },
                { "memory_soft_limit", "memtune/soft_limit", "b" },
                { "swap_hard_limit", "memtune/swap_hard_limit", "b" },
                { "blkio_weight", "blkiotune/weight", NULL },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
                if (strcmp(name, limits[i].name) == 0) {
                        if (value > 0)
                                put_limit(device_change_put(change, limits[i].place), value, limits[i].unit);
                        else
                                device_change_drop(change, limits[i].place);
                        return true;
                }
        return false;
}

int change_options_read_limits(sd_bus_message *arguments, const char *member, TakeLimit take, void *data, GError **error) {
        size_t n = 0;
        int r = sd_bus_message_enter_container(arguments, 'a', "{st}");
        while (r >= 0 && (r = sd_bus_message_enter_container(arguments, 'e', "st")) > 0) {
                const char *name;
                uint64_t value;
                r = sd_bus_message_read(arguments, "st", &name, &value);
                if (r >= 0 && (++n > LIMITS_MAX || !take(name, value, data))) {
                        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not a limit; see %s", name, member);
                        return 0;
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(arguments);
        }
        return r < 0 ? r : sd_bus_message_exit_container(arguments);
}
