/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-machine.h"

#include <string.h>

static void add_timer(NativeReader *reader, const char *name, const char *attribute, const char *value) {
        xmlNode *timer = xml_add(xml_ensure_child(reader->root, "clock"), "timer", NULL);
        native_set(timer, "name", name);
        native_set(timer, attribute, value);
}

void native_machine_no_hpet(NativeReader *reader, const char *text) {
        (void) text;
        add_timer(reader, "hpet", "present", "no");
}

/* Memory that is an object of its own: what it is, and who shares it; its size in bytes. */
static uint64_t read_backing(NativeReader *reader, NativeBackend *backend, const char *option) {
        g_autofree char *type = native_take(backend->properties, "qom-type"), *share = native_take(backend->properties, "share"),
                        *path = native_take(backend->properties, "mem-path"), *size = native_take(backend->properties, "size"),
                        *hugetlb = native_take(backend->properties, "hugetlb"),
                        *allocated = native_take(backend->properties, "prealloc");
        bool is_memfd = g_strcmp0(type, "memory-backend-memfd") == 0, is_file = g_strcmp0(type, "memory-backend-file") == 0;
        if (!is_memfd && !is_file && g_strcmp0(type, "memory-backend-ram") != 0)
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "%s: memory of the kind '%.64s' has no counterpart here", option,
                            type ? type : "");
        if (path)
                native_machine_memory_path(reader, path);
        if (is_memfd)
                native_set(xml_ensure_child(xml_ensure_child(reader->root, "memoryBacking"), "source"), "type", "memfd");
        if (native_is_on(share))
                native_set(xml_ensure_child(xml_ensure_child(reader->root, "memoryBacking"), "access"), "mode", "shared");
        if (native_is_on(hugetlb))
                xml_ensure_child(xml_ensure_child(reader->root, "memoryBacking"), "hugepages");
        if (native_is_on(allocated))
                native_machine_preallocate(reader, NULL);
        native_drop(backend->properties, "x-use-canonical-path-for-ramblock-id dump merge");
        native_check_empty(reader, backend->properties, "-object");
        return size ? native_parse_size(reader, size, 1) : 0;
}

/* Firmware that is a block node: "pflash0=NODE". */
static void read_flash(NativeReader *reader, const char *id, const char *element) {
        NativeBackend *node = native_find_backend(reader, "block", id),
                      *storage = node ? native_find_backend(reader, "block", g_hash_table_lookup(node->properties, "file"))
                                      : NULL;
        const char *path = storage ? g_hash_table_lookup(storage->properties, "filename") : NULL;
        if (!path) {
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-machine: there is no -blockdev '%.64s' of a file", id);
                return;
        }
        xmlNode *file = xml_add(reader->os, element, path);
        if (strcmp(element, "loader") == 0) {
                native_set(file, "readonly", "yes");
                native_set(file, "type", "pflash");
        }
}

