/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/host-topology.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/xml.h"

#define CPUS "/sys/devices/system/cpu"
#define NODES "/sys/devices/system/node"
#define HUGE_PAGES "/sys/kernel/mm/hugepages"
#define HUGE_PREFIX "hugepages-" /* before the size in KiB */
#define NODES_MAX 1024
#define CPUS_MAX 16384
#define KIB 1024
#define OWN_DISTANCE "10" /* of a node from itself, as the firmware's table counts */

static char *text_of(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* What a file of the kernel's says, without the line's end; NULL where it cannot be read. */
static char *text_of(const char *format, ...) {
        va_list arguments;
        char *text = NULL;
        va_start(arguments, format);
        g_autofree char *path = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

/* The numbers of a list of the kernel's, such as 0-3,8. */
static GArray *numbers_of(const char *list) {
        GArray *numbers = g_array_new(FALSE, FALSE, sizeof(unsigned int));
        g_auto(GStrv) parts = g_strsplit(list, ",", -1);
        for (char **part = parts; *part && **part; part++) {
                char *end;
                uint64_t first = g_ascii_strtoull(*part, &end, 10),
                         last = *end == '-' ? g_ascii_strtoull(end + 1, NULL, 10) : first;
                for (uint64_t number = first; number <= last && number < CPUS_MAX; number++) {
                        unsigned int kept = (unsigned int) number;
                        g_array_append_val(numbers, kept);
                }
        }
        return numbers;
}

static int64_t topology_number(unsigned int cpu, const char *file) {
        g_autofree char *text = text_of(CPUS "/cpu%u/topology/%s", cpu, file);
        int64_t number = text ? g_ascii_strtoll(text, NULL, 10) : 0;
        return MAX(number, 0); /* -1: the firmware does not tell */
}

static GArray *online_cpus(void) {
        g_autofree char *list = text_of(CPUS "/online");
        return numbers_of(list ? list : "0");
}

/* How many different values of a file the processors have. */
static unsigned int count_values(const GArray *cpus, const char *file) {
        g_autoptr(GHashTable) values = g_hash_table_new(g_direct_hash, g_direct_equal);
        for (unsigned int i = 0; i < cpus->len; i++)
                g_hash_table_add(values, GINT_TO_POINTER(topology_number(g_array_index(cpus, unsigned int, i), file)));
        return MAX(g_hash_table_size(values), 1);
}

static int compare_sizes(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
        return (x > y) - (x < y);
}

/* The sizes of pages, in KiB: those of the system first. */
static GArray *page_sizes(void) {
        GArray *sizes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        g_autoptr(GDir) folder = g_dir_open(HUGE_PAGES, 0, NULL);
        uint64_t size = (uint64_t) sysconf(_SC_PAGESIZE) / KIB;
        g_array_append_val(sizes, size);
        for (const char *name; folder && (name = g_dir_read_name(folder));)
                if (g_str_has_prefix(name, HUGE_PREFIX) && (size = g_ascii_strtoull(name + strlen(HUGE_PREFIX), NULL, 10)) > 0)
                        g_array_append_val(sizes, size);
        g_array_sort(sizes, compare_sizes);
        return sizes;
}

static xmlNode *add_pages(xmlNode *parent, uint64_t size, const char *count) {
        xmlNode *pages = xml_add(parent, "pages", count);
        xml_set_attribute(pages, "unit", "KiB");
        xml_set_number(pages, "size", (int64_t) size);
        return pages;
}

/* What does not come out even is told as one socket with a core for each processor. */
void host_topology_add_processors(xmlNode *cpu) {
        g_autoptr(GArray) cpus = online_cpus(), sizes = page_sizes();
        g_autofree char *siblings = text_of(CPUS "/cpu0/topology/thread_siblings_list");
        g_autoptr(GArray) threads = numbers_of(siblings ? siblings : "0");
        unsigned int n_sockets = count_values(cpus, "physical_package_id"), n_dies = count_values(cpus, "die_id"),
                     n_threads = MAX(threads->len, 1), n_cores = cpus->len / (n_sockets * n_dies * n_threads);
        if (n_sockets * n_dies * n_cores * n_threads != cpus->len) {
                n_sockets = n_dies = n_threads = 1;
                n_cores = cpus->len;
        }
        xmlNode *topology = xml_add(cpu, "topology", NULL);
        xml_set_number(topology, "sockets", n_sockets);
        xml_set_number(topology, "dies", n_dies);
        xml_set_number(topology, "cores", n_cores);
        xml_set_number(topology, "threads", n_threads);
        for (unsigned int i = 0; i < sizes->len; i++)
                add_pages(cpu, g_array_index(sizes, uint64_t, i), NULL);
}

/* Of a node, or of all where there are no nodes. */
static uint64_t memory_of(unsigned int node) {
        g_autofree char *of_node = text_of(NODES "/node%u/meminfo", node), *of_all = text_of("/proc/meminfo");
        const char *text = of_node ? of_node : of_all, *total = text ? strstr(text, "MemTotal:") : NULL;
        return total ? g_ascii_strtoull(total + strlen("MemTotal:"), NULL, 10) : 0;
}

static void add_memory(xmlNode *cell, unsigned int node) {
        g_autoptr(GArray) sizes = page_sizes();
        uint64_t total = memory_of(node), huge = 0;
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, total);
        xml_set_attribute(xml_add(cell, "memory", text), "unit", "KiB");
        xmlNode *small = NULL;
        for (unsigned int i = 0; i < sizes->len; i++) {
                uint64_t size = g_array_index(sizes, uint64_t, i);
                g_autofree char *of_node = text_of(NODES "/node%u/hugepages/" HUGE_PREFIX "%" G_GUINT64_FORMAT "kB/nr_hugepages",
                                                   node, size),
                                *of_all = text_of(HUGE_PAGES "/" HUGE_PREFIX "%" G_GUINT64_FORMAT "kB/nr_hugepages", size);
                const char *count = of_node ? of_node : of_all;
                xmlNode *pages = add_pages(cell, size, count ? count : "0");
                huge += count && i > 0 ? g_ascii_strtoull(count, NULL, 10) * size : 0;
                small = i == 0 ? pages : small;
        }
        g_autofree char *rest =
                        g_strdup_printf("%" G_GUINT64_FORMAT, (total - MIN(huge, total)) / g_array_index(sizes, uint64_t, 0));
        xmlNodeSetContent(small, (const xmlChar *) rest);
}

static void add_distances(xmlNode *cell, unsigned int node) {
        g_autofree char *text = text_of(NODES "/node%u/distance", node);
        g_auto(GStrv) values = g_strsplit(text ? text : OWN_DISTANCE, " ", -1);
        g_autofree char *list = text_of(NODES "/online");
        g_autoptr(GArray) nodes = numbers_of(list ? list : "0");
        xmlNode *distances = xml_add(cell, "distances", NULL);
        for (unsigned int i = 0; i < nodes->len && values[i]; i++) {
                xmlNode *sibling = xml_add(distances, "sibling", NULL);
                xml_set_number(sibling, "id", g_array_index(nodes, unsigned int, i));
                xml_set_attribute(sibling, "value", values[i]);
        }
}

static void add_cpu(xmlNode *parent, unsigned int number) {
        static const char *const names[][2] = { { "socket_id", "physical_package_id" },
                                                { "die_id", "die_id" },
                                                { "core_id", "core_id" } };
        xmlNode *cpu = xml_add(parent, "cpu", NULL);
        xml_set_number(cpu, "id", number);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                xml_set_number(cpu, names[i][0], topology_number(number, names[i][1]));
        g_autofree char *siblings = text_of(CPUS "/cpu%u/topology/thread_siblings_list", number),
                        *alone = g_strdup_printf("%u", number);
        xml_set_attribute(cpu, "siblings", siblings ? siblings : alone);
}

static void add_node(xmlNode *cells, unsigned int node) {
        g_autofree char *list = text_of(NODES "/node%u/cpulist", node);
        g_autoptr(GArray) cpus = list ? numbers_of(list) : online_cpus();
        xmlNode *cell = xml_add(cells, "cell", NULL);
        xml_set_number(cell, "id", node);
        add_memory(cell, node);
        add_distances(cell, node);
        xmlNode *parent = xml_add(cell, "cpus", NULL);
        xml_set_number(parent, "num", cpus->len);
        for (unsigned int i = 0; i < cpus->len; i++)
                add_cpu(parent, g_array_index(cpus, unsigned int, i));
}

void host_topology_add_nodes(xmlNode *host) {
        g_autofree char *list = text_of(NODES "/online");
        g_autoptr(GArray) nodes = numbers_of(list ? list : "0");
        unsigned int n = MIN(nodes->len, NODES_MAX);
        xmlNode *cells = xml_add(xml_add(host, "topology", NULL), "cells", NULL);
        xml_set_number(cells, "num", n);
        for (unsigned int i = 0; i < n; i++)
                add_node(cells, g_array_index(nodes, unsigned int, i));
}
