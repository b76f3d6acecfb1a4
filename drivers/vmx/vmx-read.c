/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "base/xml.h"
#include "errors.h"
#include "vmx/vmx-keys.h"
#include "vmx/vmx-network.h"

/* Versions of the hardware that VMware has had since the format is this one. */
#define CONFIG_VERSION 8
#define HARDWARE_MIN 4
#define HARDWARE_MAX 99

/* How many keys the comment of what is left names. */
#define LEFT_MAX 100

#define KIB_OF_MIB 1024

static bool is(const char *text, const char *other) {
        return text && g_ascii_strcasecmp(text, other) == 0;
}

static void check_version(VmxFile *file) {
        const struct {
                const char *key;
                int64_t min, max;
        } versions[] = { { "config.version", CONFIG_VERSION, CONFIG_VERSION },
                         { "virtualHW.version", HARDWARE_MIN, HARDWARE_MAX } };
        for (size_t i = 0; i < G_N_ELEMENTS(versions); i++)
                if (!vmx_file_take(file, "%s", versions[i].key))
                        vmx_file_fail(file, "%s is missing: this is not a configuration of a machine of VMware's",
                                      versions[i].key);
                else
                        vmx_file_take_number(file, versions[i].min, versions[i].max, 0, "%s", versions[i].key);
        const char *encoding = vmx_file_take(file, ".encoding");
        GIConv known = encoding ? g_iconv_open("UTF-8", encoding) : NULL;
        if (known == (GIConv) -1) // NOLINT(performance-no-int-to-ptr)
                vmx_file_fail(file, ".encoding is '%.64s', which this system does not know", encoding);
        else if (known)
                g_iconv_close(known);
}

static void read_identity(VmxFile *file, xmlNode *root) {
        const char *written = vmx_file_take(file, "displayName"), *bios = vmx_file_take(file, "uuid.bios");
        g_autofree char *name = written ? vmx_unescape(written, '%') : NULL, *digits = g_strdup(bios);
        g_autofree char *uuid = digits ? uuid_normalize(vmx_network_join_digits(digits)) : NULL;
        if (!name)
                vmx_file_fail(file, "displayName is %s", written ? "not text" : "missing");
        else
                xml_add(root, "name", name);
        if (bios && !uuid)
                vmx_file_fail(file, "uuid.bios is '%.64s', which is not a UUID", bios);
        xml_add(root, "uuid", uuid ? uuid : "00000000-0000-0000-0000-000000000000");
}

/* What a guest sees change when it is another copy of itself: two halves, as VMware keeps it. */
static void read_generation(VmxFile *file, xmlNode *root) {
        if (!vmx_file_peek(file, "vm.genid") || !vmx_file_peek(file, "vm.genidX"))
                return;
        uint64_t high = (uint64_t) vmx_file_take_number(file, G_MININT64, G_MAXINT64, 0, "vm.genid"),
                 low = (uint64_t) vmx_file_take_number(file, G_MININT64, G_MAXINT64, 0, "vm.genidX");
        g_autofree char *id = g_strdup_printf("%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
                                              high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffffffffffff);
        xml_add(root, "genid", id);
}

static void add_size(xmlNode *parent, const char *name, int64_t mebibytes) {
        g_autofree char *text = g_strdup_printf("%" PRId64, mebibytes * KIB_OF_MIB);
        xml_set_attribute(xml_add(parent, name, text), "unit", "KiB");
}

static void read_memory(VmxFile *file, xmlNode *root) {
        int64_t size = vmx_file_take_number(file, VMX_MEMORY_STEP, VMX_MEMORY_MAX, VMX_MEMORY_DEFAULT, "memsize"),
                max = vmx_file_take_number(file, -1, INT64_MAX, size, "sched.mem.max"),
                min = vmx_file_take_number(file, 0, INT64_MAX, 0, "sched.mem.minsize");
        if (size % VMX_MEMORY_STEP != 0)
                vmx_file_fail(file, "memsize is '%" PRId64 "'; it must be a multiple of %d (MiB)", size, VMX_MEMORY_STEP);
        add_size(root, "memory", size);
        add_size(root, "currentMemory", max <= 0 ? size : MIN(max, size));
        if (min > 0)
                add_size(xml_add(root, "memtune", NULL), "min_guarantee", MIN(min, size));
}

/* A list of processors as documents have it: "0-2,5". NULL where it is not one. */
static char *read_affinity(const char *list, unsigned *n) {
        bool has[VMX_VCPUS_MAX] = { false };
        g_auto(GStrv) parts = g_strsplit(list, ",", VMX_VCPUS_MAX + 1);
        for (size_t i = 0; parts[i]; i++) {
                guint64 cpu;
                if (!g_ascii_string_to_unsigned(g_strstrip(parts[i]), 10, 0, VMX_VCPUS_MAX - 1, &cpu, NULL))
                        return NULL;
                has[cpu] = true;
        }
        GString *text = g_string_new(NULL);
        *n = 0;
        for (unsigned first = 0, last; first < VMX_VCPUS_MAX; first = last + 1) {
                last = first;
                if (!has[first])
                        continue;
                while (last + 1 < VMX_VCPUS_MAX && has[last + 1])
                        last++;
                g_string_append_printf(text, last > first ? "%s%u-%u" : "%s%u", text->len ? "," : "", first, last);
                *n += last - first + 1;
        }
        return g_string_free(text, FALSE);
}

