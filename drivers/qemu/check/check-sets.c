/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/xml.h"
#include "qemu/check/check.h"
#include "qemu/host/cpu-set.h"

/* SLIT's distances: of a node to itself, and the farthest that is not unreachable. */
#define DISTANCE_LOCAL 10
#define DISTANCE_MAX 254

/* The ports of a virtio-serial controller that is given no number. */
#define PORTS_DEFAULT 31

static unsigned number_of(const xmlNode *element, const char *attribute, unsigned otherwise) {
        g_autofree char *text = xml_attribute(element, attribute);
        guint64 value;
        return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT, &value, NULL) ? (unsigned) value : otherwise;
}

static unsigned vcpus_of(const xmlNode *root) {
        g_autofree char *text = xml_text(xml_child(root, "vcpu"));
        return text && *text ? (unsigned) strtoul(text, NULL, 10) : 1;
}

/* Reads a list of an attribute; empty where it is missing. */
static bool read_set(const xmlNode *element, const char *attribute, cpu_set_t *set, GError **error) {
        g_autofree char *text = xml_attribute(element, attribute);
        CPU_ZERO(set);
        return !text || cpu_set_read(text, set) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                        "cannot extract the nodes of '%s': failed to parse the bitmap '%.64s', which is not a list such as 0-3,8",
                        attribute, text);
}

/* What two lists of one kind have in common is in the first's error. */
static bool check_disjoint(const xmlNode *parent, const char *name, const char *attribute, GError **error) {
        cpu_set_t all, set, common;
        CPU_ZERO(&all);
        for (const xmlNode *element = xml_child(parent, name); element; element = xml_next(element, name)) {
                if (!read_set(element, attribute, &set, error))
                        return false;
                CPU_AND(&common, &all, &set);
                if (CPU_COUNT(&common) > 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "overlapping %s: some of '%s' are another %s's", attribute, attribute, name);
                CPU_OR(&all, &all, &set);
        }
        return true;
}

/* Cells of NUMA: numbers from 0 on without a gap, each processor in one of them at most. */

static bool check_cell_numbers(const xmlNode *numa, unsigned *n_cells, GError **error) {
        g_autoptr(GHashTable) numbers = g_hash_table_new(g_direct_hash, g_direct_equal);
        *n_cells = 0;
        for (const xmlNode *cell = xml_child(numa, "cell"); cell; cell = xml_next(cell, "cell"))
                if (!g_hash_table_add(numbers, GUINT_TO_POINTER(number_of(cell, "id", (*n_cells)++))))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, cell, "duplicate NUMA cell info for the cell id '%u'",
                                        number_of(cell, "id", *n_cells - 1));
        for (unsigned i = 0; i < *n_cells; i++)
                if (!g_hash_table_contains(numbers, GUINT_TO_POINTER(i)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, numa,
                                        "exactly one 'cell' element per guest NUMA cell is allowed: non-contiguous ranges or "
                                        "ranges "
                                        "not starting from 0 are not allowed; there is no cell %u",
                                        i);
        return true;
}

static bool check_cell_processors(const xmlNode *root, const xmlNode *numa, GError **error) {
        cpu_set_t all, set, common;
        unsigned n_vcpus = vcpus_of(root), last = 0;
        CPU_ZERO(&all);
        for (const xmlNode *cell = xml_child(numa, "cell"); cell; cell = xml_next(cell, "cell")) {
                if (!read_set(cell, "cpus", &set, error))
                        return false;
                CPU_AND(&common, &all, &set);
                if (CPU_COUNT(&common) > 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, cell,
                                        "NUMA cells have overlapping vCPU ids: cell %u and one before", number_of(cell, "id", 0));
                CPU_OR(&all, &all, &set);
        }
        for (unsigned i = 0; i < CPU_SETSIZE; i++)
                if (CPU_ISSET(i, &all))
                        last = i + 1;
        if ((unsigned) CPU_COUNT(&all) > n_vcpus)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, numa,
                                "the number of CPUs in <numa>, %u, exceeds the <vcpu> count %u", (unsigned) CPU_COUNT(&all),
                                n_vcpus);
        if (last > n_vcpus)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, numa,
                                "the CPU IDs in <numa>, up to %u, exceed the <vcpu> count %u", last - 1, n_vcpus);
        return true;
}

