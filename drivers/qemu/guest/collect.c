/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/collect.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domain/agent/addresses.h"
#include "domain/domain-run.h"
#include "domain/statistics.h"
#include "link/counters.h"
#include "qemu/command/node-name.h"
#include "qemu/guest/dirty-rate.h"
#include "qemu/host/neighbours.h"

/* /proc counts processor time in these, sysconf(3); 100 a second everywhere. */
static uint64_t tick(void) {
        static uint64_t usec;
        if (usec == 0)
                usec = 1000000 / (uint64_t) MAX(sysconf(_SC_CLK_TCK), 1);
        return usec;
}

/* What a process or thread used, and the host's processor that it ran on last. */
typedef struct Used {
        uint64_t user, system, processor; /* the former in microseconds */
} Used;

/* proc(5), /proc/PID/stat: utime and stime, fields 14 and 15, and processor, field 39. */
static bool read_used(const char *path, Used *used) {
        g_autofree char *text = NULL;
        unsigned long long user, system, processor;
        const char *end = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
        if (!end || sscanf(end + 1,
                           " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %*u %*d %*u %*u"
                           " %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %llu",
                           &user, &system, &processor) != 3)
                return false;
        *used = (Used){ user * tick(), system * tick(), processor };
        return true;
}

/* How long a thread was ready to run and had no processor: the second number of schedstat. */
static bool read_delay(pid_t pid, pid_t thread, uint64_t *delay) {
        g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/schedstat", pid, thread), *text = NULL;
        unsigned long long waited;
        if (!g_file_get_contents(path, &text, NULL, NULL) || sscanf(text, "%*u %llu", &waited) != 1)
                return false;
        *delay = waited;
        return true;
}

