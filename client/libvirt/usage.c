/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage.h"

#include <string.h>

#define DEVICE "org.virtbus1.Device"
#define DISK "org.virtbus1.Device.Disk"
#define CARD "org.virtbus1.Device.NetworkInterface"

#define KIB 1024
#define NANOSECONDS 1000 /* in a microsecond */

const UsageNumber usage_cpu[] = { { "time", "cpu.time", NANOSECONDS },
                                  { "user_time", "cpu.user", NANOSECONDS },
                                  { "system_time", "cpu.system", NANOSECONDS },
                                  {} };
const UsageNumber usage_balloon[] = { { "current", "balloon.current", 0, KIB }, { "maximum", "balloon.maximum", 0, KIB }, {} };
const UsageNumber usage_rss[] = { { "rss", "balloon.rss", 0, KIB }, {} };
const UsageNumber usage_guest_memory[] = {
        { "swap_in", "balloon.swap_in", 0, KIB },         { "swap_out", "balloon.swap_out", 0, KIB },
        { "major_faults", "balloon.major_fault" },        { "minor_faults", "balloon.minor_fault" },
        { "unused", "balloon.unused", 0, KIB },           { "available", "balloon.available", 0, KIB },
        { "usable", "balloon.usable", 0, KIB },           { "last_update", "balloon.last-update", 0, 1000000 },
        { "disk_caches", "balloon.disk_caches", 0, KIB }, { "hugetlb_allocations", "balloon.hugetlb_pgalloc" },
        { "hugetlb_failures", "balloon.hugetlb_pgfail" }, {},
};
const UsageNumber usage_block[] = {
        { "read_operations", "rd.reqs" },  { "read_bytes", "rd.bytes" },    { "read_time_ns", "rd.times" },
        { "write_operations", "wr.reqs" }, { "write_bytes", "wr.bytes" },   { "write_time_ns", "wr.times" },
        { "flush_operations", "fl.reqs" }, { "flush_time_ns", "fl.times" }, {},
};
const UsageNumber usage_image[] = { { "allocation", "allocation" }, { "capacity", "capacity" }, { "physical", "physical" }, {} };
const UsageNumber usage_card[] = {
        { "rx_bytes", "rx.bytes" }, { "rx_packets", "rx.pkts" }, { "rx_errors", "rx.errs" },
        { "rx_drops", "rx.drop" },  { "tx_bytes", "tx.bytes" },  { "tx_packets", "tx.pkts" },
        { "tx_errors", "tx.errs" }, { "tx_drops", "tx.drop" },   {},
};

static const struct {
        StatsKind kind;
        const char *group;
} groups[] = {
        { STATS_CPU, "cpu" },
        { STATS_VCPU, "vcpu" },
        { STATS_BALLOON, "balloon" },
        { STATS_BALLOON, "memory" },
        { STATS_BALLOON, "guest_memory" },
        { STATS_BLOCK, "block" },
        { STATS_BLOCK, "image" },
        { STATS_CARD, "interface" },
        { STATS_IO_THREAD, "iothread" },
        { STATS_DIRTY_RATE, "dirty_rate" },
};

static void device_free(void *data) {
        UsageDevice *device = data;
        g_free(device->path);
        g_free(device->alias);
        g_free(device->name);
        g_free(device->source);
        g_free(device);
}

static int compare_names(const char *a, const char *b) {
        size_t x = strlen(a), y = strlen(b);
        return x != y ? (x > y) - (x < y) : strcmp(a, b);
}

static int compare_disks(const void *a, const void *b) {
        const UsageDevice *x = *(const UsageDevice *const *) a, *y = *(const UsageDevice *const *) b;
        return x->order != y->order ? (x->order > y->order) - (x->order < y->order) : compare_names(x->name, y->name);
}

/* Aliases count up in the document's order. */
static int compare_cards(const void *a, const void *b) {
        const UsageDevice *x = *(const UsageDevice *const *) a, *y = *(const UsageDevice *const *) b;
        return compare_names(x->alias, y->alias);
}

