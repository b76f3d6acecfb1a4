/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The machine. What anybody may read of it is read here; the rest is the bus's. */

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "calls.h"
#include "documents.h"
#include "machine.h"
#include "rows.h"

#define CONNECTION INTERFACE("Connection")
#define CPUS_MAX 16384 /* a map has 2,048 bytes */

/* A version as libvirt counts it. */
#define VERSION(major, minor) ((uint64_t) (major) *1000000 + (uint64_t) (minor) *1000)

static uint64_t number_of_cpu(const char *file, unsigned int cpu, uint64_t otherwise) {
        uint64_t number = otherwise;
        machine_number(&number, "/sys/devices/system/cpu/cpu%u/%s", cpu, file);
        return number;
}

/* How many processors share a core: a list such as "0,4" or "0-1". */
static int32_t threads_of_core(void) {
        g_autofree char *text = machine_text("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list");
        int32_t n = 0;
        g_auto(GStrv) parts = g_strsplit(text ? text : "0", ",", -1);
        for (char **part = parts; *part; part++) {
                char *end;
                uint64_t first = g_ascii_strtoull(*part, &end, 10);
                n += *end == '-' ? (int32_t) (g_ascii_strtoull(end + 1, NULL, 10) - first + 1) : 1;
        }
        return MAX(n, 1);
}

static int32_t count_sockets(int32_t cpus) {
        uint64_t sockets = 1;
        for (int32_t cpu = 0; cpu < cpus; cpu++)
                sockets = MAX(sockets, number_of_cpu("topology/physical_package_id", (unsigned int) cpu, 0) + 1);
        return (int32_t) MIN(sockets, (uint64_t) cpus);
}

/* As libvirt counts: sockets of a node, cores of a socket. What does not come out even is told as one socket with a core for
 * each processor. */
static void get_info(Call *call) {
        struct utsname name = { 0 };
        uint64_t total = 0;
        g_autofree char *memory = machine_text("/proc/meminfo"), *cpuinfo = machine_text("/proc/cpuinfo");
        const char *mhz = cpuinfo ? strstr(cpuinfo, "cpu MHz") : NULL;
        const char *colon = mhz ? strchr(mhz, ':') : NULL;
        int32_t cpus = (int32_t) MAX(sysconf(_SC_NPROCESSORS_ONLN), 1), threads = threads_of_core(), nodes = machine_nodes();
        int32_t sockets = MAX(count_sockets(cpus) / nodes, 1), cores = cpus / (sockets * nodes * threads);
        if (cores * sockets * nodes * threads != cpus) {
                nodes = sockets = threads = 1;
                cores = cpus;
        }
        uname(&name);
        machine_value(memory, "MemTotal:", &total);
        call_answer(call, g_variant_new("(stiiiiii)", name.machine, total, cpus,
                                        colon ? (int32_t) g_ascii_strtod(colon + 1, NULL) : 0, nodes, sockets, cores, threads));
}

#define MODEL_BYTES_MAX 31 /* of 32, in libvirt's protocol */
#define KIB 1024
#define MHZ 1000000

/* "Intel(R) Xeon(R)  CPU" is "Intel Xeon CPU": there is little room. */
static char *short_model(const char *model) {
        static const char *const marks[] = { "(R)", "(C)", "(TM)" };
        g_autoptr(GString) text = g_string_new(model);
        for (size_t i = 0; i < G_N_ELEMENTS(marks); i++)
                g_string_replace(text, marks[i], "", 0);
        while (g_string_replace(text, "  ", " ", 0) > 0)
                ;
        g_strstrip(text->str);
        const char *end = text->str;
        while (*end && g_utf8_next_char(end) - text->str <= MODEL_BYTES_MAX)
                end = g_utf8_next_char(end);
        return g_strndup(text->str, (gsize) (end - text->str));
}

static int32_t count_of(uint64_t number) {
        return (int32_t) MIN(number, CPUS_MAX);
}