static void collect_process(Domain *domain, pid_t pid) {
        g_autofree char *stat = g_strdup_printf("/proc/%d/stat", pid), *statm = g_strdup_printf("/proc/%d/statm", pid),
                        *text = NULL;
        Used used;
        unsigned long long pages;
        if (read_used(stat, &used)) {
                statistics_begin(domain, "cpu");
                statistics_set(domain, "time", used.user + used.system);
                statistics_set(domain, "user_time", used.user);
                statistics_set(domain, "system_time", used.system);
        }
        if (g_file_get_contents(statm, &text, NULL, NULL) && sscanf(text, "%*u %llu", &pages) == 1) {
                statistics_begin(domain, "memory");
                statistics_set(domain, "rss", pages * (uint64_t) sysconf(_SC_PAGESIZE));
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

static void answered(Guest *guest);

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
        answered(guest);
}

/* A processor of the guest. */
typedef struct Processor {
        int index;
        pid_t thread;
} Processor;

/* What QEMU has said that stays true while the live definition is the same: with a thousand guests, asking is what takes the
 * time. */
struct Told {
        Definition *live;   /* that it was asked for; NULL: it is to be asked again */
        GArray *processors; /* Processor */
        uint64_t balloon;   /* how much memory it leaves to the guest, in bytes; 0: there is none */
        bool has_io_threads;
        unsigned n_awaited; /* answers */
};

static void told_forget(struct Told *told) {
        g_clear_pointer(&told->live, definition_unref);
        g_array_set_size(told->processors, 0);
        told->balloon = 0;
}

void collect_forget(Guest *guest) {
        if (guest->told)
                g_clear_pointer(&guest->told->live, definition_unref);
}

/* One of the answers; the guest is done with the last. */
static void answered(Guest *guest) {
        if (--guest->told->n_awaited == 0)
                statistics_collected(guest->domain);
}

static void collect_balloon(Guest *guest) {
        if (guest->told->balloon == 0)
                return;
        statistics_begin(guest->domain, "balloon");
        statistics_set(guest->domain, "current", guest->told->balloon);
        statistics_set(guest->domain, "maximum", guest->domain->live->max_memory);
}

static void collect_processors(Guest *guest) {
        for (guint i = 0; guest->process && i < guest->told->processors->len; i++) {
                const Processor *processor = &g_array_index(guest->told->processors, Processor, i);
                uint64_t delay;
                Used used;
                g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/stat", process_pid(guest->process), processor->thread),
                                *group = g_strdup_printf("vcpu.%d", processor->index);
                if (!read_used(path, &used))
                        continue;
                statistics_begin(guest->domain, group);
                statistics_set(guest->domain, "time", used.user + used.system);
                statistics_set(guest->domain, "processor", used.processor);
                if (read_delay(process_pid(guest->process), processor->thread, &delay))
                        statistics_set(guest->domain, "delay_ns", delay);
        }
}

/* What the members of an object hold, by other names. What QEMU does not know is -1, of 64 bits without a sign. */
typedef struct Renamed {
        const char *from, *to;
} Renamed;

static void set_renamed(Domain *domain, JsonObject *object, const Renamed *names, size_t n) {
        for (size_t i = 0; i < n; i++) {
                gint64 value = json_int(object, names[i].from, -1);
                if (value >= 0 && value < G_MAXINT64)
                        statistics_set(domain, names[i].to, (uint64_t) value);
        }
}

/* The image of a node; NULL: there is no such node. */
static JsonObject *find_image(JsonArray *nodes, const DeviceDefinition *disk, const char *what) {
        g_autofree char *name = node_name_of_top(disk, what);
        return json_member(json_find(nodes, "node-name", name), "image");
}

static void on_nodes(void *data, JsonObject *answer, const GError *error) {
        static const Renamed of_format[] = { { "virtual-size", "capacity" } },
                             of_storage[] = { { "actual-size", "allocation" }, { "virtual-size", "physical" } };
        Guest *guest = data;
        Domain *domain = guest->domain;
        JsonArray *nodes = json_array(answer, "return");
        for (guint i = 0; !error && i < domain->live->devices->len; i++) {
                const DeviceDefinition *disk = domain->live->devices->pdata[i];
                if (disk->device_class != DEVICE_DISK)
                        continue;
                g_autofree char *group = g_strdup_printf("image.%s", disk->alias);
                JsonObject *format = find_image(nodes, disk, "format"), *storage = find_image(nodes, disk, "storage");
                statistics_begin(domain, group);
                set_renamed(domain, format, of_format, G_N_ELEMENTS(of_format));
                set_renamed(domain, storage, of_storage, G_N_ELEMENTS(of_storage));
        }
        answered(guest);
}

static void on_guest_memory(void *data, JsonObject *answer, const GError *error) {
        static const Renamed names[] = {
                { "stat-total-memory", "available" },
                { "stat-free-memory", "unused" },
                { "stat-available-memory", "usable" },
                { "stat-disk-caches", "disk_caches" },
                { "stat-swap-in", "swap_in" },
                { "stat-swap-out", "swap_out" },
                { "stat-major-faults", "major_faults" },
                { "stat-minor-faults", "minor_faults" },
                { "stat-htlb-pgalloc", "hugetlb_allocations" },
                { "stat-htlb-pgfail", "hugetlb_failures" },
        };
        Guest *guest = data;
        JsonObject *report = json_member(answer, "return");
        gint64 time = json_int(report, "last-update", 0);
        if (!error && time > 0) { /* else the guest has told nothing yet */
                statistics_begin(guest->domain, "guest_memory");
                statistics_set(guest->domain, "last_update", (uint64_t) time * G_USEC_PER_SEC);
                set_renamed(guest->domain, json_member(report, "stats"), names, G_N_ELEMENTS(names));
        }
        answered(guest);
}

static void on_balloon(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        gint64 actual = json_int(json_member(answer, "return"), "actual", -1);
        if (!error && actual > 0)
                guest->told->balloon = (uint64_t) actual;
        collect_balloon(guest);
        answered(guest);
}

static void on_processors(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        JsonArray *processors = json_array(answer, "return");
        for (guint i = 0; !error && processors && i < MIN(json_array_get_length(processors), STATISTICS_GROUPS_MAX); i++) {
                JsonObject *object = json_object_at(processors, i);
                const Processor processor = { (int) json_int(object, "cpu-index", -1), (pid_t) json_int(object, "thread-id", 0) };
                if (processor.index >= 0)
                        g_array_append_val(guest->told->processors, processor);
        }
        if (error) /* another time */
                collect_forget(guest);
        collect_processors(guest);
        answered(guest);
}

static void on_io_threads(void *data, JsonObject *answer, const GError *error) {
        static const Renamed names[] = { { "poll-max-ns", "poll_max_ns" },
                                         { "poll-grow", "poll_grow" },
                                         { "poll-shrink", "poll_shrink" } };
        static const char prefix[] = "iothread";
        Guest *guest = data;
        JsonArray *threads = json_array(answer, "return");
        guest->told->has_io_threads = threads && json_array_get_length(threads) > 0;
        for (guint i = 0; !error && threads && i < MIN(json_array_get_length(threads), STATISTICS_GROUPS_MAX); i++) {
                JsonObject *thread = json_object_at(threads, i);
                const char *id = json_string(thread, "id");
                guint64 number;
                if (!id || !g_str_has_prefix(id, prefix) ||
                    !g_ascii_string_to_unsigned(id + strlen(prefix), 10, 1, G_MAXUINT32, &number, NULL))
                        continue;
                g_autofree char *group = g_strdup_printf("iothread.%" G_GUINT64_FORMAT, number);
                statistics_begin(guest->domain, group);
                set_renamed(guest->domain, thread, names, G_N_ELEMENTS(names));
        }
        answered(guest);
}

static void on_dirty_rate(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        if (!error)
                dirty_rate_tell(guest, answer);
        answered(guest);
}

static bool has_disks(const Definition *live) {
        for (guint i = 0; i < live->devices->len; i++)
                if (((const DeviceDefinition *) live->devices->pdata[i])->device_class == DEVICE_DISK)
                        return true;
        return false;
}

static void ask_with(Guest *guest, const char *command, JsonObject *arguments, MonitorDone done) {
        guest->told->n_awaited++;
        monitor_command(guest->monitor, command, arguments, -1, done, guest);
}

static void ask(Guest *guest, const char *command, MonitorDone done) {
        ask_with(guest, command, NULL, done);
}

/* Whether the sizes of images are to be asked for: there are some, and they were not told lately. */
static bool wants_sizes(Guest *guest) {
        uint64_t now = (uint64_t) g_get_monotonic_time();
        if (!has_disks(guest->domain->live) || (guest->sizes_asked > 0 && now - guest->sizes_asked < COLLECT_SIZES_INTERVAL))
                return false;
        guest->sizes_asked = now;
        return true;
}

/* The balloon that tells how the guest uses its memory; NULL: there is none. */
static const DeviceDefinition *find_reporter(const Definition *live) {
        for (guint i = 0; i < live->devices->len; i++) {
                const DeviceDefinition *device = live->devices->pdata[i];
                if (device->period > 0)
                        return device;
        }
        return NULL;
}

static void ask_guest_memory(Guest *guest) {
        const DeviceDefinition *reporter = find_reporter(guest->domain->live);
        if (!reporter)
                return;
        g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", reporter->alias);
        ask_with(guest, "qom-get", json_make("path", 's', path, "property", 's', "guest-stats", NULL), on_guest_memory);
}

/* What is told when it changes is asked once; what a disk has done, each time. */
static void ask_monitor(Guest *guest) {
        const Definition *live = guest->domain->live;
        struct Told *told = guest->told;
        bool is_known = told && told->live == live;
        if (!told) {
                told = guest->told = g_new0(struct Told, 1);
                told->processors = g_array_new(FALSE, FALSE, sizeof(Processor));
        }
        told->n_awaited = 1; /* ours */
        if (has_disks(live))
                ask(guest, "query-blockstats", on_blocks);
        if (wants_sizes(guest))
                ask_with(guest, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), on_nodes);
        ask_guest_memory(guest);
        if (dirty_rate_is_asked(guest))
                ask(guest, "query-dirty-rate", on_dirty_rate);
        else
                dirty_rate_tell(guest, NULL);
        if (!is_known || told->has_io_threads)
                ask(guest, "query-iothreads", on_io_threads);
        if (is_known) {
                collect_balloon(guest);
                collect_processors(guest);
        } else {
                told_forget(told);
                told->live = definition_ref((Definition *) live);
                ask(guest, "query-balloon", on_balloon);
                ask(guest, "query-cpus-fast", on_processors);
        }
        answered(guest);
}

