/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/defaults.h"

#include <inttypes.h>
#include <string.h>

#include "base/xml.h"
#include "domain/definition.h"
#include "qemu/host/cpu-set.h"

/* Sizes of video memory that libvirt chooses, in KiB. */
#define VIDEO_MEMORY "16384"
#define QXL_MEMORY "65536"

/* More than any machine has: sums of sizes do not overflow. */
#define SIZE_BYTES_MAX (UINT64_C(1) << 62)

/* What libvirt writes for no limit, in KiB. */
#define MEMORY_UNLIMITED "9007199254740991"

/* NUMA cells that have distances; ACPI's distance of a cell from itself. */
#define CELLS_MAX 128
#define DISTANCE_SELF 10

/* Elements that say how threads are scheduled; a document with more keeps them as they are. */
#define SCHEDULES_MAX 64

static void set_default(xmlNode *element, const char *name, const char *value) {
        if (!xmlHasProp(element, (const xmlChar *) name))
                xml_set_attribute(element, name, value);
}

static void add_default(xmlNode *element, const char *name, const char *text) {
        if (!xml_child(element, name))
                xml_add(element, name, text);
}

static void remove_attribute(xmlNode *element, const char *name) {
        if (element)
                xmlUnsetProp(element, (const xmlChar *) name);
}

/* The machine */

/* A size with its unit, in bytes; false where it is not one, which is said elsewhere. */
static bool read_size(const char *text, const char *unit, uint64_t *bytes) {
        uint64_t factor = xml_unit(unit ? unit : "KiB"), number;
        g_autofree char *digits = text ? g_strstrip(g_strdup(text)) : NULL;
        if (!digits || factor == 0 || !g_ascii_string_to_unsigned(digits, 10, 0, SIZE_BYTES_MAX / factor, &number, NULL))
                return false;
        *bytes = number * factor;
        return true;
}

/* Sizes of memory are kept in KiB, as libvirt writes them. */
static char *format_kibibytes(uint64_t bytes) {
        return g_strdup_printf("%" PRIu64, bytes / 1024 + (bytes % 1024 > 0));
}

static void normalize_size(xmlNode *element) {
        g_autofree char *text = element ? xml_text(element) : NULL, *unit = xml_attribute(element, "unit");
        uint64_t bytes;
        if (read_size(text, unit, &bytes)) {
                g_autofree char *kibibytes = format_kibibytes(bytes);
                xmlNodeSetContent(element, (const xmlChar *) kibibytes);
                xml_set_attribute(element, "unit", "KiB");
        } else if (element)
                set_default(element, "unit", "KiB");
}

/* A limit of as much as the kernel can count is none. */
static void complete_limits(xmlNode *tune) {
        static const char *const limits[] = { "hard_limit", "soft_limit", "swap_hard_limit", "min_guarantee" };
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
                xmlNode *limit = xml_child(tune, limits[i]);
                normalize_size(limit);
                g_autofree char *text = limit ? xml_text(limit) : NULL;
                if (g_strcmp0(text, MEMORY_UNLIMITED) == 0)
                        xml_remove(limit);
        }
}

/* A cell of NUMA: its size stands in an attribute. */
static void complete_cell(xmlNode *cell) {
        g_autofree char *text = xml_attribute(cell, "memory"), *unit = xml_attribute(cell, "unit");
        uint64_t bytes;
        if (read_size(text, unit, &bytes)) {
                g_autofree char *kibibytes = format_kibibytes(bytes);
                xml_set_attribute(cell, "memory", kibibytes);
                xml_set_attribute(cell, "unit", "KiB");
        } else
                set_default(cell, "unit", "KiB");
}

static bool add_size(uint64_t *total, xmlNode *element, const char *text) {
        g_autofree char *unit = xml_attribute(element, "unit");
        uint64_t bytes;
        if (!read_size(text, unit, &bytes) || bytes > SIZE_BYTES_MAX - *total)
                return false;
        *total += bytes;
        return true;
}

/* What NUMA cells and modules have together; false where there are no cells, or one has no size, which is said elsewhere. */
static bool sum_cells(xmlNode *root, uint64_t *total) {
        xmlNode *cell = xml_child(xml_find(root, "cpu/numa"), "cell");
        bool is_known = cell != NULL;
        *total = 0;
        for (; cell && is_known; cell = xml_next(cell, "cell")) {
                g_autofree char *text = xml_attribute(cell, "memory");
                is_known = add_size(total, cell, text);
        }
        for (xmlNode *module = xml_child(xml_child(root, "devices"), "memory"); module && is_known;
             module = xml_next(module, "memory")) {
                xmlNode *size = xml_find(module, "target/size");
                g_autofree char *text = size ? xml_text(size) : NULL;
                is_known = add_size(total, size, text);
        }
        return is_known;
}