/* What does not come out even is told as one socket, or as cores alone. */
static void get_info_elsewhere(Call *call, GVariant *host) {
        const char *model = "";
        uint64_t memory = 0, speed = 0, sockets = 1, cores = 0, threads = 0;
        if (!g_variant_lookup(host, "memory", "t", &memory) || !g_variant_lookup(host, "cores", "t", &cores) || cores == 0) {
                row_not_elsewhere(call, host);
                return;
        }
        g_variant_lookup(host, "model", "&s", &model);
        g_variant_lookup(host, "speed", "t", &speed);
        g_variant_lookup(host, "sockets", "t", &sockets);
        if (!g_variant_lookup(host, "threads", "t", &threads) || threads % cores != 0)
                threads = cores;
        if (sockets == 0 || cores % sockets != 0)
                sockets = 1;
        g_autofree char *text = short_model(model);
        call_answer(call,
                    g_variant_new("(stiiiiii)", text, memory / KIB, count_of(threads), (int32_t) MIN(speed / MHZ, INT32_MAX), 1,
                                  count_of(sockets), count_of(cores / sockets), count_of(threads / cores)));
}

static void get_cpu_map(Call *call) {
        uint8_t map[CPUS_MAX / 8] = { 0 };
        uint32_t n_online = 0, n_all = (uint32_t) CLAMP(sysconf(_SC_NPROCESSORS_CONF), 1, CPUS_MAX);
        for (unsigned int cpu = 0; cpu < n_all; cpu++) {
                /* One that cannot be taken away has no such file. */
                if (!number_of_cpu("online", cpu, 1))
                        continue;
                map[cpu / 8] |= (uint8_t) (1 << cpu % 8);
                n_online++;
        }
        call_answer(call, g_variant_new("(@ayui)", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, map, (n_all + 7) / 8, 1),
                                        n_online, (int32_t) n_all));
}

/* A line of /proc/stat, "cpu" or "cpuN", as its numbers; NULL where there is none. */
static char **cpu_numbers(int32_t cpu) {
        g_autofree char *text = machine_text("/proc/stat"), *name = cpu < 0 ? g_strdup("cpu") : g_strdup_printf("cpu%d", cpu);
        g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
        char **found = NULL;
        for (char **line = lines; !found && *line; line++) {
                char *rest = strchr(*line, ' ');
                if (rest && (size_t) (rest - *line) == strlen(name) && g_str_has_prefix(*line, name))
                        found = g_strsplit(g_strstrip(rest), " ", -1);
        }
        return found;
}

/* In nanoseconds. */
static void get_cpu_stats(Call *call) {
        static const struct {
                const char *name;
                const char *columns; /* that are added: of user, nice, system, idle, iowait, irq, softirq */
        } values[] = { { "kernel", "256" }, { "user", "01" }, { "idle", "3" }, { "iowait", "4" } };
        int32_t cpu, room;
        GVariantBuilder builder;
        g_variant_get_child(call->arguments, 0, "i", &cpu);
        g_variant_get_child(call->arguments, 1, "i", &room);
        g_auto(GStrv) numbers = cpu_numbers(cpu);
        if (!numbers || g_strv_length(numbers) < 7) {
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: Invalid cpuNum in get_cpu_stats");
                return;
        }
        uint64_t tick = 1000000000u / (uint64_t) sysconf(_SC_CLK_TCK);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(st)"));
        for (size_t i = 0; i < G_N_ELEMENTS(values) && (int64_t) i < room; i++) {
                uint64_t value = 0;
                for (const char *column = values[i].columns; *column; column++)
                        value += g_ascii_strtoull(numbers[*column - '0'], NULL, 10);
                g_variant_builder_add(&builder, "(st)", values[i].name, value * tick);
        }
        call_answer(call, g_variant_new("(a(st)i)", &builder, (int32_t) G_N_ELEMENTS(values)));
}

