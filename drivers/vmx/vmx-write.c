/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-write.h"

#include <inttypes.h>
#include <string.h>

#include "base/uuid.h"
#include "base/xml.h"
#include "vmx/vmx-elements.h"
#include "vmx/vmx-network.h"
#include "vmx/vmx-read.h"

/* What only EXTRA says. */
#define OWN_KEYS "virtbus."

#define MIB (UINT64_C(1024) * 1024)

/* The bytes of an element that is a size; OTHERWISE where there is none. */
static bool read_size(const xmlNode *element, uint64_t otherwise, uint64_t *bytes, GError **error) {
        g_autofree char *unit = xml_attribute(element, "unit"), *text = element ? xml_text(element) : NULL;
        uint64_t factor = xml_unit(unit ? unit : "KiB"), number;
        *bytes = otherwise;
        if (!element)
                return true;
        if (factor == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "unit '%.16s' is unknown; use KiB, MiB or GiB", unit);
        if (!xml_number(element, "its size", text, 0, (UINT64_C(1) << 50) / factor, &number, error))
                return false;
        *bytes = number * factor;
        return true;
}

static void put_number(GString *out, const char *key, uint64_t number) {
        g_autofree char *text = g_strdup_printf("%" PRIu64, number);
        vmx_put(out, text, "%s", key);
}

static bool write_identity(const xmlNode *root, GString *out, GError **error) {
        g_autofree char *name = xml_text_at(root, "name"), *description = xml_text_at(root, "description"),
                        *text = xml_text_at(root, "uuid"), *uuid = uuid_normalize(text),
                        *digits = uuid ? vmx_network_split_digits(uuid) : NULL;
        if (!uuid)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "its UUID is missing");
        g_autofree char *escaped = vmx_escape(name, '%', "/\\");
        vmx_put(out, digits, "uuid.bios");
        vmx_put(out, escaped, "displayName");
        if (*description)
                vmx_put(out, description, "annotation");
        return true;
}

/* Two halves of a UUID, as signed numbers. */
static bool write_generation(const xmlNode *root, GString *out, GError **error) {
        const xmlNode *element = xml_child(root, "genid");
        g_autofree char *text = element ? xml_text(element) : NULL, *uuid = text ? uuid_normalize(text) : NULL;
        if (!element)
                return true;
        if (!uuid)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "VMware's configuration needs its value: a UUID");
        vmx_network_join_digits(uuid);
        g_autofree char *high = g_strndup(uuid, 16),
                        *first = g_strdup_printf("%" PRId64, (int64_t) g_ascii_strtoull(high, NULL, 16)),
                        *second = g_strdup_printf("%" PRId64, (int64_t) g_ascii_strtoull(uuid + 16, NULL, 16));
        vmx_put(out, first, "vm.genid");
        vmx_put(out, second, "vm.genidX");
        return true;
}

static bool write_memory(const xmlNode *root, GString *out, GError **error) {
        uint64_t memory, current, guarantee;
        if (!read_size(xml_child(root, "memory"), 0, &memory, error) ||
            !read_size(xml_child(root, "currentMemory"), memory, &current, error) ||
            !read_size(xml_find(root, "memtune/min_guarantee"), 0, &guarantee, error))
                return false;
        uint64_t step = VMX_MEMORY_STEP * MIB, rounded = MAX((memory + step - 1) / step, 1) * VMX_MEMORY_STEP;
        put_number(out, "memsize", rounded);
        if (current / MIB < rounded && current > 0 && xml_child(root, "currentMemory"))
                put_number(out, "sched.mem.max", (current + MIB - 1) / MIB);
        if (guarantee > 0)
                put_number(out, "sched.mem.minsize", (guarantee + MIB - 1) / MIB);
        return true;
}

/* "0-2,5" as VMware has it: "0,1,2,5". NULL where it is not such a list. */
static char *list_processors(const char *set) {
        g_auto(GStrv) parts = g_strsplit(set, ",", VMX_VCPUS_MAX + 1);
        g_autoptr(GString) list = g_string_new(NULL);
        for (size_t i = 0; parts[i]; i++) {
                g_auto(GStrv) ends = g_strsplit(g_strstrip(parts[i]), "-", 2);
                guint64 first, last;
                if (!ends[0] || !g_ascii_string_to_unsigned(ends[0], 10, 0, VMX_VCPUS_MAX - 1, &first, NULL))
                        return NULL;
                last = first;
                if (ends[1] && !g_ascii_string_to_unsigned(ends[1], 10, first, VMX_VCPUS_MAX - 1, &last, NULL))
                        return NULL;
                for (; first <= last; first++)
                        g_string_append_printf(list, list->len ? ",%" PRIu64 : "%" PRIu64, first);
        }
        return list->len > 0 ? g_string_free(g_steal_pointer(&list), FALSE) : NULL;
}