/* Where there are NUMA cells, memory is what they and the modules have, whatever is named. */
static xmlNode *sum_memory(xmlNode *root, xmlNode *memory) {
        xmlNode *name = xml_child(root, "name"), *uuid = xml_child(root, "uuid");
        g_autofree char *text = memory ? xml_text(memory) : NULL, *unit = xml_attribute(memory, "unit");
        uint64_t total, named;
        if (!name || !sum_cells(root, &total) || (memory && !read_size(text, unit, &named)))
                return memory;
        g_autofree char *kibibytes = format_kibibytes(total);
        if (!memory) {
                memory = xml_add(root, "memory", NULL);
                xmlAddNextSibling(uuid ? uuid : name, memory);
        }
        xmlNodeSetContent(memory, (const xmlChar *) kibibytes);
        xml_set_attribute(memory, "unit", "KiB");
        return memory;
}

/* Memory now: all of it where the document does not say, or says more. */
static void complete_memory(xmlNode *root, xmlNode *memory) {
        xmlNode *current = xml_child(root, "currentMemory");
        normalize_size(xml_child(root, "maxMemory"));
        normalize_size(memory);
        normalize_size(current);
        g_autofree char *size = xml_text(memory), *unit = xml_attribute(memory, "unit"),
                        *now = current ? xml_text(current) : NULL, *now_unit = xml_attribute(current, "unit");
        uint64_t all, bytes;
        if (!current) {
                current = xml_add(root, "currentMemory", size);
                xmlAddNextSibling(memory, current);
                xml_set_attribute(current, "unit", unit);
        } else if (read_size(size, unit, &all) && read_size(now, now_unit, &bytes) && (bytes > all || bytes == 0))
                xmlNodeSetContent(current, (const xmlChar *) size);
}

/* Where processors are named one by one, as many are there now as are on. */
static void complete_online(xmlNode *root, xmlNode *vcpu) {
        xmlNode *one = xml_child(xml_child(root, "vcpus"), "vcpu");
        unsigned n = 0;
        for (; one; one = xml_next(one, "vcpu"))
                n += xml_attribute_is(one, "enabled", "yes");
        if (n > 0 && !xmlHasProp(vcpu, (const xmlChar *) "current"))
                xml_set_number(vcpu, "current", n);
}

static void complete_resources(xmlNode *root) {
        xmlNode *memory = xml_child(root, "memory"), *vcpu = xml_child(root, "vcpu");
        memory = sum_memory(root, memory);
        complete_limits(xml_child(root, "memtune"));
        if (memory)
                complete_memory(root, memory);
        if (!vcpu)
                vcpu = xml_add(root, "vcpu", "1");
        set_default(vcpu, "placement", "static");
        complete_online(root, vcpu);
        g_autofree char *all = xml_text(vcpu), *now = xml_attribute(vcpu, "current");
        if (now && strcmp(all, now) == 0)
                remove_attribute(vcpu, "current");
}

/* Where numad places processors, it places memory too. */
static void complete_placement(xmlNode *root) {
        bool automatic = xml_attribute_is(xml_child(root, "vcpu"), "placement", "auto");
        xmlNode *memory = xml_find(root, "numatune/memory");
        if (!memory && automatic && !xml_child(root, "numatune")) {
                memory = xml_add(xml_add(root, "numatune", NULL), "memory", NULL);
                xml_set_attribute(memory, "placement", "auto");
        }
        if (!memory)
                return;
        if (automatic && !xmlHasProp(memory, (const xmlChar *) "nodeset"))
                set_default(memory, "placement", "auto");
        set_default(memory, "mode", "strict");
}

/* Limits of 0 are none. */
static void drop_zeros(xmlNode *root) {
        xmlNode *tune = xml_child(root, "cputune");
        for (xmlNode *limit = xml_child(tune, NULL), *next; tune && limit; limit = next) {
                const char *name = (const char *) limit->name;
                next = xml_next(limit, NULL);
                g_autofree char *text =
                                g_str_has_suffix(name, "period") || g_str_has_suffix(name, "quota") ? xml_text(limit) : NULL;
                if (text && strcmp(g_strstrip(text), "0") == 0)
                        xml_remove(limit);
        }
}

static bool drop_zero(xmlNode *element, const char *attribute) {
        bool is_zero = xml_attribute_is(element, attribute, "0");
        if (is_zero)
                remove_attribute(element, attribute);
        return is_zero;
}

static void drop_zero_bandwidth(xmlNode *bandwidth) {
        static const char *const limits[] = { "average", "peak", "burst", "floor" };
        for (xmlNode *way = bandwidth ? xml_child(bandwidth, NULL) : NULL, *next; way; way = next) {
                bool any = false;
                next = xml_next(way, NULL);
                for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
                        any |= drop_zero(way, limits[i]);
                if (any && !way->properties)
                        xml_remove(way);
        }
}

