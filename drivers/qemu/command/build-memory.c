/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-memory.h"

#include <inttypes.h>
#include <string.h>

#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

#define MIB (UINT64_C(1024) * 1024)
#define GUEST_NODES_MAX 128
#define HOST_NODES_MAX 1024

/* No machine has as much: a limit that keeps sums from overflowing. */
#define MEMORY_MAX (UINT64_C(1) << 55)
#define ALLOCATING_THREADS_MAX 1024

/* The size of a huge page where the document does not say: x86's smallest. */
#define HUGE_PAGE_DEFAULT (2 * MIB)

/* Up to what a machine's memory comes in. */
static uint64_t align(const Builder *builder, uint64_t size) {
        uint64_t unit = MAX(builder->kind->memory_unit, 1) * MIB;
        return (size + unit - 1) / unit * unit;
}

/* Sets of numbers, "1-3,^2,7": a bit for each. */
static bool parse_set(const char *text, bool *set, size_t n) {
        memset(set, 0, n * sizeof *set);
        bool any = false;
        for (const char *c = text; *c;) {
                bool exclude = *c == '^';
                char *end;
                c += exclude;
                if (!g_ascii_isdigit(*c))
                        return false;
                guint64 first = g_ascii_strtoull(c, &end, 10), last = first;
                if (*end == '-' && !exclude) {
                        if (!g_ascii_isdigit(end[1]))
                                return false;
                        last = g_ascii_strtoull(end + 1, &end, 10);
                }
                if (last >= n || first > last || (*end && *end != ',') || (*end == ',' && !end[1]))
                        return false;
                for (guint64 i = first; i <= last; i++)
                        set[i] = !exclude;
                c = *end ? end + 1 : end;
        }
        for (size_t i = 0; i < n; i++)
                any |= set[i];
        return any;
}

static bool get_set(Builder *builder, xmlNode *element, const char *path, bool *set, size_t n) {
        const char *text = builder_get(builder, element, path);
        if (!text)
                return false;
        if (parse_set(text, set, n))
                return true;
        builder_invalid(builder, element, "%s is '%.64s'; it must be numbers below %zu, like 0-3,5, and not none",
                        strrchr(path, '@') + 1, text, n);
        return false;
}

static JsonArray *set_array(const bool *set, size_t n) {
        JsonArray *array = json_array_new();
        for (size_t i = 0; i < n; i++)
                if (set[i])
                        json_array_add_int_element(array, (gint64) i);
        return array;
}

/* The host's nodes that a guest's node, or all memory, is bound to. */
static bool host_nodes(Builder *builder, int node, bool *set, const char **mode) {
        xmlNode *tune = builder_element(builder, builder->root, "numatune");
        for_each (builder, one, tune, "memnode")
                if (node >= 0 && builder_number(builder, one, "@cellid", 0, GUEST_NODES_MAX, 0) == (uint64_t) node) {
                        *mode = builder_choose(builder, one, "@mode", "strict preferred interleave restrictive");
                        return get_set(builder, one, "@nodeset", set, HOST_NODES_MAX);
                }
        xmlNode *all = builder_element(builder, tune, "memory");
        *mode = builder_choose(builder, all, "@mode", "strict preferred interleave restrictive");
        return all && builder_get(builder, all, "@nodeset") && get_set(builder, all, "@nodeset", set, HOST_NODES_MAX);
}

