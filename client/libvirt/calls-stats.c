/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Statistics of one domain's processor, memory, disks and cards. */

#include <string.h>

#include "calls.h"
#include "domains.h"
#include "rows.h"
#include "states.h"
#include "usage.h"

#define CONNECTION INTERFACE("Connection")
#define DOMAIN INTERFACE("Domain")
#define STATS "(a{oa{sa{sv}}})"
#define KIB 1024

static const FlagOption parameters_flags[] = { FLAG_STRINGS_OKAY, {} };

/* Asks for groups of the call's own domain. */
static void ask_stats(Call *call, uint32_t kinds, CallStep step) {
        const char *path = call->domain;
        call_ask(call, call->client->connection, CONNECTION, "GetDomainStats",
                 g_variant_new("(@ao@asa{sv})", g_variant_new_objv(&path, 1), usage_groups(kinds), NULL), STATS, step);
}

/* The domain's own part of the answer; empty where it has none. */
static GVariant *own_stats(Call *call, GVariant *reply) {
        g_autoptr(GVariant) all = g_variant_get_child_value(reply, 0);
        GVariant *own = g_variant_lookup_value(all, call->domain, NULL);
        return own ? own : g_variant_ref_sink(g_variant_new("a{sa{sv}}", NULL));
}

static void on_info_stats(Call *call, GVariant *reply) {
        GVariant *properties = call->state;
        int32_t reason;
        uint64_t memory = 0, max_memory = 0;
        uint32_t vcpus = 0;
        g_autoptr(GVariant) stats = own_stats(call, reply), cpu = usage_group(stats, "cpu", NULL),
                            balloon = usage_group(stats, "balloon", NULL);
        g_variant_lookup(properties, "Memory", "t", &memory);
        g_variant_lookup(properties, "MaxMemory", "t", &max_memory);
        g_variant_lookup(properties, "VCPUs", "u", &vcpus);
        call_answer(call,
                    g_variant_new("(uttut)", (uint32_t) state_of(properties, &reason), max_memory / KIB,
                                  usage_number(balloon, "current", memory) / KIB, vcpus, 1000 * usage_number(cpu, "time", 0)));
}

static void on_info(Call *call, GVariant *properties) {
        call->state = g_variant_ref(properties);
        call->free_state = (GDestroyNotify) g_variant_unref;
        ask_stats(call, STATS_CPU | STATS_BALLOON, on_info_stats);
}

static void get_info(Call *call) {
        call_read(call, call->domain, DOMAIN, on_info);
}

static const struct {
        const char *value, *parameter;
} cpu_parameters[] = { { "time", "cpu_time" }, { "user_time", "user_time" }, { "system_time", "system_time" } };

#define ALL_CPUS (-1)

static void on_cpu_stats(Call *call, GVariant *reply) {
        GVariantBuilder builder;
        uint32_t room;
        g_autoptr(GVariant) stats = own_stats(call, reply), cpu = usage_group(stats, "cpu", NULL);
        g_variant_get_child(call->arguments, 1, "u", &room);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sv)"));
        for (uint32_t i = 0; i < MIN(room, G_N_ELEMENTS(cpu_parameters)); i++)
                g_variant_builder_add(&builder, "(sv)", cpu_parameters[i].parameter,
                                      g_variant_new_uint64(1000 * usage_number(cpu, cpu_parameters[i].value, 0)));
        call_answer(call, g_variant_new("(a(sv)i)", &builder, (int32_t) G_N_ELEMENTS(cpu_parameters)));
}

/* Of all the host's processors together: what each has done for a guest is not counted, as with control groups of version 2. */
static void on_active_to_count(Call *call, GVariant *properties) {
        int32_t first;
        (void) properties;
        g_variant_get_child(call->arguments, 2, "i", &first);
        if (first == ALL_CPUS)
                ask_stats(call, STATS_CPU, on_cpu_stats);
        else
                call_refuse(call, LIBVIRT_NO_SUPPORT, "virtbus does not tell the times of single processors of the host");
}