void collect_statistics(Domain *domain) {
        Guest *guest = domain->run;
        if (guest->process)
                collect_process(domain, process_pid(guest->process));
        counters_collect(domain);
        if (guest->monitor && !guest->operation)
                ask_monitor(guest);
        else
                statistics_collected(domain);
}

void collect_addresses(Domain *domain, const DeviceDefinition *device, bool agent, Call *call) {
        const Guest *guest = domain->run;
        if (agent)
                addresses_ask_agent(domain, guest->object, device->mac, call);
        else {
                GArray *addresses = addresses_new();
                neighbours_read(device->mac, addresses);
                addresses_reply(call, addresses);
        }
}

static void on_forgotten(Guest *guest) {
        struct Told *told = g_steal_pointer(&guest->told);
        if (!told)
                return;
        told_forget(told);
        g_array_unref(told->processors);
        g_free(told);
}

static void on_ballooned(Guest *guest, JsonObject *arguments) {
        gint64 size = json_int(arguments, "actual", -1);
        if (size <= 0 || (uint64_t) size > guest->domain->live->max_memory)
                return;
        if (guest->told && guest->told->balloon > 0)
                guest->told->balloon = (uint64_t) size;
        domain_memory_changed(guest->domain, (uint64_t) size);
}

static const MonitorEvent events[] = {
        { "BALLOON_CHANGE", PHASE_SETTING_OUT | PHASE_FINDING | PHASE_RUNNING, on_ballooned },
        { NULL, 0, NULL },
};

const GuestModule collect_module = {
        .events = events,
        .forget = on_forgotten,
};
