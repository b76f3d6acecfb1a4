/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-cpu.h"

#include <string.h>

/* What QEMU has as a processor's property, and a document elsewhere: at a path below <domain>, the last element's attribute
 * after '@'. ON and OFF are its values there; NULL where it is left out then. */
static const struct {
        const char *property, *path, *on, *off;
} elsewhere[] = {
        { "kvm", "features/kvm/hidden@state", NULL, "on" },
        { "kvm_pv_eoi", "features/apic@eoi", "on", "off" },
        { "kvm-pv-eoi", "features/apic@eoi", "on", "off" },
        { "kvm_pv_unhalt", "features/pvspinlock@state", "on", "off" },
        { "kvm-pv-unhalt", "features/pvspinlock@state", "on", "off" },
        { "pmu", "features/pmu@state", "on", "off" },
        { "migratable", "cpu@migratable", "on", "off" },
        { "enforce", "cpu@check", "full", "none" },
        { "check", "cpu@check", "partial", "none" },
        { "host-phys-bits", "cpu/maxphysaddr@mode", "passthrough", NULL },
        { "hv-passthrough", "features/hyperv@mode", "passthrough", NULL },
        { "hv-stimer-direct", "features/hyperv/stimer/direct@state", "on", "off" },
};

static void set_at(NativeReader *reader, const char *path, const char *value) {
        const char *at = strchr(path, '@');
        g_autofree char *elements = g_strndup(path, (gsize) (at - path));
        g_auto(GStrv) names = g_strsplit(elements, "/", -1);
        xmlNode *element = reader->root;
        for (size_t i = 0; names[i]; i++)
                element = xml_ensure_child(element, names[i]);
        native_set(element, at + 1, value);
}

static bool read_elsewhere(NativeReader *reader, const char *name, bool on) {
        for (size_t i = 0; i < G_N_ELEMENTS(elsewhere); i++)
                if (strcmp(name, elsewhere[i].property) == 0) {
                        const char *value = on ? elsewhere[i].on : elsewhere[i].off;
                        if (value)
                                set_at(reader, elsewhere[i].path, value);
                        return true;
                }
        return false;
}

/* What Windows knows of its hypervisor: "hv-relaxed", "hv-spinlocks=0x1fff", "hv-vendor-id=X", "hv-time". */
static bool read_windows(NativeReader *reader, const char *name, const char *value, bool on) {
        static const char *const known[] = { "relaxed",     "vapic",           "vpindex",  "runtime", "synic", "stimer", "reset",
                                             "frequencies", "reenlightenment", "tlbflush", "ipi",     "evmcs", "avic",   NULL };
        if (!g_str_has_prefix(name, "hv-"))
                return false;
        const char *feature = name + strlen("hv-");
        if (strcmp(feature, "time") == 0) {
                xmlNode *timer = xml_add(xml_ensure_child(reader->root, "clock"), "timer", NULL);
                native_set(timer, "name", "hypervclock");
                native_set(timer, "present", on ? "yes" : "no");
                return true;
        }
        bool spinlocks = strcmp(feature, "spinlocks") == 0, vendor = strcmp(feature, "vendor-id") == 0;
        if (!spinlocks && !vendor && !g_strv_contains(known, feature))
                return false;
        xmlNode *element = xml_ensure_child(xml_ensure_child(reader->features, "hyperv"), vendor ? "vendor_id" : feature);
        native_set(element, "state", on ? "on" : "off");
        if (spinlocks && value)
                xml_set_number(element, "retries", (int64_t) g_ascii_strtoull(value, NULL, 0));
        if (vendor)
                native_set(element, "value", value);
        return true;
}

void native_cpu_option(NativeReader *reader, const char *text) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        bool host = g_strcmp0(parts[0], "host") == 0, max = g_strcmp0(parts[0], "max") == 0;
        native_set(reader->cpu, "mode", host ? "host-passthrough" : max ? "maximum" : "custom");
        if (!host && !max && parts[0]) {
                native_set(reader->cpu, "match", "exact");
                xml_add(reader->cpu, "model", parts[0]);
        }
        for (size_t i = 1; parts[0] && parts[i]; i++) {
                char *equals = strchr(parts[i], '='), sign = parts[i][0] == '+' || parts[i][0] == '-' ? parts[i][0] : 0;
                const char *value = equals ? equals + 1 : NULL;
                if (equals)
                        *equals = '\0';
                const char *name = parts[i] + (sign ? 1 : 0);
                g_autofree char *dashed = g_strdelimit(g_strdup(name), "_", '-');
                bool off = sign == '-' || (value && strcmp(value, "off") == 0), on = sign == '+' || !value || native_is_on(value);
                if (g_str_has_prefix(dashed, "hv-") &&
                    (read_elsewhere(reader, dashed, !off) || read_windows(reader, dashed, value, !off)))
                        continue;
                if (strcmp(dashed, "phys-bits") == 0 && value) {
                        xmlNode *bits = xml_ensure_child(reader->cpu, "maxphysaddr");
                        native_set(bits, "mode", "emulate");
                        native_set(bits, "bits", value);
                } else if ((!on && !off) || (!value && !sign && strcmp(name, "enforce") != 0 && strcmp(name, "check") != 0))
                        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-cpu: '%.64s' has no counterpart in a document", name);
                else if (!read_elsewhere(reader, name, on)) {
                        xmlNode *feature = xml_add(reader->cpu, "feature", NULL);
                        native_set(feature, "policy", off ? "disable" : "require");
                        native_set(feature, "name", name);
                }
        }
}