void native_machine_option(NativeReader *reader, const char *text) {
        static const char *const switches[][3] = { { "smm", "smm", "state" },
                                                   { "vmport", "vmport", "state" },
                                                   { "gic-version", "gic", "version" } };
        g_autoptr(GHashTable) properties = native_parse(reader, text, "type");
        g_autofree char *type = native_take(properties, "type"), *accelerator = native_take(properties, "accel"),
                        *acpi = native_take(properties, "acpi"), *usb = native_take(properties, "usb"),
                        *memory = native_take(properties, "memory-backend"), *hpet = native_take(properties, "hpet"),
                        *irqchip = native_take(properties, "kernel_irqchip"), *merge = native_take(properties, "mem-merge"),
                        *code = native_take(properties, "pflash0"), *variables = native_take(properties, "pflash1");
        NativeBackend *backend = memory ? native_find_backend(reader, "object", memory) : NULL;
        if (memory && !backend)
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-machine: there is no -object '%.64s'", memory);
        if (backend)
                read_backing(reader, backend, "-machine");
        char *plus = type ? strchr(type, '+') : NULL;
        if (plus)
                *plus = '\0'; /* "pc+pve0": Proxmox's own, which says nothing of the machine */
        reader->usb |= native_is_on(usb);
        native_set(xml_ensure_child(reader->os, "type"), "machine", type);
        reader->kvm |= accelerator && g_str_has_prefix(accelerator, "kvm");
        if (acpi)
                reader->acpi = native_is_on(acpi);
        for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
                g_autofree char *value = native_take(properties, switches[i][0]);
                if (value)
                        native_set(xml_ensure_child(reader->features, switches[i][1]), switches[i][2], value);
        }
        if (hpet)
                add_timer(reader, "hpet", "present", native_yes(hpet));
        if (irqchip)
                native_set(xml_ensure_child(reader->features, "ioapic"), "driver", native_is_on(irqchip) ? "kvm" : "qemu");
        if (merge && !native_is_on(merge))
                xml_ensure_child(xml_ensure_child(reader->root, "memoryBacking"), "nosharepages");
        if (code)
                read_flash(reader, code, "loader");
        if (variables)
                read_flash(reader, variables, "nvram");
        native_drop(properties, "dump-guest-core graphics suppress-vmdesc hmat");
        native_check_empty(reader, properties, "-machine");
}

void native_machine_memory(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "size");
        g_autofree char *size = native_take(properties, "size"), *max = native_take(properties, "maxmem"),
                        *slots = native_take(properties, "slots");
        reader->memory_bytes = native_parse_size(reader, size ? size : "128", NATIVE_MIB);
        g_autofree char *kib = g_strdup_printf("%" PRIu64, reader->memory_bytes / 1024);
        xmlNode *memory = xml_ensure_child(reader->root, "memory");
        xmlNodeSetContent(memory, (const xmlChar *) kib);
        native_set(memory, "unit", "KiB");
        if (max) {
                g_autofree char *most = g_strdup_printf("%" PRIu64, native_parse_size(reader, max, NATIVE_MIB) / 1024);
                xmlNode *element = xml_add(reader->root, "maxMemory", most);
                native_set(element, "unit", "KiB");
                native_set(element, "slots", slots);
        }
        native_check_empty(reader, properties, "-m");
}

void native_machine_memory_path(NativeReader *reader, const char *text) {
        xmlNode *backing = xml_ensure_child(reader->root, "memoryBacking");
        if (strstr(text, "huge"))
                xml_ensure_child(backing, "hugepages");
        else if (strcmp(text, "/dev/shm") == 0)
                native_set(xml_ensure_child(backing, "source"), "type", "memfd"); /* the same memory, without a name */
        else
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "memory in '%.128s' has no counterpart here; use huge pages, or memory-backend-memfd", text);
}

void native_machine_preallocate(NativeReader *reader, const char *text) {
        (void) text;
        native_set(xml_ensure_child(xml_ensure_child(reader->root, "memoryBacking"), "allocation"), "mode", "immediate");
}

/* How many there are of what, as QEMU completes it: sockets follow from the cores where these are said, and otherwise cores
 * from the sockets. */