static void check_numa_tuning(Builder *builder) {
        xmlNode *tune = builder_element(builder, builder->root, "numatune"), *memory = builder_element(builder, tune, "memory");
        static bool set[HOST_NODES_MAX];
        bool restrictive = builder_is(builder, memory, "@mode", "restrictive");
        if (!tune)
                return;
        builder_know(builder, memory, "@placement");
        for_each (builder, node, tune, "memnode") {
                uint64_t cell = builder_number(builder, node, "@cellid", 0, GUEST_NODES_MAX, 0);
                bool nodes[HOST_NODES_MAX];
                if (restrictive != builder_is(builder, node, "@mode", "restrictive"))
                        builder_invalid(builder, node, "its mode and that of <memory> must both be restrictive, or neither");
                get_set(builder, node, "@nodeset", nodes, HOST_NODES_MAX);
                unsigned n_cells = 0;
                for (xmlNode *one = xml_child(xml_find(builder->root, "cpu/numa"), "cell"); one; one = xml_next(one, "cell"))
                        n_cells++;
                if (cell >= n_cells)
                        builder_invalid(builder, node, "there is no guest NUMA cell %" PRIu64, cell);
        }
        if (memory && builder_get(builder, memory, "@nodeset") && get_set(builder, memory, "@nodeset", set, HOST_NODES_MAX) &&
            restrictive)
                for (size_t i = builder->context->n_host_nodes; i < HOST_NODES_MAX; i++)
                        if (set[i])
                                builder_unsupported(builder, memory, "this host has no NUMA node %zu: it is not available", i);
}

/* Huge pages for a guest's node (-1: none, all): their size in bytes, or 0. */
static uint64_t huge_page_size(Builder *builder, int node) {
        xmlNode *pages = builder_element(builder, builder->root, "memoryBacking/hugepages");
        uint64_t size = 0;
        if (!pages)
                return 0;
        if (!xml_child(pages, "page"))
                return HUGE_PAGE_DEFAULT;
        for_each (builder, page, pages, "page") {
                bool set[GUEST_NODES_MAX];
                const char *unit = builder_get(builder, page, "@unit");
                uint64_t factor = xml_unit(unit ? unit : "KiB"),
                         bytes = builder_number(builder, page, "@size", 1, UINT32_MAX, 0) * (factor ? factor : 1);
                if (factor == 0)
                        builder_invalid(builder, page, "unit '%.16s' is unknown; use KiB, MiB or GiB", unit);
                if (bytes & (bytes - 1) || bytes == 0)
                        builder_invalid(builder, page, "a page's size is a power of two");
                if (!builder_get(builder, page, "@nodeset")) {
                        if (size == 0)
                                size = bytes;
                } else if (get_set(builder, page, "@nodeset", set, GUEST_NODES_MAX) && node >= 0 && set[node])
                        size = bytes;
        }
        return size;
}

static void check_huge_pages(Builder *builder, unsigned n_cells) {
        xmlNode *pages = builder_element(builder, builder->root, "memoryBacking/hugepages");
        for_each (builder, page, pages, "page") {
                bool set[GUEST_NODES_MAX];
                if (!builder_get(builder, page, "@nodeset") || !get_set(builder, page, "@nodeset", set, GUEST_NODES_MAX))
                        continue;
                for (size_t i = MAX(n_cells, 1); i < GUEST_NODES_MAX; i++)
                        if (set[i])
                                builder_invalid(builder, page, "there is no guest NUMA node %zu for these hugepages", i);
        }
}

