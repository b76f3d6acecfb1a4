/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

#include <inttypes.h>
#include <string.h>

/* A value of GetDomainStats as a family of metrics. A name ends with its unit, as the format wants. */
typedef struct Family {
        const char *group, *value; /* a group of many, such as "block", is told apart by a label */
        const char *label;         /* its name; NULL: there is one group */
        const char *name, *unit;   /* without "virtbus_domain_"; a unit may be "" */
        bool is_counter;
        int digits; /* after the point: how many of the value's are parts of the unit */
        const char *help;
} Family;

#define BYTES "bytes", false, 0
#define COUNTED_BYTES "bytes", true, 0
#define COUNTED "", true, 0
#define MICROSECONDS "seconds", true, 6
#define NANOSECONDS "seconds", true, 9

static const Family families[] = {
        { "cpu", "time", NULL, "cpu_seconds", MICROSECONDS, "Processor time of the whole process" },
        { "cpu", "user_time", NULL, "cpu_user_seconds", MICROSECONDS, "Processor time of the whole process in user space" },
        { "cpu", "system_time", NULL, "cpu_system_seconds", MICROSECONDS, "Processor time of the whole process in the kernel" },
        { "vcpu", "time", "vcpu", "vcpu_seconds", MICROSECONDS, "Processor time of a virtual processor" },
        { "memory", "rss", NULL, "memory_resident_bytes", BYTES, "Memory of the host that the process has" },
        { "balloon", "current", NULL, "balloon_current_bytes", BYTES, "Memory that the balloon leaves to the guest" },
        { "balloon", "maximum", NULL, "balloon_maximum_bytes", BYTES, "The most memory that the guest can be given" },
        { "guest_memory", "available", NULL, "guest_memory_available_bytes", BYTES, "Memory that the guest's system has" },
        { "guest_memory", "unused", NULL, "guest_memory_unused_bytes", BYTES, "Memory of the guest that holds nothing" },
        { "guest_memory", "usable", NULL, "guest_memory_usable_bytes", BYTES,
          "Memory that the guest's programs could have without swapping" },
        { "guest_memory", "disk_caches", NULL, "guest_memory_disk_caches_bytes", BYTES, "Memory of the guest that caches files" },
        { "guest_memory", "swap_in", NULL, "guest_swap_in_bytes", COUNTED_BYTES, "What the guest has read from its swap" },
        { "guest_memory", "swap_out", NULL, "guest_swap_out_bytes", COUNTED_BYTES, "What the guest has written to its swap" },
        { "guest_memory", "major_faults", NULL, "guest_major_faults", COUNTED, "Page faults of the guest that needed its disks" },
        { "guest_memory", "minor_faults", NULL, "guest_minor_faults", COUNTED, "Page faults of the guest that did not" },
        { "guest_memory", "hugetlb_allocations", NULL, "guest_hugetlb_allocations", COUNTED,
          "Huge pages that the guest has allocated" },
        { "guest_memory", "hugetlb_failures", NULL, "guest_hugetlb_failures", COUNTED,
          "Huge pages that the guest could not allocate" },
        { "guest_memory", "last_update", NULL, "guest_memory_update_timestamp_seconds", "seconds", false, 6,
          "When the guest told the above, since 1970" },
        { "block", "read_bytes", "device", "block_read_bytes", COUNTED_BYTES, "What was read from a disk" },
        { "block", "write_bytes", "device", "block_written_bytes", COUNTED_BYTES, "What was written to a disk" },
        { "block", "read_operations", "device", "block_reads", COUNTED, "Reads from a disk" },
        { "block", "write_operations", "device", "block_writes", COUNTED, "Writes to a disk" },
        { "block", "flush_operations", "device", "block_flushes", COUNTED, "Flushes of a disk" },
        { "block", "read_time_ns", "device", "block_read_seconds", NANOSECONDS, "How long reads from a disk took" },
        { "block", "write_time_ns", "device", "block_write_seconds", NANOSECONDS, "How long writes to a disk took" },
        { "block", "flush_time_ns", "device", "block_flush_seconds", NANOSECONDS, "How long flushes of a disk took" },
        { "block", "failed_reads", "device", "block_failed_reads", COUNTED, "Reads from a disk that failed" },
        { "block", "failed_writes", "device", "block_failed_writes", COUNTED, "Writes to a disk that failed" },
        { "image", "capacity", "device", "image_capacity_bytes", BYTES, "The size of a disk, as the guest sees it" },
        { "image", "allocation", "device", "image_allocation_bytes", BYTES, "What of a disk's image takes room on the host" },
        { "image", "physical", "device", "image_physical_bytes", BYTES, "The size of a disk's image" },
        { "interface", "rx_bytes", "device", "interface_received_bytes", COUNTED_BYTES, "What a card has received" },
        { "interface", "tx_bytes", "device", "interface_sent_bytes", COUNTED_BYTES, "What a card has sent" },
        { "interface", "rx_packets", "device", "interface_received_packets", COUNTED, "Packets that a card has received" },
        { "interface", "tx_packets", "device", "interface_sent_packets", COUNTED, "Packets that a card has sent" },
        { "interface", "rx_errors", "device", "interface_receive_errors", COUNTED, "Packets that a card failed to receive" },
        { "interface", "tx_errors", "device", "interface_send_errors", COUNTED, "Packets that a card failed to send" },
        { "interface", "rx_drops", "device", "interface_receive_drops", COUNTED, "Packets to a card that were dropped" },
        { "interface", "tx_drops", "device", "interface_send_drops", COUNTED, "Packets of a card that were dropped" },
};