static bool check_distances(const xmlNode *numa, unsigned n_cells, GError **error) {
        unsigned n = 0;
        for (const xmlNode *cell = xml_child(numa, "cell"); cell; cell = xml_next(cell, "cell"), n++) {
                unsigned id = number_of(cell, "id", n);
                const xmlNode *distances = xml_child(cell, "distances");
                if (distances && !xml_child(distances, "sibling"))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, distances,
                                        "NUMA distances are defined without siblings");
                for (const xmlNode *sibling = xml_child(distances, "sibling"); sibling; sibling = xml_next(sibling, "sibling")) {
                        unsigned other = number_of(sibling, "id", n_cells), value = number_of(sibling, "value", 0);
                        if (other >= n_cells)
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, sibling,
                                                "sibling id %u does not refer to a valid cell within NUMA cell id %u", other, id);
                        if (value < DISTANCE_LOCAL || value > DISTANCE_MAX || (other == id && value != DISTANCE_LOCAL))
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, sibling,
                                                "the value %u is invalid for sibling id %u under NUMA cell id %u: use %d for "
                                                "itself, and up "
                                                "to %d",
                                                value, other, id, DISTANCE_LOCAL, DISTANCE_MAX);
                }
        }
        return true;
}

static bool check_numa(const xmlNode *root, GError **error) {
        const xmlNode *numa = xml_find(root, "cpu/numa");
        unsigned n_cells = 0;
        if (!numa)
                return true;
        if (!xml_child(numa, "cell"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, numa, "a NUMA topology is defined without NUMA cells");
        return check_cell_numbers(numa, &n_cells, error) && check_cell_processors(root, numa, error) &&
               check_distances(numa, n_cells, error);
}

static bool check_memory_tuning(const xmlNode *root, GError **error) {
        const xmlNode *tune = xml_child(root, "numatune"), *memory = xml_child(tune, "memory");
        g_autoptr(GHashTable) cells = g_hash_table_new(g_direct_hash, g_direct_equal);
        unsigned n_cells = 0;
        cpu_set_t set;
        for (const xmlNode *cell = xml_child(xml_find(root, "cpu/numa"), "cell"); cell; cell = xml_next(cell, "cell"))
                n_cells++;
        if (memory && !read_set(memory, "nodeset", &set, error))
                return false;
        /* What the memory does not say is as it is for the processors. */
        bool says = memory && xmlHasProp((xmlNode *) memory, (const xmlChar *) "placement");
        bool is_static = says ? xml_attribute_is(memory, "placement", "static")
                              : memory && !xml_attribute_is(xml_child(root, "vcpu"), "placement", "auto");
        if (is_static && CPU_COUNT(&set) == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, memory,
                                "the nodeset for NUMA memory tuning must be set if 'placement' is 'static'");
        for (const xmlNode *node = xml_child(tune, "memnode"); node; node = xml_next(node, "memnode")) {
                unsigned id = number_of(node, "cellid", G_MAXUINT);
                if (n_cells == 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, node,
                                        "the element 'memnode' is invalid without any guest NUMA cells");
                if (xml_attribute_is(memory, "placement", "auto"))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, node,
                                        "per-node binding is not compatible with automatic NUMA placement");
                if (id >= n_cells)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, node,
                                        "the argument 'cellid' in memnode must correspond to an existing guest's NUMA cell");
                if (!g_hash_table_add(cells, GUINT_TO_POINTER(id)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, node, "multiple memnode elements with cellid %u", id);
                if (!read_set(node, "nodeset", &set, error))
                        return false;
                if (CPU_COUNT(&set) == 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, node,
                                        "the required nodeset attribute in memnode is missing");
                if (xml_attribute_is(memory, "mode", "restrictive") != xml_attribute_is(node, "mode", "restrictive") &&
                    xml_attribute_is(memory, "mode", "restrictive"))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, node,
                                        "the 'restrictive' mode is required in memnode when the mode is 'restrictive' in memory");
        }
        return true;
}

/* A size of huge pages for each cell. */
static bool check_huge_pages(const xmlNode *root, GError **error) {
        const xmlNode *pages = xml_find(root, "memoryBacking/hugepages");
        cpu_set_t all, set, common;
        CPU_ZERO(&all);
        for (const xmlNode *page = xml_child(pages, "page"); page; page = xml_next(page, "page")) {
                if (!read_set(page, "nodeset", &set, error))
                        return false;
                CPU_AND(&common, &all, &set);
                if (CPU_COUNT(&common) > 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, page,
                                        "the nodeset attributes of two hugepages sizes intersect");
                CPU_OR(&all, &all, &set);
        }
        return true;
}

/* Disks of one group share its limits: what they say of them is the same. */