/* Sets are kept in the shortest form: numbers in their order, and ranges. */
static void normalize_set(xmlNode *element, const char *attribute) {
        g_autofree char *text = xml_attribute(element, attribute);
        cpu_set_t set;
        if (!text || !cpu_set_read(text, &set))
                return; /* what is wrong is said elsewhere */
        g_autoptr(GString) list = g_string_new(NULL);
        for (unsigned first = 0; first < CPU_SETSIZE; first++) {
                unsigned last = first;
                if (!CPU_ISSET(first, &set))
                        continue;
                while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set))
                        last++;
                g_string_append_printf(list, "%s%u", list->len > 0 ? "," : "", first);
                if (last > first)
                        g_string_append_printf(list, "-%u", last);
                first = last;
        }
        xml_set_attribute(element, attribute, list->str);
}

static void normalize_sets(xmlNode *root) {
        static const char *const places[][3] = {
                { "cputune", "vcpupin", "cpuset" },
                { "cputune", "emulatorpin", "cpuset" },
                { "cputune", "iothreadpin", "cpuset" },
                { "cpu/numa", "cell", "cpus" },
                { "numatune", "memory", "nodeset" },
                { "numatune", "memnode", "nodeset" },
                { "memoryBacking/hugepages", "page", "nodeset" },
        };
        if (xml_child(root, "vcpu"))
                normalize_set(xml_child(root, "vcpu"), "cpuset");
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
                for (xmlNode *one = xml_child(xml_find(root, places[i][0]), places[i][1]); one; one = xml_next(one, places[i][1]))
                        normalize_set(one, places[i][2]);
}

/* How threads are scheduled is kept for each of them, in the order of their numbers. */
static void split_schedules(xmlNode *tune, const char *name, const char *attribute) {
        g_autoptr(GPtrArray) found = g_ptr_array_new();
        cpu_set_t sets[SCHEDULES_MAX];
        for (xmlNode *one = xml_child(tune, name); one; one = xml_next(one, name)) {
                g_autofree char *list = xml_attribute(one, attribute);
                if (found->len == SCHEDULES_MAX || !list || !cpu_set_read(list, sets + found->len))
                        return; /* which is an error of its own */
                g_ptr_array_add(found, one);
        }
        for (unsigned id = 0; id < CPU_SETSIZE; id++)
                for (guint i = 0; i < found->len; i++)
                        if (CPU_ISSET(id, sets + i)) {
                                xmlNode *copy = xmlCopyNode(found->pdata[i], 1);
                                xml_set_number(copy, attribute, id);
                                xmlAddChild(tune, copy);
                        }
        for (guint i = 0; i < found->len; i++)
                xml_remove(found->pdata[i]);
}

/* I/O threads have the lowest numbers that are left by those that are named. */
static void complete_io_threads(xmlNode *root) {
        xmlNode *ids = xml_child(root, "iothreadids");
        g_autofree char *text = xml_text(xml_child(root, "iothreads"));
        unsigned n = text ? (unsigned) MIN(strtoul(text, NULL, 10), IO_THREADS_MAX) : 0, n_named = 0;
        g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (xmlNode *thread = xml_child(ids, "iothread"); thread; thread = xml_next(thread, "iothread"), n_named++)
                g_hash_table_add(taken, xml_attribute(thread, "id"));
        for (unsigned id = 1; ids && n_named < n; id++) {
                char *name = g_strdup_printf("%u", id);
                if (!g_hash_table_add(taken, name))
                        continue;
                xml_set_attribute(xml_add(ids, "iothread", NULL), "id", name);
                n_named++;
        }
}

static void drop_empty(xmlNode *root, const char *name) {
        xmlNode *element = xml_child(root, name);
        if (element && !element->children)
                xml_remove(element);
}

/* Each namespace has one element, the first; elements of none are nobody's. */
static void complete_metadata(xmlNode *metadata) {
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        for (xmlNode *own = metadata ? xml_child(metadata, NULL) : NULL, *next; own; own = next) {
                next = xml_next(own, NULL);
                if (!own->ns || !own->ns->href || g_hash_table_contains(seen, own->ns->href))
                        xml_remove(own);
                else
                        g_hash_table_add(seen, (char *) own->ns->href);
        }
}