/* No model: guests have no labels. */
static void get_security_model(Call *call) {
        call_answer(call, g_variant_new("(ss)", "", ""));
}

static void get_security_label(Call *call) {
        call_answer(call, g_variant_new("(si)", "", 0));
}

static void get_security_labels(Call *call) {
        call_answer(call, g_variant_new("(a(si)i)", NULL, 0));
}

/* QEMU's version is that of its newest machine, such as pc-q35-7.2: of its own there is nothing in the capabilities. */
static uint64_t newest_machine(xmlNode *node, uint64_t newest) { // NOLINT(misc-no-recursion)
        for (xmlNode *child = xmlFirstElementChild(node); child; child = xmlNextElementSibling(child)) {
                xmlChar *text = strcmp((const char *) child->name, "machine") == 0 ? xmlNodeGetContent(child) : NULL;
                const char *dash = text ? strrchr((const char *) text, '-') : NULL;
                unsigned int major, minor;
                char end;
                if (dash && sscanf(dash, "-%u.%u%c", &major, &minor, &end) == 2)
                        newest = MAX(newest, VERSION(major, minor));
                xmlFree(text);
                newest = newest_machine(child, newest);
        }
        return newest;
}

static void on_capabilities(Call *call, GVariant *reply) {
        const char *text;
        g_variant_get(reply, "(&s)", &text);
        g_autoptr(xmlDoc) document = document_read(text, NULL);
        uint64_t version = document ? newest_machine(xmlDocGetRootElement(document), 0) : 0;
        call_answer(call, g_variant_new("(t)", version > 0 ? version : VERSION(1, 0)));
}

static void get_version(Call *call) {
        call_ask(call, call->client->connection, CONNECTION, "GetCapabilities", NULL, "(s)", on_capabilities);
}

/* The product's: "7.0.3". */
static void get_version_elsewhere(Call *call, GVariant *host) {
        const char *version;
        unsigned int major, minor = 0, micro = 0;
        if (g_variant_lookup(host, "version", "&s", &version) && sscanf(version, "%3u.%3u.%3u", &major, &minor, &micro) >= 1)
                call_answer(call, g_variant_new("(t)", VERSION(major, minor) + micro));
        else
                row_not_elsewhere(call, host);
}

static void on_max_vcpus(Call *call, GVariant *reply) {
        const char *text;
        g_variant_get(reply, "(&s)", &text);
        g_autoptr(xmlDoc) document = document_read(text, NULL);
        g_autofree char *max = document ? document_attribute(xmlDocGetRootElement(document), "vcpu", "max") : NULL;
        call_answer(call, g_variant_new("(i)", max ? (int32_t) g_ascii_strtoull(max, NULL, 10) : 1));
}

static void get_max_vcpus(Call *call) {
        const char *type = call_optional(call, 0);
        g_autofree char *lower = g_ascii_strdown(type ? type : "", -1);
        call_ask(call, call->client->connection, CONNECTION, "GetDomainCapabilities", g_variant_new("(ssss)", "", "", "", lower),
                 "(s)", on_max_vcpus);
}

const CallRow host_calls[] = {
        { REMOTE_CONNECT_GET_VERSION, get_version, .elsewhere = get_version_elsewhere },
        { REMOTE_CONNECT_GET_MAX_VCPUS, get_max_vcpus },
        { REMOTE_NODE_GET_INFO, get_info, .elsewhere = get_info_elsewhere },
        { REMOTE_NODE_GET_CPU_MAP, get_cpu_map, .elsewhere = row_not_elsewhere },
        { REMOTE_NODE_GET_CPU_STATS, get_cpu_stats, .elsewhere = row_not_elsewhere },
        { REMOTE_NODE_GET_SECURITY_MODEL, get_security_model },
        { REMOTE_DOMAIN_GET_SECURITY_LABEL, get_security_label },
        { REMOTE_DOMAIN_GET_SECURITY_LABEL_LIST, get_security_labels },
        {},
};