static int compare_words(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static char *limits_of(const xmlNode *iotune) {
        g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
        for (const xmlNode *limit = xml_child(iotune, NULL); limit; limit = xml_next(limit, NULL)) {
                g_autofree char *text = xml_text(limit);
                if (!xml_is(limit, "group_name") && strtoull(text ? text : "", NULL, 10) > 0)
                        g_ptr_array_add(words, g_strdup_printf("%s=%s", (const char *) limit->name, g_strstrip(text)));
        }
        g_ptr_array_sort(words, compare_words);
        g_ptr_array_add(words, NULL);
        return g_strjoinv(" ", (char **) words->pdata);
}

static bool check_throttle_groups(const xmlNode *root, GError **error) {
        g_autoptr(GHashTable) groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        for (const xmlNode *disk = xml_child(xml_child(root, "devices"), "disk"); disk; disk = xml_next(disk, "disk")) {
                const xmlNode *iotune = xml_child(disk, "iotune");
                g_autofree char *group = xml_text(xml_child(iotune, "group_name"));
                g_autofree char *limits = limits_of(iotune);
                const char *before = group ? g_hash_table_lookup(groups, group) : NULL;
                if (before && *before && *limits && strcmp(before, limits) != 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, iotune,
                                        "the group '%.64s' has different iotunes: another disk of it has other limits", group);
                if (group && (!before || !*before))
                        g_hash_table_insert(groups, g_steal_pointer(&group), g_steal_pointer(&limits));
        }
        return true;
}

/* A device of the host is given to a guest once. */

static char *host_device_of(const xmlNode *hostdev, const char *type) {
        static const char *const paths[][2] = {
                { "source", "protocol" },       { "source", "name" },
                { "source/adapter", "name" },   { "source", "wwpn" },
                { "source/vendor", "id" },      { "source/product", "id" },
                { "source/address", "domain" }, { "source/address", "bus" },
                { "source/address", "slot" },   { "source/address", "function" },
                { "source/address", "device" }, { "source/address", "target" },
                { "source/address", "unit" },
        };
        GString *text = g_string_new(NULL);
        g_string_append(text, type);
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                g_autofree char *value = xml_attribute(xml_find(hostdev, paths[i][0]), paths[i][1]);
                char *end = NULL;
                guint64 number = value ? g_ascii_strtoull(value, &end, 0) : 0;
                if (value && *value && end && !*end)
                        g_string_append_printf(text, " %" PRIu64, number);
                else
                        g_string_append_printf(text, " '%s'", value && *value ? value : "0");
        }
        return g_string_free(text, FALSE);
}

static bool check_host_devices(const xmlNode *root, GError **error) {
        static const char *const once[] = { "pci", "usb", "scsi", "scsi_host", NULL };
        g_autoptr(GHashTable) given = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        const xmlNode *devices = xml_child(root, "devices");
        for (const xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL)) {
                bool interface = xml_is(device, "interface") && xml_attribute_is(device, "type", "hostdev");
                g_autofree char *type = interface                   ? xml_attribute(xml_find(device, "source/address"), "type")
                                        : xml_is(device, "hostdev") ? xml_attribute(device, "type")
                                                                    : NULL;
                if (type && g_strv_contains(once, type) && !g_hash_table_add(given, host_device_of(device, type)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, device,
                                        "this hostdev already exists in the domain configuration");
        }
        return true;
}

/* Sets of the host's processors, and of I/O threads that there are. */

static bool check_host_processors(const xmlNode *root, GError **error) {
        static const char *const pins[] = { "vcpupin", "emulatorpin", "iothreadpin" };
        const xmlNode *tune = xml_child(root, "cputune");
        cpu_set_t set;
        if (!read_set(xml_child(root, "vcpu"), "cpuset", &set, error))
                return false;
        for (size_t i = 0; i < G_N_ELEMENTS(pins); i++)
                for (const xmlNode *pin = xml_child(tune, pins[i]); pin; pin = xml_next(pin, pins[i]))
                        if (!read_set(pin, "cpuset", &set, error))
                                return false;
        return true;
}

static bool has_io_thread(const xmlNode *root, unsigned id) {
        const xmlNode *ids = xml_child(root, "iothreadids");
        g_autofree char *count = xml_text(xml_child(root, "iothreads"));
        for (const xmlNode *thread = xml_child(ids, "iothread"); thread; thread = xml_next(thread, "iothread"))
                if (number_of(thread, "id", 0) == id)
                        return true;
        return !ids && count && id <= strtoul(count, NULL, 10);
}