void build_memory_backend(Builder *builder, const char *id, const xmlNode *element, uint64_t size, int node, bool is_device) {
        xmlNode *backing = builder_element(builder, builder->root, "memoryBacking");
        const char *source = builder_choose(builder, backing, "source/@type", "file anonymous memfd"),
                   *access = builder_choose(builder, backing, "access/@mode", "shared private"), *path = NULL;
        bool immediate = builder_is(builder, backing, "allocation/@mode", "immediate"), pmem = false;
        uint64_t page = huge_page_size(builder, node), alignment = 0;
        static bool hosts[HOST_NODES_MAX], chosen[HOST_NODES_MAX];
        const char *mode = NULL, *own = NULL;
        if (element && !is_device)
                own = builder_choose(builder, element, "@memAccess", "shared private");
        if (is_device) {
                own = builder_choose(builder, element, "@access", "shared private");
                path = builder_get(builder, element, "source/path");
                pmem = builder_element(builder, element, "source/pmem") != NULL;
                alignment = builder_size(builder, element, "source/alignsize", "KiB", 0);
                if (builder_element(builder, element, "source/pagesize"))
                        page = builder_size(builder, element, "source/pagesize", "KiB", 0);
                if (!own && node >= 0)
                        for (xmlNode *cell = xml_child(xml_find(builder->root, "cpu/numa"), "cell"); cell;
                             cell = xml_next(cell, "cell")) {
                                g_autofree char *number_text = xml_attribute(cell, "id");
                                if (number_text && strtol(number_text, NULL, 10) == node)
                                        own = builder_get(builder, cell, "@memAccess");
                        }
        }
        if (own)
                access = own;
        if (page < MIB) /* ordinary pages */
                page = 0;
        bool bound;
        if (is_device && builder_element(builder, element, "source/nodemask")) {
                bound = parse_set(builder_get(builder, element, "source/nodemask"), chosen, HOST_NODES_MAX);
                if (!bound)
                        builder_invalid(builder, builder_element(builder, element, "source/nodemask"),
                                        "it must be numbers, like 0-3,5");
                mode = "strict";
                memcpy(hosts, chosen, sizeof hosts);
        } else
                bound = host_nodes(builder, node, hosts, &mode);
        bool memfd = (!path && source && strcmp(source, "memfd") == 0) || (page > 0 && !path);
        bool file = !memfd && (path || (source && strcmp(source, "file") == 0) || own || (access && !memfd));
        JsonObject *object = json_make("qom-type", 's',
                                       memfd  ? "memory-backend-memfd"
                                       : file ? "memory-backend-file"
                                              : "memory-backend-ram",
                                       "id", 's', id, "size", 'i', (gint64) size, NULL);
        if (memfd && page > 0)
                json_add(object, "hugetlb", 'b', TRUE, "hugetlbsize", 'i', (gint64) page, NULL);
        if (file) {
                json_add(object, "mem-path", 's', path ? path : builder_format(builder, "ram-%s", id), NULL);
                builder_not_here(builder, element ? element : backing,
                                 path ? "memory that is kept in a file or device of the host's: leave out this module"
                                      : "memory in a file: use <source type='memfd'/>");
        }
        /* A memfd is shared unless told otherwise, where a file is not. */
        if (access)
                json_add(object, "share", 'b', strcmp(access, "shared") == 0, NULL);
        else if (memfd)
                json_add(object, "share", 'b', page == 0, NULL);
        /* What a virtio device has of the host is what its guest uses. */
        bool by_use = is_device && builder_is(builder, element, "@model", "virtio-mem"),
             allocate = !by_use &&
                        (page > 0 || immediate || (path && !pmem && !builder_is(builder, element, "@model", "virtio-pmem")));
        uint64_t threads = builder_number(builder, backing, "allocation/@threads", 1, ALLOCATING_THREADS_MAX, 0);
        if (by_use)
                json_add(object, "reserve", 'b', FALSE, NULL);
        if (allocate)
                json_add(object, "prealloc", 'b', TRUE, NULL);
        if (allocate && threads > 0)
                json_add(object, "prealloc-threads", 'i', (gint64) threads, NULL);
        if (alignment > 0)
                json_add(object, "align", 'i', (gint64) alignment, NULL);
        if (pmem)
                json_add(object, "pmem", 'b', TRUE, NULL);
        if ((memfd || file) && g_strcmp0(id, builder->kind->memory) == 0)
                json_add(object, "x-use-canonical-path-for-ramblock-id", 'b', FALSE, NULL);
        bool discards = element && builder_is(builder, element, "@discard", "yes");
        if ((builder_element(builder, backing, "discard") || discards) && file)
                json_add(object, "discard-data", 'b', TRUE, NULL);
        if (bound && g_strcmp0(mode, "restrictive") != 0) {
                json_object_set_array_member(object, "host-nodes", set_array(hosts, HOST_NODES_MAX));
                json_add(object, "policy", 's',
                         g_strcmp0(mode, "preferred") == 0    ? "preferred"
                         : g_strcmp0(mode, "interleave") == 0 ? "interleave"
                                                              : "bind",
                         NULL);
                if (allocate) {
                        JsonObject *context = json_make("qom-type", 's', "thread-context", "id", 's',
                                                        builder_format(builder, "tc-%s", id), NULL);
                        json_object_set_array_member(context, "node-affinity", set_array(hosts, HOST_NODES_MAX));
                        builder_add_json(builder, "-object", context);
                        json_add(object, "prealloc-context", 's', builder_format(builder, "tc-%s", id), NULL);
                }
        }
        builder_add_json(builder, "-object", object);
}

