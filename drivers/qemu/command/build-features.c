/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-features.h"

#include <inttypes.h>
#include <string.h>

#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

#define TSEG_UNIT (UINT64_C(1024) * 1024)

/* Hyper-V's enlightenments: the element, and QEMU's property; "" where it is hv- and the element. */
static const char *const hyperv_features[][2] = {
        { "relaxed", "" },
        { "vapic", "" },
        { "vpindex", "" },
        { "runtime", "" },
        { "synic", "" },
        { "reset", "" },
        { "frequencies", "" },
        { "reenlightenment", "" },
        { "tlbflush", "" },
        { "ipi", "" },
        { "evmcs", "" },
        { "avic", "" },
        { "emsr_bitmap", "hv-emsr-bitmap" },
        { "xmm_input", "hv-xmm-input" },
};

static void build_hyperv(Builder *builder, xmlNode *hyperv) {
        if (builder_is(builder, hyperv, "@mode", "passthrough"))
                g_string_append(builder->cpu, ",hv-passthrough=on");
        builder_choose(builder, hyperv, "@mode", "custom passthrough");
        for (size_t i = 0; i < G_N_ELEMENTS(hyperv_features); i++) {
                g_autofree char *path = g_strdup_printf("%s/@state", hyperv_features[i][0]);
                if (builder_switch(builder, hyperv, path) == 1)
                        g_string_append_printf(builder->cpu, ",%s%s=on", hyperv_features[i][1][0] ? "" : "hv-",
                                               hyperv_features[i][1][0] ? hyperv_features[i][1] : hyperv_features[i][0]);
        }
        if (builder_switch(builder, hyperv, "stimer/@state") == 1)
                g_string_append_printf(builder->cpu, ",hv-stimer=on%s",
                                       builder_switch(builder, hyperv, "stimer/direct/@state") == 1 ? ",hv-stimer-direct=on"
                                                                                                    : "");
        if (builder_switch(builder, hyperv, "spinlocks/@state") == 1)
                g_string_append_printf(builder->cpu, ",hv-spinlocks=0x%" PRIx64,
                                       builder_number(builder, hyperv, "spinlocks/@retries", 4095, UINT32_MAX, 4095));
        if (builder_switch(builder, hyperv, "tlbflush/direct/@state") == 1)
                g_string_append(builder->cpu, ",hv-tlbflush-direct=on");
        if (builder_switch(builder, hyperv, "tlbflush/extended/@state") == 1)
                g_string_append(builder->cpu, ",hv-tlbflush-ext=on");
        const char *vendor = builder_get(builder, hyperv, "vendor_id/@value");
        if (builder_switch(builder, hyperv, "vendor_id/@state") == 1)
                g_string_append_printf(builder->cpu, ",hv-vendor-id=%s", vendor ? builder_escape(builder, vendor) : "");
}