static bool has_vcpu(const xmlNode *root, unsigned id) {
        return id < vcpus_of(root);
}

/* A thread whose schedule is said must be there. */
static bool check_schedules(const xmlNode *root, const char *name, const char *attribute,
                            bool (*has)(const xmlNode *root, unsigned id), GError **error) {
        cpu_set_t set;
        for (const xmlNode *one = xml_child(xml_child(root, "cputune"), name); one; one = xml_next(one, name)) {
                if (!read_set(one, attribute, &set, error))
                        return false;
                for (unsigned id = 0; id < CPU_SETSIZE; id++)
                        if (CPU_ISSET(id, &set) && !has(root, id))
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, one, "cannot find the %.*s %u of %s",
                                                (int) strlen(attribute) - 1, attribute, id, name);
        }
        return true;
}

/* A monitor of a cache watches processors that an allocation has, all of it or fewer. */
static bool check_cache_monitors(const xmlNode *root, GError **error) {
        const xmlNode *tune = xml_child(root, "cputune");
        cpu_set_t owned, watched, common;
        for (const xmlNode *one = xml_child(tune, "cachetune"); one; one = xml_next(one, "cachetune"))
                for (const xmlNode *monitor = xml_child(one, "monitor"); monitor; monitor = xml_next(monitor, "monitor")) {
                        if (!read_set(one, "vcpus", &owned, error) || !read_set(monitor, "vcpus", &watched, error))
                                return false;
                        CPU_AND(&common, &owned, &watched);
                        if (!CPU_EQUAL(&common, &watched))
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, monitor,
                                                "the monitor's vcpus conflict with the allocation: they are not all of its "
                                                "cachetune");
                }
        return true;
}

/* Companions, which have a master, share the number of a USB controller; others have their own. */
static bool check_usb_controllers(const xmlNode *root, GError **error) {
        g_autoptr(GHashTable) taken = g_hash_table_new(g_direct_hash, g_direct_equal);
        for (const xmlNode *one = xml_child(xml_child(root, "devices"), "controller"); one; one = xml_next(one, "controller")) {
                if (!xml_attribute_is(one, "type", "usb"))
                        continue;
                g_autofree char *model = xml_attribute(one, "model");
                bool is_companion = model && g_str_has_prefix(model, "ich9-uhci") && xml_child(one, "master");
                unsigned index = number_of(one, "index", 0);
                if (!is_companion && !g_hash_table_add(taken, GUINT_TO_POINTER(index)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, one,
                                        "duplicate USB controllers with index %u: only companions, which have a <master>, share "
                                        "one",
                                        index);
        }
        return true;
}

/* Ports of virtio-serial: a controller has those below the number that it is given. */
static bool check_ports(const xmlNode *root, GError **error) {
        const xmlNode *devices = xml_child(root, "devices");
        for (const xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL)) {
                const xmlNode *address = xml_child(device, "address");
                if (!xml_attribute_is(address, "type", "virtio-serial"))
                        continue;
                unsigned index = number_of(address, "controller", 0), port = number_of(address, "port", 0),
                         n_ports = PORTS_DEFAULT;
                for (const xmlNode *one = xml_child(devices, "controller"); one; one = xml_next(one, "controller"))
                        if (xml_attribute_is(one, "type", "virtio-serial") && number_of(one, "index", 0) == index)
                                n_ports = number_of(one, "ports", PORTS_DEFAULT);
                if (port >= n_ports)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address,
                                        "virtio serial controller %u does not have port %u: it has %u ports", index, port,
                                        n_ports);
        }
        return true;
}

bool check_sets(xmlNode *root, GError **error) {
        const xmlNode *tune = xml_child(root, "cputune");
        return check_host_processors(root, error) && check_schedules(root, "vcpusched", "vcpus", has_vcpu, error) &&
               check_schedules(root, "iothreadsched", "iothreads", has_io_thread, error) && check_cache_monitors(root, error) &&
               check_ports(root, error) && check_usb_controllers(root, error) && check_throttle_groups(root, error) &&
               check_host_devices(root, error) && check_numa(root, error) && check_memory_tuning(root, error) &&
               check_huge_pages(root, error) && check_disjoint(tune, "vcpusched", "vcpus", error) &&
               check_disjoint(tune, "iothreadsched", "iothreads", error) && check_disjoint(tune, "cachetune", "vcpus", error) &&
               check_disjoint(tune, "memorytune", "vcpus", error);
}