/* NUMA cells */

static uint64_t cell_size(Builder *builder, xmlNode *cell) {
        const char *unit = builder_get(builder, cell, "@unit");
        uint64_t factor = xml_unit(unit ? unit : "KiB");
        return factor ? builder_number(builder, cell, "@memory", 0, MEMORY_MAX / factor, 0) * factor : 0;
}

static void add_distances(Builder *builder, xmlNode **cells, unsigned n_cells) {
        static uint64_t distances[GUEST_NODES_MAX][GUEST_NODES_MAX];
        bool any = false;
        memset(distances, 0, sizeof distances);
        for (unsigned i = 0; i < n_cells; i++)
                for_each (builder, sibling, cells[i], "distances/sibling") {
                        uint64_t other = builder_number(builder, sibling, "@id", 0, GUEST_NODES_MAX - 1, 0);
                        distances[i][other] = builder_number(builder, sibling, "@value", 10, 255, 20);
                        any = true;
                }
        /* What is said of one direction holds for the other; where nothing is said, ACPI's defaults: 10 and 20. */
        for (unsigned i = 0; any && i < n_cells; i++)
                for (unsigned j = 0; j < n_cells; j++) {
                        uint64_t value = distances[i][j] ? distances[i][j] : distances[j][i] ? distances[j][i] : i == j ? 10 : 20;
                        builder_add(builder, "-numa", "dist,src=%u,dst=%u,val=%" PRIu64, i, j, value);
                }
}

/* Heterogeneous memory: how quickly each initiator reaches each target, and what caches stand before a target (ACPI's HMAT). */

/* A number with a unit beside it; UNIT where the document gives none. */
static uint64_t value_of(Builder *builder, xmlNode *element, const char *unit) {
        const char *given = builder_get(builder, element, "@unit");
        return builder_number(builder, element, "@value", 0, UINT32_MAX, 0) * xml_unit(given ? given : unit);
}

/* A cell with processors is its own initiator; another one is of whoever reaches it soonest, or with most bandwidth. */
static int initiator_of(Builder *builder, xmlNode **cells, unsigned cell) {
        static const char *const kinds[] = { "cpu/numa/interconnects/latency", "cpu/numa/interconnects/bandwidth" };
        if (builder_get(builder, cells[cell], "@cpus"))
                return (int) cell;
        for (size_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++) {
                uint64_t best = 0;
                int initiator = -1;
                for_each (builder, one, builder->root, kinds[kind]) {
                        uint64_t value = value_of(builder, one, "B");
                        if (builder_number(builder, one, "@target", 0, GUEST_NODES_MAX - 1, 0) != cell ||
                            (initiator >= 0 && (kind == 0 ? value >= best : value <= best)))
                                continue;
                        best = value;
                        initiator = (int) builder_number(builder, one, "@initiator", 0, GUEST_NODES_MAX - 1, 0);
                }
                if (initiator >= 0)
                        return initiator;
        }
        return -1;
}

static void add_interconnects(Builder *builder) {
        static const char *const levels[] = { "memory", "first-level", "second-level", "third-level" };
        static const char *const kinds[] = { "latency", "bandwidth" };
        for (size_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++)
                for_each (builder, one, builder->root, builder_format(builder, "cpu/numa/interconnects/%s", kinds[kind])) {
                        const char *type = builder_choose(builder, one, "@type", "access read write");
                        uint64_t value = kind == 0 ? value_of(builder, one, "B") : value_of(builder, one, "KiB") / 1024;
                        builder_add(builder, "-numa",
                                    "hmat-lb,initiator=%" PRIu64 ",target=%" PRIu64 ",hierarchy=%s,data-type=%s-%s,%s=%" PRIu64
                                    "%s",
                                    builder_number(builder, one, "@initiator", 0, GUEST_NODES_MAX - 1, 0),
                                    builder_number(builder, one, "@target", 0, GUEST_NODES_MAX - 1, 0),
                                    levels[builder_number(builder, one, "@cache", 0, 3, 0)], type ? type : "", kinds[kind],
                                    kinds[kind], value, kind == 0 ? "" : "K");
                }
}