static void complete_behaviour(xmlNode *root) {
        static const char *const on_by_name[] = { "hap", "vmport", "pmu", "pvspinlock", "smm", "vmcoreinfo" };
        static const char *const none_if_empty[] = { "kernel", "initrd", "cmdline", "dtb" }; /* as programs write them */
        xmlNode *os = xml_child(root, "os"), *loader = xml_child(os, "loader"), *hyperv = xml_find(root, "features/hyperv"),
                *menu = xml_child(os, "bootmenu");
        for (size_t i = 0; i < G_N_ELEMENTS(on_by_name); i++) {
                xmlNode *feature = xml_child(xml_child(root, "features"), on_by_name[i]);
                if (feature)
                        set_default(feature, "state", "on");
        }
        for (size_t i = 0; i < G_N_ELEMENTS(none_if_empty); i++) {
                xmlNode *element = xml_child(os, none_if_empty[i]);
                g_autofree char *text = element ? xml_text(element) : NULL;
                if (text && !*text)
                        xml_remove(element);
        }
        if (xml_attribute_is(menu, "enable", "no"))
                remove_attribute(menu, "timeout");
        if (loader && !xmlHasProp(os, (const xmlChar *) "firmware"))
                set_default(loader, "type", "rom");
        if (hyperv)
                set_default(hyperv, "mode", "custom");
        for (xmlNode *label = xml_child(root, "seclabel"); label; label = xml_next(label, "seclabel"))
                if (xml_attribute_is(label, "type", "none"))
                        set_default(label, "model", "none");
        complete_metadata(xml_child(root, "metadata"));
        drop_empty(root, "title");
        drop_empty(root, "description");
        add_default(root, "clock", NULL);
        set_default(xml_child(root, "clock"), "offset", "utc");
        add_default(root, "on_poweroff", "destroy");
        add_default(root, "on_reboot", "restart");
        add_default(root, "on_crash", "destroy");
}

/* Distances between cells hold both ways, and each cell's own is ACPI's. */
static void complete_distances(xmlNode *numa) {
        unsigned values[CELLS_MAX][CELLS_MAX] = { 0 }, n = 0;
        xmlNode *cells[CELLS_MAX] = { NULL };
        for (xmlNode *cell = xml_child(numa, "cell"); cell; cell = xml_next(cell, "cell")) {
                g_autofree char *id = xml_attribute(cell, "id");
                guint64 number = CELLS_MAX;
                if (!id || !g_ascii_string_to_unsigned(id, 10, 0, CELLS_MAX - 1, &number, NULL) || cells[number])
                        return;
                cells[number] = cell;
                n = MAX(n, (unsigned) number + 1);
        }
        bool any = false;
        for (unsigned i = 0; i < n; i++) {
                if (xml_child(cells[i], "distances") && !xml_find(cells[i], "distances/sibling"))
                        return;
                for (xmlNode *one = xml_child(xml_child(cells[i], "distances"), "sibling"); one; one = xml_next(one, "sibling")) {
                        g_autofree char *id = xml_attribute(one, "id"), *value = xml_attribute(one, "value");
                        guint64 other, distance;
                        if (!id || !value || !g_ascii_string_to_unsigned(id, 10, 0, CELLS_MAX - 1, &other, NULL) ||
                            !g_ascii_string_to_unsigned(value, 10, DISTANCE_SELF, UINT8_MAX, &distance, NULL))
                                return;
                        if (other >= n || (other == i && distance != DISTANCE_SELF))
                                return; /* wrong, which is said elsewhere */
                        values[i][other] = (unsigned) distance;
                        any = true;
                }
        }
        for (unsigned i = 0; any && i < n; i++) {
                if (!cells[i])
                        return;
                xmlNode *distances = NULL;
                bool is_told = false;
                for (unsigned k = 0; k < n; k++)
                        is_told |= values[i][k] || values[k][i];
                for (unsigned j = 0; j < n; j++) {
                        unsigned value = values[i][j] ? values[i][j] : values[j][i];
                        if (i == j && is_told)
                                value = DISTANCE_SELF;
                        if (value == 0)
                                continue;
                        if (!distances) {
                                if (xml_child(cells[i], "distances"))
                                        xml_remove(xml_child(cells[i], "distances"));
                                distances = xml_add(cells[i], "distances", NULL);
                        }
                        xmlNode *sibling = xml_add(distances, "sibling", NULL);
                        xml_set_number(sibling, "id", j);
                        xml_set_number(sibling, "value", value);
                }
        }
}