static void read_vcpus(VmxFile *file, xmlNode *root) {
        int64_t n = vmx_file_take_number(file, 1, VMX_VCPUS_MAX, 1, "numvcpus");
        const char *affinity = vmx_file_take(file, "sched.cpu.affinity"), *shares = vmx_file_take(file, "sched.cpu.shares");
        g_autofree char *number = g_strdup_printf("%" PRId64, n);
        xmlNode *vcpu = xml_add(root, "vcpu", number);
        unsigned n_affine = 0;
        xml_set_attribute(vcpu, "placement", "static");
        if (affinity && !is(affinity, "all")) {
                g_autofree char *set = read_affinity(affinity, &n_affine);
                if (!set)
                        vmx_file_fail(file, "sched.cpu.affinity is '%.64s'; it must be all, or processors' numbers with ','",
                                      affinity);
                else if (n_affine < n)
                        vmx_file_fail(file, "sched.cpu.affinity names fewer processors than the %" PRId64 " of numvcpus", n);
                else
                        xml_set_attribute(vcpu, "cpuset", set);
        }
        if (!shares)
                return;
        int64_t each = is(shares, "low")      ? VMX_SHARES_LOW
                       : is(shares, "normal") ? VMX_SHARES_NORMAL
                       : is(shares, "high")   ? VMX_SHARES_HIGH
                                              : 0,
                all = each ? each * n : vmx_file_take_number(file, 1, 1000000, 1, "sched.cpu.shares");
        g_autofree char *text = g_strdup_printf("%" PRId64, all);
        xml_add(xml_add(root, "cputune", NULL), "shares", text);
}

static void read_machine(VmxFile *file, xmlNode *root) {
        const char *system = vmx_file_take(file, "guestOS"), *firmware = vmx_file_take(file, "firmware");
        xmlNode *os = xml_add(root, "os", NULL), *type = xml_add(os, "type", "hvm");
        bool is_wide = system && strlen(system) >= 3 && is(system + strlen(system) - 3, "-64");
        xml_set_attribute(type, "arch", is_wide ? "x86_64" : "i686");
        if (is(firmware, "efi"))
                xml_set_attribute(os, "firmware", "efi");
        else if (firmware && !is(firmware, "bios"))
                vmx_file_fail(file, "firmware is '%.64s'; it must be bios or efi", firmware);
        if (vmx_file_take_flag(file, false, "smbios.reflectHost"))
                xml_set_attribute(xml_add(os, "smbios", NULL), "mode", "host");
}

static void read_topology(VmxFile *file, xmlNode *root) {
        int64_t cores = vmx_file_take_number(file, 1, VMX_VCPUS_MAX, 1, "cpuid.coresPerSocket"),
                n = vmx_file_take_number(file, 1, VMX_VCPUS_MAX, 1, "numvcpus");
        if (cores <= 1)
                return;
        cores = MIN(cores, n);
        if (n % cores != 0) {
                vmx_file_fail(file, "numvcpus is %" PRId64 ", which is not a multiple of the %" PRId64 " of cpuid.coresPerSocket",
                              n, cores);
                return;
        }
        xmlNode *topology = xml_add(xml_add(root, "cpu", NULL), "topology", NULL);
        xml_set_number(topology, "sockets", n / cores);
        xml_set_number(topology, "dies", 1);
        xml_set_number(topology, "cores", cores);
        xml_set_number(topology, "threads", 1);
}

static void read_lifecycle(xmlNode *root) {
        xml_set_attribute(xml_add(root, "clock", NULL), "offset", "utc");
        xml_add(root, "on_poweroff", "destroy");
        xml_add(root, "on_reboot", "restart");
        xml_add(root, "on_crash", "destroy");
}

/* What is left */

typedef struct Left {
        GString *names;
        unsigned n;
} Left;

static void list_left(void *data, const char *key, const char *value, bool is_taken) {
        Left *left = data;
        if (is_taken || !*value || is(value, "FALSE") || vmx_key_says_nothing(key) || strstr(key, "--"))
                return;
        if (++left->n <= LEFT_MAX)
                g_string_append_printf(left->names, "%s%s", left->names->len ? ", " : "", key);
}

/* Names only: values may be passwords. */
static void tell_left(const VmxFile *file, xmlNode *root) {
        g_autoptr(GString) names = g_string_new(NULL);
        Left left = { .names = names };
        vmx_file_each(file, list_left, &left);
        if (left.n == 0)
                return;
        if (left.n > LEFT_MAX)
                g_string_append_printf(names, ", and %u more", left.n - LEFT_MAX);
        g_autofree char *text = g_strdup_printf(" what a document does not say of this machine: %s ", names->str);
        g_strdelimit(strstr(text, ": "), "\n\r", ' ');
        xmlAddChild(root, xmlNewDocComment(root->doc, (const xmlChar *) text));
}

xmlDoc *vmx_read(VmxFile *file, GError **error) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "domain", NULL);
        xmlDocSetRootElement(document, root);
        xml_set_attribute(root, "type", "vmware");
        check_version(file);
        read_identity(file, root);
        read_generation(file, root);
        const char *annotation = vmx_file_take(file, "annotation");
        if (annotation)
                xml_add(root, "description", annotation);
        read_memory(file, root);
        read_vcpus(file, root);
        read_machine(file, root);
        read_topology(file, root);
        read_lifecycle(root);
        xmlNode *devices = xml_add(root, "devices", NULL);
        vmx_read_disks(file, devices);
        vmx_read_interfaces(file, devices);
        vmx_read_characters(file, devices);
        vmx_read_shares(file, devices);
        vmx_read_displays(file, devices);
        tell_left(file, root);
        GError *fault = vmx_file_steal_error(file);
        if (!fault)
                return g_steal_pointer(&document);
        g_propagate_error(error, fault);
        return NULL;
}

xmlDoc *vmx_from_native(const char *text, GError **error) {
        g_autoptr(VmxFile) file = vmx_file_parse(text, error);
        return file ? vmx_read(file, error) : NULL;
}