static void add_memory_cache(Builder *builder, xmlNode *cache, unsigned cell) {
        const char *associativity = builder_choose(builder, cache, "@associativity", "none direct full"),
                   *policy = builder_choose(builder, cache, "@policy", "none writeback writethrough");
        builder_add(builder, "-numa",
                    "hmat-cache,node-id=%u,size=%" PRIu64 "K,level=%" PRIu64 ",associativity=%s,policy=%s,line=%" PRIu64, cell,
                    value_of(builder, builder_element(builder, cache, "size"), "KiB") / 1024,
                    builder_number(builder, cache, "@level", 1, 3, 1),
                    g_strcmp0(associativity, "full") == 0 ? "complex"
                    : associativity                       ? associativity
                                                          : "none",
                    g_strcmp0(policy, "writeback") == 0      ? "write-back"
                    : g_strcmp0(policy, "writethrough") == 0 ? "write-through"
                                                             : "none",
                    value_of(builder, builder_element(builder, cache, "line"), "B"));
}

static bool has_heterogeneous_memory(xmlNode **cells, unsigned n_cells, xmlNode *root) {
        bool any = xml_find(root, "cpu/numa/interconnects") != NULL;
        for (unsigned i = 0; i < n_cells; i++)
                any |= xml_child(cells[i], "cache") != NULL;
        return any;
}

static void build_cells(Builder *builder, xmlNode **cells, unsigned n_cells) {
        bool is_heterogeneous = has_heterogeneous_memory(cells, n_cells, builder->root);
        for (unsigned i = 0; i < n_cells; i++) {
                xmlNode *cell = cells[i];
                const char *unit = builder_get(builder, cell, "@unit"), *id = builder_format(builder, "ram-node%u", i);
                uint64_t factor = xml_unit(unit ? unit : "KiB"), size = cell_size(builder, cell);
                bool cpus[4096];
                g_autoptr(GString) node = g_string_new(NULL);
                if (factor == 0)
                        builder_invalid(builder, cell, "unit '%.16s' is unknown; use KiB, MiB or GiB", unit);
                builder_choose(builder, cell, "@discard", "yes no");
                g_string_printf(node, "node,nodeid=%u", i);
                if (builder_get(builder, cell, "@cpus") && get_set(builder, cell, "@cpus", cpus, G_N_ELEMENTS(cpus)))
                        for (size_t first = 0; first < G_N_ELEMENTS(cpus); first++) {
                                size_t last = first;
                                if (!cpus[first])
                                        continue;
                                while (last + 1 < G_N_ELEMENTS(cpus) && cpus[last + 1])
                                        last++;
                                g_string_append_printf(node, ",cpus=%zu", first);
                                if (last > first)
                                        g_string_append_printf(node, "-%zu", last);
                                first = last;
                        }
                int initiator = is_heterogeneous ? initiator_of(builder, cells, i) : -1;
                if (initiator >= 0)
                        g_string_append_printf(node, ",initiator=%d", initiator);
                if (size > 0) {
                        build_memory_backend(builder, id, cell, align(builder, size), (int) i, false);
                        g_string_append_printf(node, ",memdev=%s", id);
                }
                builder_add(builder, "-numa", "%s", node->str);
        }
        add_distances(builder, cells, n_cells);
        if (is_heterogeneous) {
                g_string_append(builder->machine, ",hmat=on");
                add_interconnects(builder);
                for (unsigned i = 0; i < n_cells; i++)
                        for_each (builder, cache, cells[i], "cache")
                                add_memory_cache(builder, cache, i);
        }
}