static bool write_shares(const xmlNode *root, uint64_t n, GString *out, GError **error) {
        const xmlNode *element = xml_find(root, "cputune/shares");
        g_autofree char *text = element ? xml_text(element) : NULL;
        uint64_t shares = 0;
        if (!element)
                return true;
        if (!xml_number(element, "its number", text, 1, 1000000, &shares, error))
                return false;
        if (shares == VMX_SHARES_LOW * n || shares == VMX_SHARES_NORMAL * n || shares == VMX_SHARES_HIGH * n)
                vmx_put(out,
                        shares == VMX_SHARES_LOW * n    ? "low"
                        : shares == VMX_SHARES_HIGH * n ? "high"
                                                        : "normal",
                        "sched.cpu.shares");
        else
                put_number(out, "sched.cpu.shares", shares);
        return true;
}

static bool write_vcpus(const xmlNode *root, GString *out, GError **error) {
        const xmlNode *vcpu = xml_child(root, "vcpu"), *topology = xml_find(root, "cpu/topology");
        g_autofree char *text = vcpu ? xml_text(vcpu) : g_strdup("1"), *set = xml_attribute_at(vcpu, "", "cpuset");
        uint64_t n = 1, current, sockets = 1, cores = 1, threads = 1, dies = 1;
        if (*text && !xml_number(vcpu, "the number of processors", text, 1, VMX_VCPUS_MAX, &n, error))
                return false;
        current = n;
        if (!xml_number_attribute(vcpu, "current", 1, n, &current, error) ||
            !xml_number_attribute(topology, "sockets", 1, n, &sockets, error) ||
            !xml_number_attribute(topology, "cores", 1, n, &cores, error) ||
            !xml_number_attribute(topology, "threads", 1, n, &threads, error) ||
            !xml_number_attribute(topology, "dies", 1, n, &dies, error))
                return false;
        if (current != n)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, vcpu,
                                "VMware's machines have all their processors from the start; leave current out");
        if (topology && (threads != 1 || dies != 1 || sockets * cores != n))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, topology,
                                "VMware's processors are sockets of cores, which are the %" PRIu64 " of <vcpu>", n);
        put_number(out, "numvcpus", n);
        if (topology)
                put_number(out, "cpuid.coresPerSocket", cores);
        g_autofree char *list = *set ? list_processors(set) : NULL;
        if (*set && !list)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, vcpu,
                                "cpuset '%.64s' is not a list of processors such as 0-2,5", set);
        if (list && strlen(list) > 0) {
                unsigned n_listed = 1;
                for (const char *c = list; *c; c++)
                        n_listed += *c == ',';
                if (n_listed < n)
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, vcpu,
                                        "cpuset names fewer processors than the machine has");
                vmx_put(out, list, "sched.cpu.affinity");
        }
        return write_shares(root, n, out, error);
}

/* Whether VMware's name of a system is of 64 bits, as the document says. */
static bool is_same_width(const char *system, bool is_wide) {
        g_autofree char *lower = g_ascii_strdown(system, -1);
        return g_str_has_suffix(lower, "-64") == is_wide;
}

/* SYSTEM: what it was before, or NULL. */
static bool write_machine(const xmlNode *root, const char *system, GString *out, GError **error) {
        const xmlNode *os = xml_child(root, "os"), *type = xml_child(os, "type");
        static const char *const architectures[] = { "i686", "x86_64", NULL }, *const modes[] = { "host", "emulate", NULL },
                                 *const firmwares[] = { "efi", "bios", NULL };
        if (!xml_one_of(type, "arch", architectures, error) || !xml_one_of(xml_child(os, "smbios"), "mode", modes, error) ||
            !xml_one_of(os, "firmware", firmwares, error))
                return false;
        bool is_wide = xml_attribute_is(type, "arch", "x86_64");
        vmx_put(out, system && is_same_width(system, is_wide) ? system : is_wide ? "other-64" : "other", "guestOS");
        if (xml_attribute_is(os, "firmware", "efi"))
                vmx_put(out, "efi", "firmware");
        if (xml_child(os, "smbios"))
                vmx_put(out, xml_attribute_is(xml_child(os, "smbios"), "mode", "host") ? "true" : "false", "smbios.reflecthost");
        return true;
}

