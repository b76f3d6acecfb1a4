/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The machine's memory: of all of it or of one NUMA node, in pages of each size, and how pages are shared. What changes it is not
 * the bus's to do. */

#include <unistd.h>

#include "calls.h"
#include "machine.h"
#include "rows.h"

#define ALL_NODES (-1)
#define KIB 1024
#define CELLS_MAX 1024  /* that an answer may have */
#define COUNTS_MAX 1024 /* the same */

#define NODES "/sys/devices/system/node"
#define SHARING "/sys/kernel/mm/ksm/"

static const FlagOption parameters_flags[] = { FLAG_STRINGS_OKAY, {} };

/* What /proc/meminfo has, or what is its like of one node. A machine without NUMA has one node, which is all of it. */
static char *memory_of(int32_t node) {
        g_autofree char *of_node = node == ALL_NODES ? NULL : machine_text(NODES "/node%d/meminfo", node);
        return of_node ? g_steal_pointer(&of_node) : machine_text("/proc/meminfo");
}

static uint64_t kib_in(const char *text, const char *name) {
        uint64_t kib = 0;
        machine_value(text, name, &kib);
        return kib;
}

static void get_free(Call *call) {
        g_autofree char *memory = memory_of(ALL_NODES);
        call_answer(call, g_variant_new("(t)", kib_in(memory, "MemFree:") * KIB));
}

/* Refuses the call for nodes that there are not. */
static bool check_first(Call *call, int32_t first, int32_t lowest) {
        int32_t nodes = machine_nodes();
        if (first >= lowest && first < nodes)
                return true;
        call_refuse(call, LIBVIRT_INTERNAL_ERROR, "internal error: start cell %d out of range (0-%d)", first, nodes - 1);
        return false;
}

static void get_free_of_nodes(Call *call) {
        int32_t first, room, nodes = machine_nodes();
        GVariantBuilder builder;
        g_variant_get_child(call->arguments, 0, "i", &first);
        g_variant_get_child(call->arguments, 1, "i", &room);
        if (!check_first(call, first, 0))
                return;
        g_variant_builder_init(&builder, G_VARIANT_TYPE("at"));
        for (int32_t node = first; node < nodes && node - first < MIN(room, CELLS_MAX); node++) {
                g_autofree char *memory = memory_of(node);
                g_variant_builder_add(&builder, "t", kib_in(memory, "MemFree:") * KIB);
        }
        call_answer(call, g_variant_new("(at)", &builder));
}

static void get_statistics(Call *call) {
        static const char *const values[][2] = {
                { "total", "MemTotal:" }, { "free", "MemFree:" }, { "buffers", "Buffers:" }, { "cached", "Cached:" }
        };
        int32_t room, node, n = 0, nodes = machine_nodes();
        GVariantBuilder builder;
        g_variant_get_child(call->arguments, 0, "i", &room);
        g_variant_get_child(call->arguments, 1, "i", &node);
        if (node < ALL_NODES || node >= nodes) {
                call_refuse(call, LIBVIRT_INVALID_ARG,
                            "invalid argument: cellNum in get_memory_stats must be less than or equal to %d", nodes - 1);
                return;
        }
        g_autofree char *memory = memory_of(node);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(st)"));
        for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
                uint64_t value;
                /* A node's file has no buffers; what it calls cached is what is in the swap's cache. */
                if (!machine_value(memory, values[i][1], &value) || (node != ALL_NODES && i > 1))
                        continue;
                if (n < room)
                        g_variant_builder_add(&builder, "(st)", values[i][0], value);
                n++;
        }
        call_answer(call, g_variant_new("(a(st)i)", &builder, n));
}

/* False where there are no pages of this size. */
static bool free_pages(int32_t node, uint32_t kib, uint64_t *pages) {
        const uint32_t base = (uint32_t) sysconf(_SC_PAGESIZE) / KIB;
        if (kib != base && node == ALL_NODES)
                return machine_number(pages, "/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages", kib);
        if (kib != base)
                return machine_number(pages, NODES "/node%d/hugepages/hugepages-%ukB/free_hugepages", node, kib);
        g_autofree char *memory = memory_of(node);
        *pages = kib_in(memory, "MemFree:") / base;
        return true;
}

static void get_pages(Call *call) {
        g_autoptr(GVariant) sizes = g_variant_get_child_value(call->arguments, 0);
        size_t n_sizes;
        const uint32_t *kib = g_variant_get_fixed_array(sizes, &n_sizes, sizeof *kib);
        int32_t first, nodes = machine_nodes();
        uint32_t count;
        g_variant_get_child(call->arguments, 1, "i", &first);
        g_variant_get_child(call->arguments, 2, "u", &count);
        if (!check_first(call, first, ALL_NODES))
                return;
        g_autoptr(GArray) counts = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        for (int64_t node = first; node < (int64_t) first + count && node < nodes; node++)
                for (size_t i = 0; i < n_sizes; i++) {
                        uint64_t pages;
                        if (counts->len == COUNTS_MAX || !free_pages((int32_t) node, kib[i], &pages)) {
                                call_refuse(call, LIBVIRT_OPERATION_FAILED,
                                            "operation failed: page size %u is not available on node %d", kib[i], (int) node);
                                return;
                        }
                        g_array_append_val(counts, pages);
                }
        call_answer(call, g_variant_new("(@at)", g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, counts->data, counts->len,
                                                                           sizeof(uint64_t))));
}

/* How the kernel shares pages of guests that are the same (KSM). */
static const struct {
        const char *file, *type; /* of the parameter, whose name is the file's after "shm_" */
} sharing[] = { { "pages_to_scan", "u" },  { "sleep_millisecs", "u" }, { "pages_shared", "t" }, { "pages_sharing", "t" },
                { "pages_unshared", "t" }, { "pages_volatile", "t" },  { "full_scans", "t" },   { "merge_across_nodes", "u" } };

static void get_sharing(Call *call) {
        int32_t room, n = 0;
        GVariantBuilder builder;
        g_variant_get_child(call->arguments, 0, "i", &room);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sv)"));
        for (size_t i = 0; i < G_N_ELEMENTS(sharing); i++) {
                uint64_t value;
                if (!machine_number(&value, SHARING "%s", sharing[i].file))
                        continue;
                g_autofree char *name = g_strconcat("shm_", sharing[i].file, NULL);
                if (n < room)
                        g_variant_builder_add(&builder, "(sv)", name,
                                              *sharing[i].type == 'u' ? g_variant_new_uint32((uint32_t) value)
                                                                      : g_variant_new_uint64(value));
                n++;
        }
        call_answer(call, g_variant_new("(a(sv)i)", &builder, n));
}

const CallRow memory_calls[] = {
        { REMOTE_NODE_GET_FREE_MEMORY, get_free, .elsewhere = row_not_elsewhere },
        { REMOTE_NODE_GET_CELLS_FREE_MEMORY, get_free_of_nodes, .elsewhere = row_not_elsewhere },
        { REMOTE_NODE_GET_MEMORY_STATS, get_statistics, .elsewhere = row_not_elsewhere },
        { REMOTE_NODE_GET_FREE_PAGES, get_pages, .elsewhere = row_not_elsewhere },
        { REMOTE_NODE_GET_MEMORY_PARAMETERS, get_sharing, NULL, READS, parameters_flags, .elsewhere = row_not_elsewhere },
        {},
};