void native_machine_processors(NativeReader *reader, const char *text) {
        enum { SOCKETS, DIES, CORES, THREADS, N_LEVELS };
        static const char *const names[] = { "sockets", "dies", "cores", "threads" };
        g_autoptr(GHashTable) properties = native_parse(reader, text, "cpus");
        uint64_t numbers[N_LEVELS] = { 0 }, counts[2] = { 0 }, product = 1;
        bool any = false;
        for (size_t i = 0; i < N_LEVELS + 2; i++) {
                g_autofree char *value = native_take(properties, i < N_LEVELS ? names[i] : i == N_LEVELS ? "cpus" : "maxcpus");
                uint64_t *number = i < N_LEVELS ? &numbers[i] : &counts[i - N_LEVELS];
                if (value && !g_ascii_string_to_unsigned(value, 10, 1, UINT16_MAX, number, NULL))
                        native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-smp: '%.32s' is not a number of processors", value);
                any |= value && i < N_LEVELS;
        }
        for (size_t i = 0; i < N_LEVELS; i++)
                product *= MAX(numbers[i], 1);
        uint64_t all = counts[1]   ? counts[1]
                       : counts[0] ? counts[0]
                                   : product,
                 rest = product > 0 && all > product ? all / product : 1;
        size_t open = numbers[CORES] == 0 ? CORES : numbers[SOCKETS] == 0 ? SOCKETS : numbers[THREADS] == 0 ? THREADS : N_LEVELS;
        if (open < N_LEVELS)
                numbers[open] = rest;
        xmlNode *vcpu = xml_ensure_child(reader->root, "vcpu");
        g_autofree char *number = g_strdup_printf("%" PRIu64, all);
        xmlNodeSetContent(vcpu, (const xmlChar *) number);
        reader->n_processors = all;
        if (counts[0] && counts[0] < all)
                xml_set_number(vcpu, "current", (int64_t) counts[0]);
        if (any) {
                xmlNode *topology = xml_ensure_child(reader->cpu, "topology");
                for (size_t i = 0; i < N_LEVELS; i++)
                        xml_set_number(topology, names[i], (int64_t) MAX(numbers[i], 1));
        }
        native_check_empty(reader, properties, "-smp");
}

/* "node,nodeid=0,cpus=0-3,memdev=ID" or with mem=2G; "dist,src=0,dst=1,val=20". Where one node says no more, it has all. */
void native_machine_node(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "kind");
        g_autofree char *kind = native_take(properties, "kind"), *id = native_take(properties, "nodeid"),
                        *cpus = native_take(properties, "cpus"), *memory = native_take(properties, "mem"),
                        *device = native_take(properties, "memdev");
        if (g_strcmp0(kind, "node") != 0) {
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-numa: '%.32s' has no counterpart here; only nodes have",
                            kind ? kind : "");
                return;
        }
        xmlNode *numa = xml_ensure_child(reader->cpu, "numa");
        bool first = !numa->children;
        xmlNode *cell = xml_add(numa, "cell", NULL);
        NativeBackend *backend = device ? native_find_backend(reader, "object", device) : NULL;
        uint64_t size = backend  ? read_backing(reader, backend, "-numa")
                        : memory ? native_parse_size(reader, memory, NATIVE_MIB)
                                 : 0;
        if (device && !backend)
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-numa: there is no -object '%.64s'", device);
        g_autofree char *all = reader->n_processors > 1 ? g_strdup_printf("0-%" PRIu64, reader->n_processors - 1) : g_strdup("0");
        if (cpus)
                g_strdelimit(cpus, "\n", ',');
        native_set(cell, "id", id);
        native_set(cell, "cpus", cpus ? cpus : first ? all : NULL);
        xml_set_number(cell, "memory", (int64_t) ((size ? size : reader->memory_bytes) / 1024));
        native_set(cell, "unit", "KiB");
        native_check_empty(reader, properties, "-numa");
}

void native_machine_generation(NativeReader *reader, GHashTable *device, const char *driver) {
        (void) driver;
        g_autofree char *id = native_take(device, "guid");
        xml_add(reader->root, "genid", g_strcmp0(id, "auto") == 0 ? NULL : id);
}

void native_machine_iommu(NativeReader *reader, GHashTable *device, const char *driver) {
        static const char *const switches[][2] = { { "intremap", "intremap" },
                                                   { "caching-mode", "caching_mode" },
                                                   { "eim", "eim" },
                                                   { "device-iotlb", "iotlb" },
                                                   { "aw-bits", "aw_bits" } };
        (void) driver;
        xmlNode *element = xml_add(reader->devices, "iommu", NULL);
        native_set(element, "model", "intel");
        for (size_t i = 0; i < G_N_ELEMENTS(switches); i++)
                native_move_below(device, switches[i][0], element, "driver", switches[i][1]);
}