/* The way to the devices of this version of the hardware. */
static void write_bridges(const xmlNode *devices, const char *written, GString *out) {
        static const unsigned bridges[] = { 4, 5, 6, 7 };
        bool need = strstr(written, "scsi") || strstr(written, "sata");
        for (const xmlNode *interface = xml_child(devices, "interface"); interface;
             interface = xml_next(interface, "interface")) {
                g_autofree char *model = xml_attribute_at(interface, "model", "type");
                need |= g_ascii_strcasecmp(model, "e1000e") == 0 || g_ascii_strcasecmp(model, "vmxnet3") == 0;
        }
        if (need)
                vmx_put(out, "true", "pciBridge0.present");
        for (size_t i = 0; need && i < G_N_ELEMENTS(bridges); i++) {
                vmx_put(out, "true", "pciBridge%u.present", bridges[i]);
                vmx_put(out, "pcieRootPort", "pciBridge%u.virtualDev", bridges[i]);
                vmx_put(out, "8", "pciBridge%u.functions", bridges[i]);
        }
        vmx_put(out, "true", "vmci0.present");
}

static char *write_all(xmlDoc *document, const char *hardware, const char *system, GError **error) {
        const xmlNode *root = xmlDocGetRootElement(document);
        xmlNode *devices = xml_child(root, "devices");
        g_autoptr(xmlDoc) none = xmlNewDoc((const xmlChar *) "1.0");
        if (!devices) {
                devices = xmlNewDocNode(none, NULL, (const xmlChar *) "devices", NULL);
                xmlDocSetRootElement(none, devices);
        }
        g_autoptr(GString) out = g_string_new(NULL);
        vmx_put(out, "UTF-8", ".encoding");
        vmx_put(out, "8", "config.version");
        vmx_put(out, hardware ? hardware : G_STRINGIFY(VMX_HARDWARE_VERSION), "virtualHW.version");
        if (!vmx_elements_check(document, error) || !write_machine(root, system, out, error) ||
            !write_identity(root, out, error) || !write_generation(root, out, error) || !write_memory(root, out, error) ||
            !write_vcpus(root, out, error) || !vmx_write_vnc(devices, out, error) || !vmx_write_disks(devices, out, error) ||
            !vmx_write_shares(devices, out, error) || !vmx_write_interfaces(devices, out, error) ||
            !vmx_write_characters(devices, out, error) || !vmx_write_video(devices, out, error))
                return NULL;
        g_autofree char *written = g_strdup(out->str);
        write_bridges(devices, written, out);
        g_autoptr(VmxFile) again = vmx_file_parse(out->str, error); /* what nobody could read is not written */
        if (!again)
                return NULL;
        return g_string_free(g_steal_pointer(&out), FALSE);
}

char *vmx_write(xmlDoc *document, GError **error) {
        return write_all(document, NULL, NULL, error);
}

/* Writing again */

typedef struct Merge {
        VmxFile *fresh;
        GString *out;
} Merge;

/* A device's keys: "scsi0:1", "ethernet0". */
static char *slot_of(const char *key) {
        const char *dot = strchr(key, '.');
        return dot ? g_strndup(key, (gsize) (dot - key)) : g_strdup("");
}

/* What nothing was made of stays, unless it is said anew, or is of a device that takes the place. */
static void keep(void *data, const char *key, const char *value, bool is_taken) {
        Merge *merge = data;
        if (is_taken || vmx_file_has(merge->fresh, key) || g_ascii_strncasecmp(key, OWN_KEYS, strlen(OWN_KEYS)) == 0)
                return;
        g_autofree char *slot = slot_of(key);
        const char *present = *slot ? vmx_file_peek(merge->fresh, "%s.present", slot) : NULL, *field = key + strlen(slot);
        bool is_other = present && strcmp(present, "true") == 0 &&
                        (g_ascii_strcasecmp(field, ".clientDevice") == 0 || g_ascii_strcasecmp(field, ".fileType") == 0);
        if (!is_other)
                g_string_append_printf(merge->out, "%s = \"%s\"\n", key, value);
}

char *vmx_rewrite(xmlDoc *document, const char *old, const char *extra, GError **error) {
        g_autoptr(VmxFile) before = vmx_file_parse(old ? old : "", error);
        g_autofree char *written = before ? write_all(document, vmx_file_peek(before, "virtualHW.version"),
                                                      vmx_file_peek(before, "guestOS"), error)
                                          : NULL,
                        *whole = written ? g_strconcat(written, extra, NULL) : NULL;
        g_autoptr(VmxFile) fresh = whole ? vmx_file_parse(whole, error) : NULL;
        if (!fresh)
                return NULL;
        g_autoptr(xmlDoc) was = vmx_read(before, NULL); /* which takes what a document says */
        g_autoptr(GString) out = g_string_new(whole);
        vmx_file_each(before, keep, &(Merge){ fresh, out });
        g_autoptr(VmxFile) again = vmx_file_parse(out->str, error); /* what nobody could read is not written */
        return again ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}