static void build_kvm(Builder *builder, xmlNode *kvm, GString *accelerator) {
        static const char *const names[][2] = {
                { "hint-dedicated", "kvm-hint-dedicated" },
                { "poll-control", "kvm-poll-control" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_strdup_printf("%s/@state", names[i][0]);
                if (builder_switch(builder, kvm, path) == 1)
                        g_string_append_printf(builder->cpu, ",%s=on", names[i][1]);
        }
        if (builder_switch(builder, kvm, "hidden/@state") == 1)
                g_string_append(builder->cpu, ",kvm=off");
        if (builder_switch(builder, kvm, "pv-ipi/@state") == 0)
                g_string_append(builder->cpu, ",kvm-pv-ipi=off");
        if (builder_switch(builder, kvm, "dirty-ring/@state") == 1)
                g_string_append_printf(accelerator, ",dirty-ring-size=%" PRIu64,
                                       builder_number(builder, kvm, "dirty-ring/@size", 1024, 65536, 4096));
}

/* A feature that is merely named is on. */
static int feature_state(Builder *builder, xmlNode *features, const char *path) {
        g_autofree char *name = g_strndup(path, strcspn(path, "/"));
        int state = builder_switch(builder, features, path);
        bool of_another = g_str_has_suffix(path, "/@eoi"); /* an attribute of a feature that is something else */
        return state < 0 && !of_another && builder_element(builder, features, name) ? 1 : state;
}

/* Features that only some machines have, and the option of each. */
static void build_machine_features(Builder *builder, xmlNode *features) {
        static const struct {
                const char *machine, *name, *path, *option;
        } others[] = {
                { "virt", "gic", "gic/@version", "gic-version" },
                { "virt", "ras", "ras/@state", "ras" },
                { "pseries", "hpt", "hpt/@resizing", "resize-hpt" },
                { "pseries", "htm", "htm/@state", "cap-htm" },
                { "pseries", "nested-hv", "nested-hv/@state", "cap-nested-hv" },
                { "pseries", "ccf-assist", "ccf-assist/@state", "cap-ccf-assist" },
                { "pseries", "cfpc", "cfpc/@value", "cap-cfpc" },
                { "pseries", "sbbc", "sbbc/@value", "cap-sbbc" },
                { "pseries", "ibs", "ibs/@value", "cap-ibs" },
                { "xen", "xen", "xen/@state", "" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                xmlNode *feature = builder_element(builder, features, others[i].name);
                if (feature && strcmp(builder->kind->name, others[i].machine) != 0)
                        builder_unsupported(builder, feature, "machine '%.64s' of %.32s has no such feature: leave it out",
                                            builder->definition->machine, builder->definition->architecture);
                const char *value = builder_get(builder, features, others[i].path);
                bool is_only_one =
                                strcmp(others[i].name, "gic") == 0 && strcmp(builder->definition->architecture, "aarch64") != 0;
                if (feature && value && !is_only_one)
                        g_string_append_printf(builder->machine, ",%s=%s", others[i].option, builder_escape(builder, value));
        }
        uint64_t page = builder_size(builder, features, "hpt/maxpagesize", "KiB", 0);
        if (page > 0)
                g_string_append_printf(builder->machine, ",cap-hpt-max-page-size=%" PRIu64 "k", page / 1024);
}

/* Features that are an option of the machine, or of the processor, with the same values. */
void build_features(Builder *builder, GString *accelerator) {
        static const struct {
                const char *path, *option;
                bool of_cpu;
        } states[] = {
                { "vmport/@state", "vmport", false }, { "smm/@state", "smm", false },
                { "apic/@eoi", "kvm-pv-eoi", true },  { "pvspinlock/@state", "kvm-pv-unhalt", true },
                { "pmu/@state", "pmu", true },
        };
        xmlNode *features = builder_element(builder, builder->root, "features");
        /* On unless the element is missing, as libvirt has it. */
        if (builder->kind->has_acpi)
                g_string_append_printf(builder->machine, ",acpi=%s", builder_element(builder, features, "acpi") ? "on" : "off");
        builder_know(builder, features, "acpi apic pae hap privnet viridian");
        build_machine_features(builder, features);
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
                int state = feature_state(builder, features, states[i].path);
                if (state >= 0)
                        g_string_append_printf(states[i].of_cpu ? builder->cpu : builder->machine, ",%s=%s", states[i].option,
                                               state ? "on" : "off");
        }
        /* What is not known faults, as KVM has it. */
        if (g_strcmp0(builder_choose(builder, features, "msrs/@unknown", "fault ignore"), "ignore") == 0)
                builder_not_here(builder, builder_element(builder, features, "msrs"),
                                 "unknown MSRs ignored, which is set for all guests of the host: leave it out, and load kvm with "
                                 "ignore_msrs=1");
        const char *controller = builder_choose(builder, features, "ioapic/@driver", "kvm qemu");
        if (controller)
                g_string_append_printf(builder->machine, ",kernel_irqchip=%s", strcmp(controller, "kvm") == 0 ? "on" : "split");
        if (builder_element(builder, features, "hyperv"))
                build_hyperv(builder, builder_element(builder, features, "hyperv"));
        if (builder_element(builder, features, "kvm"))
                build_kvm(builder, builder_element(builder, features, "kvm"), accelerator);
        if (feature_state(builder, features, "vmcoreinfo/@state") == 1)
                builder_add_json(builder, "-device", json_make("driver", 's', "vmcoreinfo", NULL));
        xmlNode *tseg = builder_element(builder, features, "smm/tseg");
        if (tseg) {
                uint64_t size = builder_size(builder, features, "smm/tseg", "MiB", 0);
                if (!builder->kind->is_q35)
                        builder_unsupported(builder, tseg, "only machine q35 has a tseg");
                else if (size % TSEG_UNIT)
                        builder_invalid(builder, tseg, "its size must be a number of MiB");
                else
                        builder_add(builder, "-global", "mch.extended-tseg-mbytes=%" PRIu64, size / TSEG_UNIT);
        }
        uint64_t cache = builder_size(builder, features, "tcg/tb-cache", "KiB", 0);
        if (cache > 0)
                g_string_append_printf(accelerator, ",tb-size=%" PRIu64, cache / TSEG_UNIT);
}

void build_power_management(Builder *builder) {
        static const char *const states[][2] = { { "pm/suspend-to-mem/@enabled", "disable_s3" },
                                                 { "pm/suspend-to-disk/@enabled", "disable_s4" } };
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
                int enabled = builder_flag(builder, builder->root, states[i][0]);
                if (enabled >= 0 && !builder->kind->is_x86)
                        builder_unsupported(builder, builder_element(builder, builder->root, "pm"),
                                            "machine '%.64s' has no states of sleep to choose: leave out <pm>",
                                            builder->definition->machine);
                else if (enabled >= 0)
                        builder_add(builder, "-global", "%s.%s=%d", builder->kind->is_q35 ? "ICH9-LPC" : "PIIX4_PM", states[i][1],
                                    !enabled);
        }
}