/* A processor of a model is compared with the host's where the host's runs it. */
static void complete_processor(xmlNode *root, const char *emulator) {
        xmlNode *cpu = xml_ensure_child(root, "cpu"), *model = xml_child(cpu, "model");
        bool kvm = xml_attribute_is(root, "type", "kvm");
        unsigned n = 0;
        if (!xmlHasProp(cpu, (const xmlChar *) "mode") && !model && !xml_child(cpu, "feature") && !xml_child(cpu, "vendor")) {
                model = xml_add(cpu, "model", g_str_has_suffix(emulator, "-i386") ? "qemu32" : "qemu64");
                xml_set_attribute(model, "fallback", "forbid");
                xml_set_attribute(cpu, "check", "none");
        }
        set_default(cpu, "mode", "custom");
        bool custom = xml_attribute_is(cpu, "mode", "custom");
        if (xml_attribute_is(cpu, "mode", "host-passthrough"))
                set_default(cpu, "migratable", "on");
        if (!custom)
                remove_attribute(cpu, "match");                           /* which is of a model that is named */
        if (model && xml_attribute_is(cpu, "mode", "host-passthrough")) { /* the host's, whatever is named */
                xml_remove(model);
                model = NULL;
        }
        if (model && xml_attribute_is(cpu, "mode", "host-model")) {
                remove_attribute(model, "fallback"); /* for a host whose model nobody knows, and then it is the host itself */
                if (!model->properties && !model->children)
                        xml_remove(model);
                model = xml_child(cpu, "model");
        }
        if (xml_child(cpu, "topology"))
                set_default(xml_child(cpu, "topology"), "dies", "1");
        if (custom)
                set_default(cpu, "match", "exact");
        if (custom && model)
                set_default(model, "fallback", "allow");
        set_default(cpu, "check", xml_attribute_is(cpu, "mode", "host-model") || (custom && kvm) ? "partial" : "none");
        for (xmlNode *cell = xml_child(xml_child(cpu, "numa"), "cell"); cell; cell = xml_next(cell, "cell"), n++) {
                if (!xmlHasProp(cell, (const xmlChar *) "id"))
                        xml_set_number(cell, "id", n);
                complete_cell(cell);
        }
        if (n > 0)
                complete_distances(xml_child(cpu, "numa"));
}

/* Devices */

/* A source on a network: ports and LUNs that its protocol has. */
static void complete_source(xmlNode *source) {
        static const char *const ports[][2] = {
                { "http", "80" },       { "https", "443" },     { "ftp", "21" },     { "ftps", "990" },
                { "tftp", "69" },       { "nbd", "10809" },     { "iscsi", "3260" }, { "ssh", "22" },
                { "sheepdog", "7000" }, { "gluster", "24007" }, { "vxhs", "9999" },
        };
        for (xmlNode *host = xml_child(source, "host"); host; host = xml_next(host, "host"))
                for (size_t i = 0; i < G_N_ELEMENTS(ports); i++)
                        if (xml_attribute_is(source, "protocol", ports[i][0]) && !xml_attribute_is(host, "transport", "unix"))
                                set_default(host, "port", ports[i][1]);
        g_autofree char *name = xml_attribute(source, "name");
        if (xml_attribute_is(source, "protocol", "iscsi") && name && !strchr(name, '/')) {
                g_autofree char *whole = g_strconcat(name, "/0", NULL);
                xml_set_attribute(source, "name", whole);
        }
}

static void complete_encryption(xmlNode *element) {
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                if (xml_is(child, "encryption"))
                        set_default(child, "engine", "qemu");
                complete_encryption(child);
        }
}

static bool is_kind_of_disk(const xmlNode *disk) {
        static const char *const kinds[] = { "file", "block", "dir", "network", "volume", "nvme", "vhostuser", NULL };
        g_autofree char *type = xml_attribute(disk, "type");
        return type && g_strv_contains(kinds, type);
}

/* A label of an image is given to it. */
static void complete_labels(xmlNode *source) {
        for (xmlNode *label = xml_child(source, "seclabel"); label; label = xml_next(label, "seclabel"))
                if (xml_child(label, "label"))
                        set_default(label, "relabel", "yes");
}

static void complete_disk(xmlNode *disk) {
        xmlNode *driver = xml_child(disk, "driver");
        if (xml_child(disk, "mirror")) /* of a run */
                xml_remove(xml_child(disk, "mirror"));
        set_default(disk, "type", "file");
        set_default(disk, "device", "disk");
        complete_encryption(disk);
        if (!xml_child(disk, "source") && is_kind_of_disk(disk) &&
            (xml_attribute_is(disk, "device", "cdrom") || xml_attribute_is(disk, "device", "floppy")))
                xml_set_attribute(disk, "type", "file"); /* an empty drive is of no other kind */
        for (xmlNode *image = disk; image; image = xml_child(image, "backingStore"))
                if (xml_child(image, "source")) {
                        complete_labels(xml_child(image, "source"));
                        complete_source(xml_child(image, "source"));
                }
        if (xml_attribute_is(disk, "type", "vhostuser"))
                set_default(disk, "snapshot", "no");
        if (!driver) {
                driver = xml_add(disk, "driver", NULL);
                if (disk->children != driver)
                        xmlAddPrevSibling(disk->children, driver);
        }
        if (xml_attribute_is(disk, "device", "cdrom"))
                add_default(disk, "readonly", NULL);
        set_default(driver, "name", "qemu");
        drop_zero(driver, "iothread");
        if (xml_attribute_is(driver, "cache", "default"))
                remove_attribute(driver, "cache");
        if (!xml_attribute_is(disk, "type", "volume")) /* a pool knows what its volumes are */
                set_default(driver, "type", "raw");
}