/* As Domain.State has them. */
static const char *const states[] = { "shutoff", "starting", "running", "paused", "pmsuspended", "stopping", "crashed" };

struct Metrics {
        GString *states, *samples[G_N_ELEMENTS(families)];
};

Metrics *metrics_new(void) {
        Metrics *metrics = g_new0(Metrics, 1);
        metrics->states = g_string_new(NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
                metrics->samples[i] = g_string_new(NULL);
        return metrics;
}

void metrics_free(Metrics *metrics) {
        g_string_free(metrics->states, TRUE);
        for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
                g_string_free(metrics->samples[i], TRUE);
        g_free(metrics);
}

static void append_label(GString *labels, const char *name, const char *value) {
        g_string_append_printf(labels, "%s%s=\"", labels->len > 0 ? "," : "", name);
        for (const char *c = value; *c; c++)
                if (*c == '\n')
                        g_string_append(labels, "\\n");
                else
                        g_string_append_printf(labels, "%s%c", *c == '"' || *c == '\\' ? "\\" : "", *c);
        g_string_append_c(labels, '"');
}

static void append_number(GString *text, uint64_t value, int digits) {
        uint64_t unit = 1;
        for (int i = 0; i < digits; i++)
                unit *= 10;
        g_string_append_printf(text, "%" PRIu64, value / unit);
        if (digits > 0)
                g_string_append_printf(text, ".%0*" PRIu64, digits, value % unit);
}

static void add_state(Metrics *metrics, const char *labels, const char *state) {
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
                g_string_append_printf(metrics->states, "virtbus_domain_state{%s,virtbus_domain_state=\"%s\"} %d\n", labels,
                                       states[i], strcmp(states[i], state) == 0);
}

static void add_group(Metrics *metrics, const char *labels, const char *name, GVariant *group) {
        g_auto(GStrv) parts = g_strsplit(name, ".", 2);
        for (size_t i = 0; parts[0] && i < G_N_ELEMENTS(families); i++) {
                const Family *family = &families[i];
                guint64 value;
                if (strcmp(family->group, parts[0]) != 0 || !family->label != !parts[1] ||
                    !g_variant_lookup(group, family->value, "t", &value))
                        continue;
                g_autoptr(GString) all = g_string_new(labels);
                if (family->label)
                        append_label(all, family->label, parts[1]);
                g_string_append_printf(metrics->samples[i], "virtbus_domain_%s%s{%s} ", family->name,
                                       family->is_counter ? "_total" : "", all->str);
                append_number(metrics->samples[i], value, family->digits);
                g_string_append_c(metrics->samples[i], '\n');
        }
}

void metrics_add(Metrics *metrics, const char *connection, VirtbusDomain *domain, GVariant *groups) {
        g_autoptr(GString) labels = g_string_new(NULL);
        g_autofree char *hypervisor = g_path_get_basename(connection);
        GVariantIter iterator;
        const char *name, *state;
        GVariant *group;
        append_label(labels, "connection", hypervisor);
        append_label(labels, "domain", virtbus_domain_get_name(domain));
        append_label(labels, "uuid", virtbus_domain_get_uuid(domain));
        g_variant_iter_init(&iterator, groups);
        while (g_variant_iter_loop(&iterator, "{&s@a{sv}}", &name, &group))
                if (strcmp(name, "state") == 0 && g_variant_lookup(group, "state", "&s", &state))
                        add_state(metrics, labels->str, state);
                else
                        add_group(metrics, labels->str, name, group);
}

char *metrics_text(const Metrics *metrics) {
        GString *text = g_string_new(NULL);
        if (metrics->states->len > 0)
                g_string_append_printf(text,
                                       "# TYPE virtbus_domain_state stateset\n"
                                       "# HELP virtbus_domain_state The domain's state\n%s",
                                       metrics->states->str);
        for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
                const Family *family = &families[i];
                if (metrics->samples[i]->len == 0)
                        continue;
                g_string_append_printf(text, "# TYPE virtbus_domain_%s %s\n", family->name,
                                       family->is_counter ? "counter" : "gauge");
                if (*family->unit)
                        g_string_append_printf(text, "# UNIT virtbus_domain_%s %s\n", family->name, family->unit);
                g_string_append_printf(text, "# HELP virtbus_domain_%s %s\n%s", family->name, family->help,
                                       metrics->samples[i]->str);
        }
        g_string_append(text, "# EOF\n");
        return g_string_free(text, FALSE);
}