static char *text_of(GVariant *properties, const char *name) {
        const char *text = "";
        if (properties)
                g_variant_lookup(properties, name, "&s", &text);
        return g_strdup(text);
}

/* libvirt keeps disks of one bus together, in the order of their targets, and the buses in the order in which it meets them.
 * BUSES has those that were met. */
static uint32_t bus_order(GPtrArray *buses, GVariant *properties) {
        g_autofree char *bus = text_of(properties, "Bus");
        unsigned int order;
        if (!g_ptr_array_find_with_equal_func(buses, bus, g_str_equal, &order)) {
                order = buses->len;
                g_ptr_array_add(buses, g_steal_pointer(&bus));
        }
        return order;
}

static GPtrArray *collect(GVariant *objects, const char *interface, const char *name, const char *source,
                          int (*compare)(const void *, const void *)) {
        GPtrArray *devices = g_ptr_array_new_with_free_func(device_free);
        g_autoptr(GPtrArray) buses = g_ptr_array_new_with_free_func(g_free);
        GVariantIter iterator;
        const char *path;
        GVariant *interfaces;
        g_variant_iter_init(&iterator, objects);
        while (g_variant_iter_loop(&iterator, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                g_autoptr(GVariant) kind = g_variant_lookup_value(interfaces, interface, G_VARIANT_TYPE_VARDICT);
                g_autoptr(GVariant) common = g_variant_lookup_value(interfaces, DEVICE, G_VARIANT_TYPE_VARDICT);
                if (!kind || !common)
                        continue;
                UsageDevice *device = g_new(UsageDevice, 1);
                *device = (UsageDevice){ g_strdup(path), text_of(common, "Alias"), text_of(kind, name), text_of(kind, source),
                                         bus_order(buses, kind) };
                g_ptr_array_add(devices, device);
        }
        g_ptr_array_sort(devices, compare);
        return devices;
}

GPtrArray *usage_disks(GVariant *objects) {
        return collect(objects, DISK, "Target", "Source", compare_disks);
}

GPtrArray *usage_cards(GVariant *objects) {
        return collect(objects, CARD, "HostInterface", "MAC", compare_cards);
}

const UsageDevice *usage_find(GPtrArray *devices, const char *name) {
        const UsageDevice *found = NULL;
        for (unsigned int i = 0; *name && !found && i < devices->len; i++) {
                const UsageDevice *device = devices->pdata[i];
                if (strcmp(device->name, name) == 0 || g_ascii_strcasecmp(device->source, name) == 0)
                        found = device;
        }
        return found;
}

GVariant *usage_group(GVariant *stats, const char *group, const char *alias) {
        g_autofree char *name = alias ? g_strconcat(group, ".", alias, NULL) : g_strdup(group);
        return stats ? g_variant_lookup_value(stats, name, G_VARIANT_TYPE_VARDICT) : NULL;
}

uint64_t usage_number(GVariant *group, const char *name, uint64_t otherwise) {
        uint64_t number = otherwise;
        if (group)
                g_variant_lookup(group, name, "t", &number);
        return number;
}

void usage_append(Parameters *parameters, const char *prefix, GVariant *group, const UsageNumber *numbers) {
        for (; group && numbers->name; numbers++) {
                uint64_t number;
                if (!g_variant_lookup(group, numbers->name, "t", &number))
                        continue;
                number = number * (numbers->multiply > 0 ? numbers->multiply : 1) / (numbers->divide > 0 ? numbers->divide : 1);
                parameters_add_ulong(parameters, prefix, numbers->parameter, number);
        }
}

GVariant *usage_groups(uint32_t kinds) {
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
        for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
                if (kinds & groups[i].kind)
                        g_variant_builder_add(&builder, "s", groups[i].group);
        g_variant_builder_add(&builder, "s", "state"); /* none would be all */
        return g_variant_builder_end(&builder);
}