static void complete_pci_controller(xmlNode *controller) {
        static const char *const names[][2] = {
                { "pci-bridge", "pci-bridge" },
                { "dmi-to-pci-bridge", "i82801b11-bridge" },
                { "pcie-to-pci-bridge", "pcie-pci-bridge" },
                { "pcie-root-port", "pcie-root-port" },
                { "pcie-switch-upstream-port", "x3130-upstream" },
                { "pcie-switch-downstream-port", "xio3130-downstream" },
                { "pci-expander-bus", "pxb" },
                { "pcie-expander-bus", "pxb-pcie" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (xml_attribute_is(controller, "model", names[i][0]))
                        set_default(xml_ensure_child(controller, "model"), "name", names[i][1]);
}

/* The cards have memory of a power of two. */
static void round_up(xmlNode *model, const char *name) {
        g_autofree char *text = xml_attribute(model, name);
        guint64 size;
        if (text && g_ascii_string_to_unsigned(text, 10, 1, UINT32_MAX, &size, NULL) && (size & (size - 1)) != 0)
                xml_set_number(model, name, UINT64_C(1) << g_bit_storage((gulong) size - 1));
}

static void complete_video(xmlNode *video, bool first) {
        static const struct {
                const char *type, *attribute, *size;
        } sizes[] = {
                { "cirrus", "vram", VIDEO_MEMORY }, { "vga", "vram", VIDEO_MEMORY }, { "vmvga", "vram", VIDEO_MEMORY },
                { "bochs", "vram", VIDEO_MEMORY },  { "qxl", "ram", QXL_MEMORY },    { "qxl", "vram", QXL_MEMORY },
                { "qxl", "vgamem", VIDEO_MEMORY },
        };
        xmlNode *model = xml_child(video, "model");
        if (xml_attribute_is(model, "type", "none"))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
                if (xml_attribute_is(model, "type", sizes[i].type))
                        set_default(model, sizes[i].attribute, sizes[i].size);
        set_default(model, "heads", "1");
        round_up(model, "vram");
        round_up(model, "ram");
        if (first)
                set_default(model, "primary", "yes");
}

static void complete_videos(xmlNode *devices) {
        bool first = true;
        for (xmlNode *video = xml_child(devices, "video"); video; video = xml_next(video, "video"))
                first &= !xml_attribute_is(xml_child(video, "model"), "primary", "yes");
        for (xmlNode *video = xml_child(devices, "video"); video; video = xml_next(video, "video")) {
                complete_video(video, first);
                first = false;
        }
}

/* A port that is chosen at each start is not kept: VNC's is -1 then, SPICE's are left out. */
static void complete_ports(xmlNode *display, bool vnc) {
        bool any = xml_attribute_is(display, "port", "-1"), any_tls = xml_attribute_is(display, "tlsPort", "-1");
        if (vnc && any)
                set_default(display, "autoport", "yes");
        if (xml_attribute_is(display, "autoport", "yes")) {
                if (vnc)
                        xml_set_attribute(display, "port", "-1");
                else {
                        remove_attribute(display, "port");
                        remove_attribute(display, "tlsPort");
                }
                return;
        }
        if (any || any_tls)
                return;
        if (xmlHasProp(display, (const xmlChar *) "port") || xmlHasProp(display, (const xmlChar *) "tlsPort"))
                set_default(display, "autoport", "no");
}

/* Channels of any security are as those that are not named. */
static void complete_channels(xmlNode *display) {
        if (xml_attribute_is(display, "defaultMode", "any"))
                remove_attribute(display, "defaultMode");
        for (xmlNode *channel = xml_child(display, "channel"), *next; channel; channel = next) {
                next = xml_next(channel, "channel");
                if (xml_attribute_is(channel, "mode", "any"))
                        xml_remove(channel);
        }
}

/* Where a display listens: at its port, or nowhere where it has none. */
static void complete_display(xmlNode *display) {
        bool vnc = xml_attribute_is(display, "type", "vnc"), spice = xml_attribute_is(display, "type", "spice");
        g_autofree char *old = xml_attribute(display, "listen"), *socket = xml_attribute(display, "socket");
        bool has_port = xmlHasProp(display, (const xmlChar *) "port") || xmlHasProp(display, (const xmlChar *) "tlsPort") ||
                        xml_attribute_is(display, "autoport", "yes");
        xmlNode *listen = xml_child(display, "listen");
        if (xml_attribute_is(display, "type", "sdl") && xml_attribute_is(display, "fullscreen", "no"))
                remove_attribute(display, "fullscreen");
        if (!(vnc || spice))
                return;
        complete_ports(display, vnc);
        if (spice)
                complete_channels(display);
        if (spice && !has_port && xml_attribute_is(display, "autoport", "no"))
                remove_attribute(display, "autoport");
        if (listen) { /* as programs before there was <listen> read it */
                g_autofree char *address = xml_attribute(listen, "address"), *its_socket = xml_attribute(listen, "socket");
                if (address)
                        set_default(display, "listen", address);
                if (its_socket && vnc)
                        set_default(display, "socket", its_socket);
                return;
        }
        listen = xml_add(display, "listen", NULL);
        xml_set_attribute(listen, "type", socket ? "socket" : vnc || has_port || old ? "address" : "none");
        if (socket)
                xml_set_attribute(listen, "socket", socket);
        else if (old)
                xml_set_attribute(listen, "address", old);
        if (vnc && !socket && !has_port) {
                xml_set_attribute(display, "port", "-1");
                xml_set_attribute(display, "autoport", "yes");
        }
}

/* What a character device is connected to: a protocol on TCP, none on a socket of UNIX. */
static void complete_character(xmlNode *device) {
        xmlNode *source = xml_child(device, "source"), *protocol = xml_child(device, "protocol");
        if (xml_attribute_is(device, "type", "tcp")) {
                if (!protocol)
                        protocol = xml_add(device, "protocol", NULL);
                set_default(protocol, "type", "raw");
        } else if (xml_attribute_is(device, "type", "unix")) {
                if (protocol && !xml_next(protocol, "protocol"))
                        xml_remove(protocol);
                if (source && !xmlHasProp(source, (const xmlChar *) "path") && !xml_child(source, NULL) &&
                    !xml_next(source, "source"))
                        xml_remove(source);
        }
}

/* What a filter says of any device is not said. */
static void complete_filter(xmlNode *filter) {
        static const char *const names[] = { "class", "vendor", "product", "version" };
        for (xmlNode *device = xml_child(filter, "usbdev"); device; device = xml_next(device, "usbdev")) {
                g_autofree char *version = xml_attribute(device, "version");
                const char *point = version ? strchr(version, '.') : NULL;
                if (point && point[1] && !point[2]) { /* 1.1 is 1.10: USB counts in hundredths */
                        g_autofree char *whole = g_strconcat(version, "0", NULL);
                        xml_set_attribute(device, "version", whole);
                }
                for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                        if (xml_attribute_is(device, names[i], "-1"))
                                remove_attribute(device, names[i]);
        }
}

static bool is_character(const xmlNode *device) {
        static const char *const kinds[] = { "serial", "parallel", "console", "channel", "redirdev", "smartcard", NULL };
        return g_strv_contains(kinds, (const char *) device->name);
}

static void complete_port(xmlNode *port) {
        static const char *const models[][2] = { { "isa-serial", "isa-serial" },
                                                 { "usb-serial", "usb-serial" },
                                                 { "pci-serial", "pci-serial" },
                                                 { "isa-debug", "isa-debugcon" } };
        xmlNode *target = xml_ensure_child(port, "target");
        set_default(target, "type", "isa-serial");
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (xml_attribute_is(target, "type", models[i][0]))
                        set_default(xml_ensure_child(target, "model"), "name", models[i][1]);
}

/* Ports of one kind are numbered in their order, after those that have a number. */
static void number_ports(xmlNode *devices, const char *kind) {
        unsigned next = 0;
        for (int round = 0; round < 2; round++) /* first those that have one */
                for (xmlNode *port = xml_child(devices, kind); port; port = xml_next(port, kind)) {
                        xmlNode *target = xml_ensure_child(port, "target");
                        g_autofree char *text = xml_attribute(target, "port");
                        if (text && round == 0)
                                next = MAX(next, (unsigned) MIN(strtoul(text, NULL, 10), G_MAXINT) + 1);
                        else if (!text && round == 1)
                                xml_set_number(target, "port", next++);
                }
}

/* PCI addresses are kept whole. */
static void complete_address(xmlNode *address) {
        static const char *const parts[] = { "domain", "bus", "slot", "function" };
        static const char *const zeros[] = { "0x0000", "0x00", "0x00", "0x0" };
        bool any = false;
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                any |= xmlHasProp(address, (const xmlChar *) parts[i]) != NULL;
        for (size_t i = 0; any && i < G_N_ELEMENTS(parts); i++)
                set_default(address, parts[i], zeros[i]);
}

/* Open vSwitch and 802.1Qbg know a port by a UUID. */
static void complete_port_of_switch(xmlNode *port) {
        const char *name = xml_attribute_is(port, "type", "openvswitch") ? "interfaceid"
                           : xml_attribute_is(port, "type", "802.1Qbg")  ? "instanceid"
                                                                         : NULL;
        xmlNode *parameters = name ? xml_ensure_child(port, "parameters") : NULL;
        if (!parameters || xmlHasProp(parameters, (const xmlChar *) name))
                return;
        g_autofree char *uuid = g_uuid_string_random();
        xml_set_attribute(parameters, name, uuid);
}

/* Bandwidth and coalescing that are not limited. */
static void complete_interface(xmlNode *interface) {
        xmlNode *coalesce = xml_child(interface, "coalesce"), *frames = xml_find(interface, "coalesce/rx/frames");
        g_autofree char *max = xml_attribute(frames, "max");
        drop_zero_bandwidth(xml_child(interface, "bandwidth"));
        complete_port_of_switch(xml_child(interface, "virtualport"));
        if (xml_attribute_is(interface, "type", "network")) { /* where a run was */
                remove_attribute(xml_child(interface, "source"), "bridge");
                remove_attribute(xml_child(interface, "source"), "portid");
        }
        g_autofree char *address = xml_attribute(xml_child(interface, "mac"), "address");
        if (address) {
                g_autofree char *lower = g_ascii_strdown(address, -1);
                xml_set_attribute(xml_child(interface, "mac"), "address", lower);
        }
        if (coalesce && (!max || strcmp(max, "0") == 0))
                xml_remove(coalesce);
}

/* The first console is the first serial port, and where that is. */
static void complete_console(xmlNode *devices) {
        xmlNode *console = xml_child(devices, "console"), *target = xml_child(console, "target"),
                *port = xml_child(devices, "serial"), *address = xml_child(port, "address");
        bool serial = console &&
                      (!target || !xmlHasProp(target, (const xmlChar *) "type") || xml_attribute_is(target, "type", "serial"));
        if (serial && address && !xml_child(console, "address"))
                xmlAddChild(console, xmlCopyNode(address, 1));
}

static void complete_devices(xmlNode *devices) {
        for (xmlNode *device = xml_child(devices, NULL); device; device = xml_next(device, NULL)) {
                if (is_character(device))
                        complete_character(device);
                if (xml_is(device, "rng") && xml_attribute_is(xml_child(device, "backend"), "model", "egd"))
                        complete_character(xml_child(device, "backend"));
                if (xml_attribute_is(xml_child(device, "address"), "type", "pci"))
                        complete_address(xml_child(device, "address"));
                if (xml_is(device, "redirfilter"))
                        complete_filter(device);
                if (xml_is(device, "controller"))
                        drop_zero(xml_child(device, "driver"), "iothread");
                if (xml_is(device, "disk"))
                        complete_disk(device);
                else if (xml_is(device, "controller") && xml_attribute_is(device, "type", "pci"))
                        complete_pci_controller(device);
                else if (xml_is(device, "graphics"))
                        complete_display(device);
                else if (xml_is(device, "serial"))
                        complete_port(device);
                else if (xml_is(device, "filesystem")) {
                        if (!xml_attribute_is(xml_child(device, "driver"), "type", "virtiofs"))
                                set_default(device, "accessmode", "passthrough");
                } else if (xml_is(device, "interface"))
                        complete_interface(device);
                else if (xml_is(device, "tpm")) {
                        set_default(device, "model", "tpm-tis");
                        if (xml_attribute_is(xml_child(device, "backend"), "type", "emulator"))
                                set_default(xml_child(device, "backend"), "version", "1.2");
                } else if (xml_is(device, "panic"))
                        set_default(device, "model", "isa");
                else if (xml_is(device, "shmem") && xml_child(device, "server"))
                        set_default(xml_ensure_child(device, "msi"), "ioeventfd", "on");
                else if (xml_is(device, "watchdog"))
                        set_default(device, "action", "reset");
                else if (xml_is(device, "vsock"))
                        set_default(device, "model", "virtio");
                else if (xml_is(device, "hostdev")) {
                        set_default(device, "managed", "no");
                        if (xml_attribute_is(device, "type", "mdev") && xml_attribute_is(device, "model", "vfio-pci"))
                                set_default(device, "display", "off");
                        if (xml_child(device, "source"))
                                complete_source(xml_child(device, "source"));
                }
        }
        complete_videos(devices);
        complete_console(devices);
        number_ports(devices, "serial");
        number_ports(devices, "console");
        number_ports(devices, "parallel");
}

void defaults_complete(xmlNode *root, const char *emulator) {
        xmlNode *devices = xml_child(root, "devices");
        complete_resources(root);
        complete_placement(root);
        normalize_sets(root);
        split_schedules(xml_child(root, "cputune"), "vcpusched", "vcpus");
        split_schedules(xml_child(root, "cputune"), "iothreadsched", "iothreads");
        complete_io_threads(root);
        drop_zeros(root);
        complete_behaviour(root);
        complete_processor(root, emulator);
        complete_devices(devices);
        if (!xml_child(devices, "emulator")) {
                xmlNode *element = xml_add(devices, "emulator", emulator);
                if (devices->children != element)
                        xmlAddPrevSibling(devices->children, element);
        }
}
