/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/change-options.h"

#include <inttypes.h>
#include <string.h>

#include "bus.h"
#include "errors.h"
#include "options.h"

/* How many limits one call may give. */
#define LIMITS_MAX 32

/* What calls say; each of them takes some of it. */
typedef struct Said {
        bool live, config, force;
        uint64_t timeout;
        GPtrArray *fds;
        const char *group;
} Said;

#define PLACES_OF(said) "live", 'b', &(said)->live, "config", 'b', &(said)->config

static bool read_said(sd_bus_message *options, unsigned flags, Said *said, GError **error) {
        if (flags & CHANGE_HAS_TIMEOUT)
                return options_read(options, error, PLACES_OF(said), "timeout", 't', &said->timeout, NULL);
        if (flags & CHANGE_HAS_GROUP)
                return options_read(options, error, PLACES_OF(said), "force", 'b', &said->force, "fds", OPTION_FDS, &said->fds,
                                    "fdgroup", 's', &said->group, NULL);
        if (flags & CHANGE_HAS_FORCE)
                return options_read(options, error, PLACES_OF(said), "force", 'b', &said->force, "fds", OPTION_FDS, &said->fds,
                                    NULL);
        if (flags & CHANGE_HAS_FDS)
                return options_read(options, error, PLACES_OF(said), "fds", OPTION_FDS, &said->fds, NULL);
        return options_read(options, error, PLACES_OF(said), NULL);
}

DeviceChange *change_options_read(sd_bus_message *options, unsigned flags, GError **error) {
        Said said = { .timeout = DETACH_TIMEOUT_DEFAULT };
        bool fine = read_said(options, flags, &said, error);
        g_autoptr(GPtrArray) fds = said.fds;
        if (fine && said.timeout > DETACH_TIMEOUT_MAX)
                fine = virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "timeout is %" PRIu64 "; it is at most %" PRIu64 " microseconds", said.timeout,
                                         DETACH_TIMEOUT_MAX);
        if (!fine)
                return NULL;
        DeviceChange *change = device_change_new(said.live, said.config);
        change->timeout = said.timeout;
        change->force = said.force;
        change->fds = g_steal_pointer(&fds);
        change->group = g_strdup(said.group);
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
