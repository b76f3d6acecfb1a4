/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/defaults.h"

#include <string.h>

#include "domain/definition.h"
#include "qemu/complete/default.h"
#include "qemu/complete/defaults-device.h"
#include "qemu/complete/defaults-memory.h"
#include "qemu/host/cpu-set.h"

/* Elements that say how threads are scheduled; a document with more keeps them as they are. */
#define SCHEDULES_MAX 64

static unsigned number_of(xmlNode *element) {
        g_autofree char *text = element ? xml_text(element) : NULL;
        return text ? (unsigned) MIN(strtoul(text, NULL, 10), G_MAXINT) : 0;
}

/* Two children of one element change places; what stands between them stays. */
static void swap(xmlNode *one, xmlNode *other) {
        xmlNode *place = xmlNewDocNode(one->doc, NULL, (const xmlChar *) "place", NULL);
        xmlReplaceNode(one, place);
        xmlReplaceNode(other, one);
        xmlReplaceNode(place, other);
        xmlFreeNode(place);
}

/* Where processors are named one by one, those that are not are off; as many are there now as are on. Those that are on and the
 * first one stay, unless they say otherwise. */
static void complete_online(xmlNode *root, xmlNode *vcpu) {
        xmlNode *vcpus = xml_child(root, "vcpus"), *named[CPU_SETSIZE] = { NULL };
        unsigned n = MIN(number_of(vcpu), G_N_ELEMENTS(named)), n_on = 0;
        if (!xml_child(vcpus, "vcpu"))
                return;
        for (xmlNode *one = xml_child(vcpus, "vcpu"); one; one = xml_next(one, "vcpu")) {
                g_autofree char *id = xml_attribute(one, "id");
                unsigned long number = id ? strtoul(id, NULL, 10) : ULONG_MAX;
                if (number >= n || named[number])
                        return; /* which is an error of its own */
                named[number] = one;
                n_on += xml_attribute_is(one, "enabled", "yes");
        }
        for (unsigned i = 0; i < n; i++) {
                xmlNode *one = named[i] ? named[i] : xml_add(vcpus, "vcpu", NULL);
                if (!named[i])
                        xml_set_number(one, "id", i);
                default_set(one, "enabled", "no");
                default_set(one, "hotpluggable", xml_attribute_is(one, "enabled", "yes") ? "no" : "yes");
                named[i] = one;
        }
        /* In the order of their numbers. */
        xmlNode *place = xml_child(vcpus, "vcpu");
        for (unsigned i = 0; i < n; i++) {
                if (place != named[i])
                        swap(place, named[i]);
                place = xml_next(named[i], "vcpu");
        }
        if (n_on > 0)
                xml_set_number(vcpu, "current", n_on);
}

static void complete_resources(xmlNode *root) {
        xmlNode *vcpu = xml_child(root, "vcpu");
        defaults_memory_complete(root);
        if (!vcpu)
                vcpu = xml_add(root, "vcpu", "1");
        /* Where numad places memory it places processors, too, unless somebody has said where they run. */
        if (xml_attribute_is(xml_find(root, "numatune/memory"), "placement", "auto") &&
            !xmlHasProp(vcpu, (const xmlChar *) "cpuset") && !xml_find(root, "cputune/vcpupin") &&
            !xml_find(root, "cputune/emulatorpin") && !xml_find(root, "cputune/iothreadpin"))
                xml_set_attribute(vcpu, "placement", "auto");
        default_set(vcpu, "placement", "static");
        complete_online(root, vcpu);
        g_autofree char *all = xml_text(vcpu), *now = xml_attribute(vcpu, "current");
        if (now && strcmp(all, now) == 0)
                default_remove(vcpu, "current");
        if (xml_attribute_is(vcpu, "placement", "auto"))
                default_remove(vcpu, "cpuset"); /* which numad chooses */
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
                default_set(memory, "placement", "auto");
        default_remove(memory, xml_attribute_is(memory, "placement", "auto") ? "nodeset" : "placement");
        default_set(memory, "mode", "strict");
}

