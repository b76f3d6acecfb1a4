/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a guest uses, and which addresses it has: of its process by /proc, of its taps by netlink, of its disks and its balloon by its monitor. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "addresses.h"
#include "guest.h"
#include "network.h"
#include "statistics.h"

/* /proc counts processor time in these, sysconf(3); 100 a second everywhere. */
static uint64_t tick(void) {
        static uint64_t usec;
        if (usec == 0)
                usec = 1000000 / (uint64_t) MAX(sysconf(_SC_CLK_TCK), 1);
        return usec;
}

/* proc(5), /proc/PID/stat: utime and stime, fields 14 and 15. */
static bool read_times(const char *path, uint64_t *user, uint64_t *system) {
        g_autofree char *text = NULL;
        unsigned long long u, s;
        const char *end = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
        if (!end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &u, &s) != 2)
                return false;
        *user = u * tick();
        *system = s * tick();
        return true;
}

static void collect_process(Domain *domain, pid_t pid) {
        g_autofree char *stat = g_strdup_printf("/proc/%d/stat", pid), *statm = g_strdup_printf("/proc/%d/statm", pid),
                        *text = NULL;
        uint64_t user, system;
        unsigned long long pages;
        if (read_times(stat, &user, &system)) {
                statistics_begin(domain, "cpu");
                statistics_set(domain, "time", user + system);
                statistics_set(domain, "user_time", user);
                statistics_set(domain, "system_time", system);
        }
        if (g_file_get_contents(statm, &text, NULL, NULL) && sscanf(text, "%*u %llu", &pages) == 1) {
                statistics_begin(domain, "memory");
                statistics_set(domain, "rss", pages * (uint64_t) sysconf(_SC_PAGESIZE));
        }
}

static void collect_interfaces(Domain *domain) {
        static const char *const names[NETWORK_N_COUNTERS] = {
                [NETWORK_RX_BYTES] = "rx_bytes",   [NETWORK_RX_PACKETS] = "rx_packets", [NETWORK_RX_ERRORS] = "rx_errors",
                [NETWORK_RX_DROPS] = "rx_drops",   [NETWORK_TX_BYTES] = "tx_bytes",     [NETWORK_TX_PACKETS] = "tx_packets",
                [NETWORK_TX_ERRORS] = "tx_errors", [NETWORK_TX_DROPS] = "tx_drops",
        };
        for (guint i = 0; i < domain->live->devices->len; i++) {
                const DeviceDefinition *device = domain->live->devices->pdata[i];
                uint64_t counters[NETWORK_N_COUNTERS];
                if (device->device_class != DEVICE_NETWORK_INTERFACE || !device->target[0] ||
                    !network_read_counters(device->target, counters))
                        continue;
                g_autofree char *group = g_strdup_printf("interface.%s", device->alias);
                statistics_begin(domain, group);
                for (size_t k = 0; k < G_N_ELEMENTS(names); k++)
                        statistics_set(domain, names[k], counters[k]);
        }
}

/* The disk that a back end belongs to, by the name of its device: its alias, or a path with it. */
static const DeviceDefinition *find_disk(const Domain *domain, const char *name) {
        static const char peripheral[] = "/machine/peripheral/";
        if (g_str_has_prefix(name, peripheral))
                name += strlen(peripheral);
        g_autofree char *alias = g_strndup(name, strcspn(name, "/"));
        const DeviceDefinition *device = definition_find_device(domain->live, alias);
        return device && device->device_class == DEVICE_DISK ? device : NULL;
}

static void on_blocks(void *data, JsonObject *answer, const GError *error) {
        static const char *const counters[][2] = {
                { "rd_bytes", "read_bytes" },
                { "rd_operations", "read_operations" },
                { "rd_total_time_ns", "read_time_ns" },
                { "wr_bytes", "write_bytes" },
                { "wr_operations", "write_operations" },
                { "wr_total_time_ns", "write_time_ns" },
                { "flush_operations", "flush_operations" },
                { "flush_total_time_ns", "flush_time_ns" },
                { "failed_rd_operations", "failed_reads" },
                { "failed_wr_operations", "failed_writes" },
        };
        Guest *guest = data;
        Domain *domain = guest->domain;
        JsonArray *blocks = json_array(answer, "return");
        for (guint i = 0; !error && blocks && i < json_array_get_length(blocks); i++) {
                JsonObject *block = json_object_at(blocks, i), *stats = json_member(block, "stats");
                const char *name = json_string(block, "qdev");
                const DeviceDefinition *disk = name && stats ? find_disk(domain, name) : NULL;
                if (!disk)
                        continue;
                g_autofree char *group = g_strdup_printf("block.%s", disk->alias);
                statistics_begin(domain, group);
                for (size_t k = 0; k < G_N_ELEMENTS(counters); k++)
                        statistics_set(domain, counters[k][1], (uint64_t) MAX(json_int(stats, counters[k][0], 0), 0));
        }
}

static void on_balloon(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        gint64 actual = json_int(json_member(answer, "return"), "actual", -1);
        if (error || actual < 0)
                return;
        statistics_begin(guest->domain, "balloon");
        statistics_set(guest->domain, "current", (uint64_t) actual);
        statistics_set(guest->domain, "maximum", guest->domain->live->max_memory);
}

/* The last of the answers. */
static void on_processors(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        JsonArray *processors = json_array(answer, "return");
        for (guint i = 0; !error && guest->process && processors && i < json_array_get_length(processors); i++) {
                JsonObject *processor = json_object_at(processors, i);
                gint64 index = json_int(processor, "cpu-index", -1), thread = json_int(processor, "thread-id", 0);
                uint64_t user, system;
                g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/stat", process_pid(guest->process), (int) thread),
                                *group = g_strdup_printf("vcpu.%d", (int) index);
                if (index < 0 || !read_times(path, &user, &system))
                        continue;
                statistics_begin(guest->domain, group);
                statistics_set(guest->domain, "time", user + system);
        }
        statistics_collected(guest->domain);
}

void collect_statistics(Domain *domain) {
        Guest *guest = domain->run;
        if (guest->process)
                collect_process(domain, process_pid(guest->process));
        collect_interfaces(domain);
        if (!guest->monitor || guest->operation) {
                statistics_collected(domain);
                return;
        }
        monitor_command(guest->monitor, "query-blockstats", NULL, -1, on_blocks, guest);
        monitor_command(guest->monitor, "query-balloon", NULL, -1, on_balloon, guest);
        monitor_command(guest->monitor, "query-cpus-fast", NULL, -1, on_processors, guest);
}

void collect_addresses(Domain *domain, const DeviceDefinition *device, bool agent, Call *call) {
        const Guest *guest = domain->run;
        if (agent)
                addresses_ask_agent(domain, guest->object, device->mac, call);
        else {
                GArray *addresses = addresses_new();
                network_read_neighbours(device->mac, addresses);
                addresses_reply(call, addresses);
        }
}