static int compare_cells(const void *a, const void *b) {
        g_autofree char *one = xml_attribute(*(xmlNode *const *) a, "id"), *other = xml_attribute(*(xmlNode *const *) b, "id");
        return (one ? atoi(one) : 0) - (other ? atoi(other) : 0);
}

static unsigned find_cells(Builder *builder, xmlNode **cells) {
        unsigned n = 0;
        for_each (builder, cell, builder->root, "cpu/numa/cell") {
                if (n == GUEST_NODES_MAX) {
                        builder_fail(builder, VIRTBUS_ERROR_LIMIT_EXCEEDED, cell, "there may be %d NUMA cells", GUEST_NODES_MAX);
                        return n;
                }
                builder_number(builder, cell, "@id", 0, GUEST_NODES_MAX - 1, n);
                builder_choose(builder, cell, "@memAccess", "shared private");
                cells[n++] = cell;
        }
        qsort(cells, n, sizeof cells[0], compare_cells);
        return n;
}

void build_memory(Builder *builder) {
        const Definition *definition = builder->definition;
        xmlNode *cells[GUEST_NODES_MAX], *maximum = builder_element(builder, builder->root, "maxMemory"),
                                         *backing = builder_element(builder, builder->root, "memoryBacking");
        unsigned n_cells = find_cells(builder, cells);
        uint64_t size = 0, plugged = 0;
        for (unsigned i = 0; i < n_cells; i++) {
                size += align(builder, cell_size(builder, cells[i]));
        }
        for_each (builder, device, builder->devices, "memory")
                plugged += builder_size(builder, device, "target/size", "KiB", 0);
        if (n_cells == 0)
                size = align(builder,
                             definition->max_memory > plugged ? definition->max_memory - plugged : definition->max_memory);
        check_numa_tuning(builder);
        check_huge_pages(builder, n_cells);
        builder_know(builder, backing, "nosharepages hugepages discard source access allocation/@mode");
        if (builder_element(builder, backing, "nosharepages"))
                g_string_append(builder->machine, ",mem-merge=off");
        builder_number(builder, backing, "allocation/@threads", 1, ALLOCATING_THREADS_MAX, 1);
        if (maximum) {
                uint64_t limit = builder_size(builder, builder->root, "maxMemory", "KiB", 0),
                         slots = builder_number(builder, maximum, "@slots", 0, 256, 0);
                if (n_cells == 0 && builder->kind->is_x86)
                        builder_invalid(builder, maximum,
                                        "memory can be plugged only where there is a NUMA cell: <cpu><numa><cell .../>");
                if (limit < definition->max_memory)
                        builder_invalid(builder, maximum, "it is less than <memory>");
                builder_add(builder, "-m", "size=%" PRIu64 "k,slots=%" PRIu64 ",maxmem=%" PRIu64 "k", size / 1024, slots,
                            align(builder, limit) / 1024);
        } else
                builder_add(builder, "-m", "size=%" PRIu64 "k", size / 1024);
        if (n_cells == 0 && builder->kind->memory) {
                build_memory_backend(builder, builder->kind->memory, NULL, size, -1, false);
                g_string_append_printf(builder->machine, ",memory-backend=%s", builder->kind->memory);
        }
        builder_add(builder, "-overcommit", "mem-lock=%s", builder_element(builder, backing, "locked") ? "on" : "off");
}

void build_numa(Builder *builder) {
        const Definition *definition = builder->definition;
        xmlNode *cells[GUEST_NODES_MAX];
        unsigned n_cells = find_cells(builder, cells);
        if (n_cells > 0)
                build_cells(builder, cells, n_cells);
        if (definition->memory < definition->max_memory &&
            !xml_attribute_is(xml_child(builder->devices, "memballoon"), "model", "none") &&
            xml_child(builder->devices, "memballoon"))
                builder_add_command(builder, "balloon", json_make("value", 'i', (gint64) definition->memory, NULL));
}