static void drop_zero_limits(xmlNode *parent, const char *but) {
        for (xmlNode *limit = xml_child(parent, NULL), *next; parent && limit; limit = next) {
                next = xml_next(limit, NULL);
                g_autofree char *text = xml_is(limit, but) ? NULL : xml_text(limit);
                if (text && strcmp(g_strstrip(text), "0") == 0)
                        xml_remove(limit);
        }
}

/* The limits of the host's devices: those that have none are not named. */
static void drop_zero_block_limits(xmlNode *tune) {
        drop_zero_limits(tune, "device");
        for (xmlNode *device = tune ? xml_child(tune, "device") : NULL, *next; device; device = next) {
                next = xml_next(device, "device");
                drop_zero_limits(device, "path");
                if (xml_child(device, "path") && !xml_next(xml_child(device, NULL), NULL))
                        xml_remove(device);
        }
}

/* Limits of 0 are none. */
static void drop_zeros(xmlNode *root) {
        drop_zero_block_limits(xml_child(root, "blkiotune"));
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

/* Entries of SMBIOS without a text, and tables without an entry, say nothing. */
static void drop_empty_tables(xmlNode *info) {
        for (xmlNode *table = xml_child(info, NULL), *next; table; table = next) {
                next = xml_next(table, NULL);
                for (xmlNode *entry = xml_child(table, "entry"), *after; entry; entry = after) {
                        after = xml_next(entry, "entry");
                        g_autofree char *text = xml_text(entry);
                        if (!*text && !xml_is(table, "oemStrings"))
                                xml_remove(entry);
                }
                if (!xml_child(table, NULL))
                        xml_remove(table);
        }
}

/* A clock that is adjusted is a variable one, from the base that it is told; what is of clocks of other kinds says nothing. */
static void complete_clock(xmlNode *clock) {
        static const char *const kinds[][3] = {
                { "utc", "adjustment", NULL }, { "localtime", "adjustment", NULL },   { "timezone", "timezone", NULL },
                { "absolute", "start", NULL }, { "variable", "adjustment", "basis" },
        };
        static const char *const names[] = { "adjustment", "basis" };
        g_autofree char *offset = NULL, *adjustment = xml_attribute(clock, "adjustment");
        default_set(clock, "offset", "utc");
        offset = xml_attribute(clock, "offset");
        if (adjustment && strcmp(adjustment, "reset") != 0 && (strcmp(offset, "utc") == 0 || strcmp(offset, "localtime") == 0)) {
                xml_set_attribute(clock, "basis", offset);
                xml_set_attribute(clock, "offset", "variable");
        } else if (strcmp(offset, "variable") == 0) {
                default_set(clock, "adjustment", "0");
                default_set(clock, "basis", "utc");
        }
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                for (size_t k = 0; xml_attribute_is(clock, "offset", kinds[i][0]) && k < G_N_ELEMENTS(names); k++)
                        if (strcmp(names[k], kinds[i][1]) != 0 && g_strcmp0(names[k], kinds[i][2]) != 0)
                                default_remove(clock, names[k]);
}

/* Processors that are in no cell are in cell 0. */
static void fill_cells(xmlNode *root) {
        xmlNode *first = xml_find(root, "cpu/numa/cell"), *zero = first;
        g_autofree char *count = xml_child(root, "vcpu") ? xml_text(xml_child(root, "vcpu")) : NULL;
        cpu_set_t all, set;
        guint64 n = 1;
        CPU_ZERO(&all);
        if (!first || (count && !g_ascii_string_to_unsigned(g_strstrip(count), 10, 1, CPU_SETSIZE, &n, NULL)))
                return;
        for (xmlNode *cell = first; cell; cell = xml_next(cell, "cell")) {
                if (xml_attribute_is(cell, "id", "0"))
                        zero = cell;
                g_autofree char *cpus = xml_attribute(cell, "cpus");
                if (cpus && !cpu_set_read(cpus, &set))
                        return; /* which is said elsewhere */
                if (cpus)
                        CPU_OR(&all, &all, &set);
        }
        g_autofree char *given = xml_attribute(zero, "cpus");
        g_autoptr(GString) list = g_string_new(given);
        for (unsigned i = 0; i < n; i++)
                if (!CPU_ISSET(i, &all))
                        g_string_append_printf(list, "%s%u", list->len > 0 ? "," : "", i);
        if (list->len > 0)
                xml_set_attribute(zero, "cpus", list->str);
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

static void set_count(xmlNode *root, const char *name, unsigned n) {
        g_autofree char *text = g_strdup_printf("%u", n);
        xmlNodeSetContent(xml_ensure_child(root, name), (const xmlChar *) text);
}

/* I/O threads have the lowest numbers that are left by those that are named. */
static void complete_io_threads(xmlNode *root) {
        xmlNode *ids = xml_child(root, "iothreadids");
        g_autofree char *text = xml_text(xml_child(root, "iothreads"));
        unsigned n = text ? (unsigned) MIN(strtoul(text, NULL, 10), IO_THREADS_MAX) : 0, n_named = 0;
        g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (xmlNode *thread = xml_child(ids, "iothread"); thread; thread = xml_next(thread, "iothread"), n_named++) {
                char *id = xml_attribute(thread, "id");
                if (id) /* one without is refused later */
                        g_hash_table_add(taken, id);
        }
        for (unsigned id = 1; ids && n_named < n; id++) {
                char *name = g_strdup_printf("%u", id);
                if (!g_hash_table_add(taken, name))
                        continue;
                xml_set_attribute(xml_add(ids, "iothread", NULL), "id", name);
                n_named++;
        }
        if (n_named > n)
                set_count(root, "iothreads", n_named);
        else if (text && n == 0)
                xml_remove(xml_child(root, "iothreads"));
}

/* Drops an element that has no attribute and nothing in it but spaces. */
static void drop_empty(xmlNode *parent, const char *name) {
        xmlNode *element = parent ? xml_child(parent, name) : NULL;
        g_autofree char *text = element && !element->properties && !xml_child(element, NULL) ? xml_text(element) : NULL;
        if (text && !*g_strstrip(text))
                xml_remove(element);
}

/* Elements in which nothing is said. */
static void drop_what_is_empty(xmlNode *root) {
        static const char *const names[] = { "cputune", "memtune", "blkiotune", "numatune",    "memoryBacking", "iothreadids",
                                             "pm",      "perf",    "title",     "description", "features" };
        static const char *const states[] = { "suspend-to-mem", "suspend-to-disk" };
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
                drop_empty(xml_child(root, "pm"), states[i]);
        drop_empty(xml_child(root, "memoryBacking"), "allocation");
        for (xmlNode *page = xml_child(xml_find(root, "memoryBacking/hugepages"), "page"); page; page = xml_next(page, "page"))
                if (!xml_find(root, "cpu/numa/cell") && xml_attribute_is(page, "nodeset", "0"))
                        default_remove(page, "nodeset"); /* the only one that there is */
        drop_empty(xml_child(root, "features"), "ioapic");
        drop_empty(xml_child(root, "features"), "tcg");
        defaults_memory_normalize_size(xml_find(root, "features/tcg/tb-cache"));
        static const char *const of_boot[] = { "smbios", "bios", "bootmenu" };
        for (size_t i = 0; i < G_N_ELEMENTS(of_boot); i++)
                drop_empty(xml_child(root, "os"), of_boot[i]);
        if (xmlHasProp(xml_child(root, "os"), (const xmlChar *) "firmware")) /* else a loader without its file is a mistake */
                drop_empty(xml_child(root, "os"), "loader");
        static const char *const of_devices[] = { "driver", "rom", "acpi", "stats", "serial" };
        xmlNode *devices = xml_child(root, "devices");
        for (xmlNode *device = devices ? xml_child(devices, NULL) : NULL; device; device = xml_next(device, NULL))
                for (size_t i = 0; i < G_N_ELEMENTS(of_devices); i++)
                        drop_empty(device, of_devices[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                drop_empty(root, names[i]);
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

/* A label that the driver chooses is given to the guest's files; one that is named, where it says so. */
static void complete_label(xmlNode *label) {
        if (!xmlHasProp(label, (const xmlChar *) "type") && !xml_child(label, NULL))
                xml_remove(label); /* as if it were not there */
        else if (xml_attribute_is(label, "type", "none"))
                default_set(label, "model", "none");
        else
                default_set(label, "relabel", xml_attribute_is(label, "type", "static") ? "no" : "yes");
}

/* The number that a guest sees of the generation that it is: chosen where the document leaves it open. */
static void complete_generation(xmlNode *genid) {
        if (!genid || genid->children)
                return;
        g_autofree char *uuid = g_uuid_string_random();
        xmlNodeSetContent(genid, (const xmlChar *) uuid);
}

static void complete_behaviour(xmlNode *root) {
        static const char *const on_by_name[] = { "hap", "vmport", "pmu", "pvspinlock", "smm", "vmcoreinfo" };
        static const char *const stateless[] = { "apic", "pae" };                            /* which are on where they stand */
        static const char *const none_if_empty[] = { "kernel", "initrd", "cmdline", "dtb" }; /* as programs write them */
        xmlNode *os = xml_child(root, "os"), *loader = xml_child(os, "loader"), *hyperv = xml_find(root, "features/hyperv"),
                *menu = xml_child(os, "bootmenu");
        for (size_t i = 0; i < G_N_ELEMENTS(on_by_name); i++) {
                xmlNode *feature = xml_child(xml_child(root, "features"), on_by_name[i]);
                if (feature)
                        default_set(feature, "state", "on");
        }
        for (size_t i = 0; i < G_N_ELEMENTS(stateless); i++)
                default_remove(xml_child(xml_child(root, "features"), stateless[i]), "state");
        for (size_t i = 0; i < G_N_ELEMENTS(none_if_empty); i++) {
                xmlNode *element = xml_child(os, none_if_empty[i]);
                g_autofree char *text = element ? xml_text(element) : NULL;
                if (text && !*text)
                        xml_remove(element);
        }
        if (xml_attribute_is(menu, "enable", "no"))
                default_remove(menu, "timeout");
        if (loader && !xmlHasProp(os, (const xmlChar *) "firmware"))
                default_set(loader, "type", "rom");
        if (hyperv)
                default_set(hyperv, "mode", "custom");
        for (xmlNode *label = xml_child(root, "seclabel"), *next; label; label = next) {
                next = xml_next(label, "seclabel");
                complete_label(label);
        }
        for (xmlNode *info = xml_child(root, "sysinfo"); info; info = xml_next(info, "sysinfo"))
                if (xml_attribute_is(info, "type", "smbios"))
                        drop_empty_tables(info);
        complete_metadata(xml_child(root, "metadata"));
        complete_generation(xml_child(root, "genid"));
        drop_what_is_empty(root);
        default_add(root, "clock", NULL);
        complete_clock(xml_child(root, "clock"));
        default_add(root, "on_poweroff", "destroy");
        default_add(root, "on_reboot", "restart");
        default_add(root, "on_crash", "destroy");
}

static bool has_text(xmlNode *element) {
        g_autofree char *text = xml_text(element);
        return *g_strstrip(text);
}

static void drop_child(xmlNode *parent, const char *name) {
        xmlNode *child = xml_child(parent, name);
        if (child)
                xml_remove(child);
}

/* Which interrupt controller a machine has: the older one is what emulation does well. */
static void complete_interrupts(xmlNode *root, const MachineKind *kind) {
        if (strcmp(kind->name, "virt") != 0 || !kind->has_acpi)
                return;
        xmlNode *gic = xml_ensure_child(xml_ensure_child(root, "features"), "gic");
        default_set(gic, "version", xml_attribute_is(root, "type", "kvm") ? "host" : "2");
}

/* A processor of a model is compared with the host's where the host's runs it. */
static void complete_processor(xmlNode *root, const MachineKind *kind, const char *emulator) {
        bool kvm = xml_attribute_is(root, "type", "kvm");
        if (!xml_child(root, "cpu") && (!kind->processor || (kvm && !kind->is_x86 && !kind->panic)))
                return; /* QEMU knows what the board has, or KVM */
        bool is_host = !xml_child(root, "cpu") && kvm && !kind->is_x86;
        xmlNode *cpu = xml_ensure_child(root, "cpu"), *model = xml_child(cpu, "model");
        g_autofree char *machine = xml_attribute(xml_find(root, "os/type"), "machine");
        if (is_host) /* such a host runs no other */
                xml_set_attribute(cpu, "mode", kind->virtio == VIRTIO_ON_CCW ? "host-model" : "host-passthrough");
        bool is_named = xmlHasProp(cpu, (const xmlChar *) "mode") && !xml_attribute_is(cpu, "mode", "custom");
        bool host_model = xml_attribute_is(cpu, "mode", "host-model");
        if (model && !has_text(model) && !is_named) {
                xml_remove(model);
                model = NULL;
        }
        if (!is_named && !model && kind->processor && !xml_child(cpu, "feature") && !xml_child(cpu, "vendor")) {
                model = xml_add(cpu, "model",
                                g_str_has_suffix(emulator, "-i386") ? "qemu32"
                                                                    : machine_kind_processor(kind, machine ? machine : ""));
                xml_set_attribute(model, "fallback", "forbid");
                xml_set_attribute(cpu, "check", "none");
                xml_set_attribute(cpu, "match", "exact");
        }
        default_set(cpu, "mode", "custom");
        bool custom = xml_attribute_is(cpu, "mode", "custom");
        if (xml_attribute_is(cpu, "mode", "host-passthrough"))
                default_set(cpu, "migratable", "on");
        if (!custom)
                default_remove(cpu, "match"); /* which is of a model that is named */
        if (is_named && !host_model) {        /* the host's or the accelerator's, whatever is named */
                drop_child(cpu, "model");
                drop_child(cpu, "vendor");
        } else if (model && host_model && has_text(model))
                default_set(model, "fallback", "allow");
        else if (model && host_model) {
                default_remove(model, "fallback"); /* for a host whose model nobody knows, and then it is the host itself */
                if (!model->properties)
                        xml_remove(model);
        }
        if (xml_child(cpu, "topology"))
                default_set(xml_child(cpu, "topology"), "dies", "1");
        for (xmlNode *feature = xml_child(cpu, "feature"); feature; feature = xml_next(feature, "feature"))
                default_set(feature, "policy", "require");
        if (custom)
                default_set(cpu, "match", "exact");
        if (custom && model)
                default_set(model, "fallback", "allow");
        default_set(cpu, "check", xml_attribute_is(cpu, "mode", "host-model") || (custom && kvm) ? "partial" : "none");
        defaults_memory_complete_cells(xml_child(cpu, "numa"));
}

void defaults_complete(xmlNode *root, const MachineKind *kind, const char *emulator) {
        xmlNode *devices = xml_child(root, "devices");
        defaults_device_round_modules(devices, kind);
        complete_resources(root);
        complete_placement(root);
        fill_cells(root);
        normalize_sets(root);
        split_schedules(xml_child(root, "cputune"), "vcpusched", "vcpus");
        split_schedules(xml_child(root, "cputune"), "iothreadsched", "iothreads");
        complete_io_threads(root);
        drop_zeros(root);
        complete_behaviour(root);
        complete_interrupts(root, kind);
        complete_processor(root, kind, emulator);
        defaults_device_complete(devices, kind);
        xmlNode *given = xml_child(devices, "emulator");
        g_autofree char *its = xml_text(given);
        if (given && (!its || !*its))
                xmlNodeSetContent(given, (const xmlChar *) emulator);
        if (!given) {
                xmlNode *element = xml_add(devices, "emulator", emulator);
                if (devices->children != element)
                        xmlAddPrevSibling(devices->children, element);
        }
}