static void get_cpu(Call *call) {
        row_if_active(call, on_active_to_count);
}

#define MEMORY_ACTUAL 6

/* Numbers of libvirt's values of memory. */
static const struct {
        const char *group, *name;
        int32_t tag;
        uint32_t divide;
} memory_values[] = {

        { "guest_memory", "swap_in", 0, KIB },         { "guest_memory", "swap_out", 1, KIB },
        { "guest_memory", "major_faults", 2, 1 },      { "guest_memory", "minor_faults", 3, 1 },
        { "guest_memory", "unused", 4, KIB },          { "guest_memory", "available", 5, KIB },
        { "guest_memory", "usable", 8, KIB },          { "guest_memory", "last_update", 9, 1000000 },
        { "guest_memory", "disk_caches", 10, KIB },    { "guest_memory", "hugetlb_allocations", 11, 1 },
        { "guest_memory", "hugetlb_failures", 12, 1 }, { "memory", "rss", 7, KIB },
};

static void on_memory(Call *call, GVariant *reply) {
        GVariantBuilder builder;
        uint32_t room;
        size_t n = 0;
        g_autoptr(GVariant) stats = own_stats(call, reply);
        g_autoptr(GVariant) balloon = usage_group(stats, "balloon", NULL);
        uint64_t memory = 0;
        g_variant_lookup(call->state, "Memory", "t", &memory);
        g_variant_get_child(call->arguments, 1, "u", &room);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(it)"));
        if (n < room)
                g_variant_builder_add(&builder, "(it)", MEMORY_ACTUAL, usage_number(balloon, "current", memory) / KIB);
        n++;
        for (size_t i = 0; i < G_N_ELEMENTS(memory_values); i++) {
                g_autoptr(GVariant) group = usage_group(stats, memory_values[i].group, NULL);
                uint64_t value;
                if (n < room && group && g_variant_lookup(group, memory_values[i].name, "t", &value)) {
                        g_variant_builder_add(&builder, "(it)", memory_values[i].tag, value / memory_values[i].divide);
                        n++;
                }
        }
        call_answer(call, g_variant_new("(a(it))", &builder));
}

static void on_memory_domain(Call *call, GVariant *properties) {
        gboolean active = FALSE;
        g_variant_lookup(properties, "Active", "b", &active);
        call->state = g_variant_ref(properties);
        call->free_state = (GDestroyNotify) g_variant_unref;
        if (active)
                ask_stats(call, STATS_BALLOON, on_memory);
        else
                call_refuse(call, LIBVIRT_OPERATION_INVALID, "Requested operation is not valid: domain is not running");
}

static void get_memory(Call *call) {
        call_read(call, call->domain, DOMAIN, on_memory_domain);
}

static const UsageNumber block_parameters[] = {
        { "read_operations", "rd_operations" },
        { "read_bytes", "rd_bytes" },
        { "read_time_ns", "rd_total_times" },
        { "write_operations", "wr_operations" },
        { "write_bytes", "wr_bytes" },
        { "write_time_ns", "wr_total_times" },
        { "flush_operations", "flush_operations" },
        { "flush_time_ns", "flush_total_times" },
        {},
};

/* Of one disk; where the client names none, of all. */
static uint64_t of_block(Call *call, GVariant *stats, const char *name) {
        const char *alias = call->state;
        if (alias) {
                g_autoptr(GVariant) block = usage_group(stats, "block", alias);
                return usage_number(block, name, 0);
        }
        uint64_t sum = 0;
        GVariantIter iterator;
        const char *group;
        GVariant *values;
        g_variant_iter_init(&iterator, stats);
        while (g_variant_iter_loop(&iterator, "{&s@a{sv}}", &group, &values))
                if (g_str_has_prefix(group, "block."))
                        sum += usage_number(values, name, 0);
        return sum;
}

static void answer_block_parameters(Call *call, GVariant *stats) {
        GVariantBuilder builder;
        int32_t room, n = 0;
        g_variant_get_child(call->arguments, 2, "i", &room);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sv)"));
        for (const UsageNumber *number = block_parameters; number->name; number++, n++)
                if (n < room)
                        g_variant_builder_add(&builder, "(sv)", number->parameter,
                                              g_variant_new_int64((int64_t) of_block(call, stats, number->name)));
        call_answer(call, g_variant_new("(a(sv)i)", &builder, n));
}

static void on_device_stats(Call *call, GVariant *reply) {
        const char *alias = call->state;
        g_autoptr(GVariant) stats = own_stats(call, reply), card = usage_group(stats, "interface", alias);
#define N(group, name) usage_number(group, name, 0)
        switch (call->row->procedure) {
        case REMOTE_DOMAIN_BLOCK_STATS:
                call_answer(call, g_variant_new("(xxxxx)", of_block(call, stats, "read_operations"),
                                                of_block(call, stats, "read_bytes"), of_block(call, stats, "write_operations"),
                                                of_block(call, stats, "write_bytes"), (int64_t) -1));
                break;
        case REMOTE_DOMAIN_BLOCK_STATS_FLAGS:
                answer_block_parameters(call, stats);
                break;
        default:
                call_answer(call, g_variant_new("(xxxxxxxx)", N(card, "rx_bytes"), N(card, "rx_packets"), N(card, "rx_errors"),
                                                N(card, "rx_drops"), N(card, "tx_bytes"), N(card, "tx_packets"),
                                                N(card, "tx_errors"), N(card, "tx_drops")));
        }
#undef N
}

static void on_disk_info(Call *call, GVariant *reply) {
        uint64_t capacity, allocation, physical;
        g_variant_get(reply, "(ttt)", &capacity, &allocation, &physical);
        call_answer(call, g_variant_new("(ttt)", allocation, capacity, physical));
}

static void on_device_objects(Call *call, GVariant *reply) {
        bool is_card = call->row->procedure == REMOTE_DOMAIN_INTERFACE_STATS;
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
        g_autoptr(GPtrArray) devices = is_card ? usage_cards(objects) : usage_disks(objects);
        const char *name = call_string(call, 1);
        const UsageDevice *device = usage_find(devices, name);
        bool is_of_all = !*name && !is_card && call->row->procedure != REMOTE_DOMAIN_GET_BLOCK_INFO;
        if (!device && !is_of_all) {
                call_refuse(call, LIBVIRT_INVALID_ARG,
                            is_card ? "invalid argument: '%s' is not a known interface"
                                    : "invalid argument: invalid path %s not assigned to domain",
                            name);
                return;
        }
        if (call->row->procedure == REMOTE_DOMAIN_GET_BLOCK_INFO) {
                call_ask(call, device->path, INTERFACE("Device.Disk"), "GetInfo", g_variant_new("(a{sv})", NULL), "(ttt)",
                         on_disk_info);
                return;
        }
        call->state = device ? g_strdup(device->alias) : NULL;
        call->free_state = g_free;
        ask_stats(call, is_card ? STATS_CARD : STATS_BLOCK, on_device_stats);
}

static void on_device_domain(Call *call, GVariant *properties) {
        (void) properties;
        row_objects(call, on_device_objects);
}

static void get_device_stats(Call *call) {
        if (call->row->procedure == REMOTE_DOMAIN_GET_BLOCK_INFO)
                row_objects(call, on_device_objects);
        else
                row_if_active(call, on_device_domain);
}

const CallRow stats_calls[] = {
        { REMOTE_DOMAIN_GET_INFO, get_info },
        { REMOTE_DOMAIN_GET_CPU_STATS, get_cpu, NULL, READS, parameters_flags },
        { REMOTE_DOMAIN_MEMORY_STATS, get_memory },
        { REMOTE_DOMAIN_BLOCK_STATS, get_device_stats },
        { REMOTE_DOMAIN_BLOCK_STATS_FLAGS, get_device_stats, NULL, READS, parameters_flags },
        { REMOTE_DOMAIN_GET_BLOCK_INFO, get_device_stats },
        { REMOTE_DOMAIN_INTERFACE_STATS, get_device_stats },
        {},
};
