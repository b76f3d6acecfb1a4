/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The machine itself: features, processors, clock, firmware, what it boots, what it says of itself. */

#include <inttypes.h>
#include <string.h>

#include "qemu/command/builder.h"
#include "qemu/command/firmware.h"
#include "qemu/host/cpu-set.h"

#define SMBIOS_VALUES_MAX 64

/* What the kernel has read of the host's SMBIOS. */
#define DMI "/sys/class/dmi/id"
#define TSEG_UNIT (UINT64_C(1024) * 1024)

static bool is_plain_name(const char *name) {
        return *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(name);
}

/* Features */

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
                if (builder_flag(builder, hyperv, path) == 1)
                        g_string_append_printf(builder->cpu, ",%s%s=on", hyperv_features[i][1][0] ? "" : "hv-",
                                               hyperv_features[i][1][0] ? hyperv_features[i][1] : hyperv_features[i][0]);
        }
        if (builder_flag(builder, hyperv, "stimer/@state") == 1)
                g_string_append_printf(builder->cpu, ",hv-stimer=on%s",
                                       builder_flag(builder, hyperv, "stimer/direct/@state") == 1 ? ",hv-stimer-direct=on" : "");
        if (builder_flag(builder, hyperv, "spinlocks/@state") == 1)
                g_string_append_printf(builder->cpu, ",hv-spinlocks=0x%" PRIx64,
                                       builder_number(builder, hyperv, "spinlocks/@retries", 4095, UINT32_MAX, 4095));
        if (builder_flag(builder, hyperv, "tlbflush/direct/@state") == 1)
                g_string_append(builder->cpu, ",hv-tlbflush-direct=on");
        if (builder_flag(builder, hyperv, "tlbflush/extended/@state") == 1)
                g_string_append(builder->cpu, ",hv-tlbflush-ext=on");
        const char *vendor = builder_get(builder, hyperv, "vendor_id/@value");
        if (builder_flag(builder, hyperv, "vendor_id/@state") == 1)
                g_string_append_printf(builder->cpu, ",hv-vendor-id=%s", vendor ? builder_escape(builder, vendor) : "");
}

static void build_kvm(Builder *builder, xmlNode *kvm, GString *accelerator) {
        static const char *const names[][2] = {
                { "hint-dedicated", "kvm-hint-dedicated" },
                { "poll-control", "kvm-poll-control" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_strdup_printf("%s/@state", names[i][0]);
                if (builder_flag(builder, kvm, path) == 1)
                        g_string_append_printf(builder->cpu, ",%s=on", names[i][1]);
        }
        if (builder_flag(builder, kvm, "hidden/@state") == 1)
                g_string_append(builder->cpu, ",kvm=off");
        if (builder_flag(builder, kvm, "pv-ipi/@state") == 0)
                g_string_append(builder->cpu, ",kvm-pv-ipi=off");
        if (builder_flag(builder, kvm, "dirty-ring/@state") == 1)
                g_string_append_printf(accelerator, ",dirty-ring-size=%" PRIu64,
                                       builder_number(builder, kvm, "dirty-ring/@size", 1024, 65536, 4096));
}

/* A feature that is merely named is on. */
static int feature_state(Builder *builder, xmlNode *features, const char *path) {
        g_autofree char *name = g_strndup(path, strcspn(path, "/"));
        int state = builder_flag(builder, features, path);
        bool of_another = g_str_has_suffix(path, "/@eoi"); /* an attribute of a feature that is something else */
        return state < 0 && !of_another && builder_element(builder, features, name) ? 1 : state;
}

/* Features that are an option of the machine, or of the processor, with the same values. */
static void build_features(Builder *builder, GString *accelerator) {
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
        g_string_append_printf(builder->machine, ",acpi=%s", builder_element(builder, features, "acpi") ? "on" : "off");
        builder_know(builder, features, "apic pae hap privnet viridian gic/@version");
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
                int state = feature_state(builder, features, states[i].path);
                if (state >= 0)
                        g_string_append_printf(states[i].of_cpu ? builder->cpu : builder->machine, ",%s=%s", states[i].option,
                                               state ? "on" : "off");
        }
        static const char *const others[] = {
                "hpt", "htm", "nested-hv", "ccf-assist", "cfpc", "sbbc", "ibs", "gic", "ras", "xen"
        };
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                if (xml_child(features, others[i]))
                        builder_unsupported(builder, builder_element(builder, features, others[i]),
                                            "machine '%.64s' of an x86 processor has no such feature",
                                            builder->definition->machine);
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
                if (!builder->q35)
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

static void build_power_management(Builder *builder) {
        static const char *const states[][2] = { { "pm/suspend-to-mem/@enabled", "disable_s3" },
                                                 { "pm/suspend-to-disk/@enabled", "disable_s4" } };
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
                int enabled = builder_flag(builder, builder->root, states[i][0]);
                if (enabled >= 0)
                        builder_add(builder, "-global", "%s.%s=%d", builder->q35 ? "ICH9-LPC" : "PIIX4_PM", states[i][1],
                                    !enabled);
        }
}

/* Clock */

static void build_timer(Builder *builder, xmlNode *timer, GString *rtc) {
        const char *name = builder_choose(builder, timer, "@name", "platform pit rtc hpet tsc kvmclock hypervclock"),
                   *policy = builder_choose(builder, timer, "@tickpolicy", "delay catchup merge discard");
        int present = builder_flag(builder, timer, "@present");
        if (!name)
                return;
        if (strcmp(name, "rtc") == 0) {
                const char *track = builder_choose(builder, timer, "@track", "boot guest wall realtime");
                if (track && strcmp(track, "boot") != 0)
                        g_string_append_printf(rtc, ",clock=%s",
                                               strcmp(track, "guest") == 0  ? "vm"
                                               : strcmp(track, "wall") == 0 ? "host"
                                                                            : "rt");
                if (policy && strcmp(policy, "catchup") == 0)
                        g_string_append(rtc, ",driftfix=slew");
                else if (policy && strcmp(policy, "delay") != 0)
                        builder_unsupported(builder, timer, "the timer rtc has the policies delay and catchup");
                builder_know(builder, timer, "catchup");
        } else if (strcmp(name, "pit") == 0) {
                if (policy && (strcmp(policy, "delay") == 0 || strcmp(policy, "discard") == 0))
                        builder_add(builder, "-global", "kvm-pit.lost_tick_policy=%s", policy);
                else if (policy && strcmp(policy, "catchup") != 0)
                        builder_unsupported(builder, timer, "the timer pit has the policies delay, discard and catchup");
        } else if (strcmp(name, "hpet") == 0) {
                if (present == 0)
                        g_string_append(builder->machine, ",hpet=off");
        } else if (strcmp(name, "kvmclock") == 0) {
                if (present >= 0)
                        g_string_append_printf(builder->cpu, ",kvmclock=%s", present ? "on" : "off");
        } else if (strcmp(name, "hypervclock") == 0) {
                if (present == 1)
                        g_string_append(builder->cpu, ",hv-time=on");
        } else if (strcmp(name, "tsc") == 0) {
                uint64_t frequency = builder_number(builder, timer, "@frequency", 1, G_MAXINT64, 0);
                if (frequency > 0)
                        g_string_append_printf(builder->cpu, ",tsc-frequency=%" PRIu64, frequency);
                /* The guest reads the host's own counter: what is native, and what is chosen here. */
                const char *mode = builder_choose(builder, timer, "@mode", "auto native emulate paravirt smpsafe");
                if (mode && strcmp(mode, "native") != 0 && strcmp(mode, "auto") != 0)
                        builder_not_here(
                                        builder, timer,
                                        "a TSC that is not the host's own, which is Xen's: leave out mode, or use mode='native'");
        } else
                builder_unsupported(builder, timer, "QEMU has no timer '%s'", name);
}

static void build_clock(Builder *builder) {
        xmlNode *clock = builder_element(builder, builder->root, "clock");
        const char *offset = builder_choose(builder, clock, "@offset", "utc localtime timezone variable absolute"),
                   *adjustment = builder_get(builder, clock, "@adjustment");
        bool local = builder_is(builder, clock, "@basis", "localtime") || g_strcmp0(offset, "localtime") == 0;
        g_autoptr(GString) rtc = g_string_new("base=");
        builder_choose(builder, clock, "@basis", "utc localtime");
        if ((!offset || strcmp(offset, "utc") == 0 || strcmp(offset, "localtime") == 0) && adjustment) {
                if (strcmp(adjustment, "reset") == 0) /* it begins anew at each start, as here always */
                        adjustment = NULL;
                else /* as libvirt reads it */
                        offset = "variable";
        }
        if (!offset || strcmp(offset, "utc") == 0)
                g_string_append(rtc, "utc");
        else if (strcmp(offset, "localtime") == 0)
                g_string_append(rtc, "localtime");
        else if (strcmp(offset, "timezone") == 0) {
                g_string_append(rtc, "localtime");
                g_ptr_array_add(builder->line->environment,
                                g_strdup_printf("TZ=%s", builder_require(builder, clock, "@timezone")));
        } else {
                gint64 time = g_get_real_time() / G_USEC_PER_SEC;
                if (strcmp(offset, "absolute") == 0)
                        time = (gint64) builder_number(builder, clock, "@start", 0, G_MAXINT64, 0);
                else {
                        char *end = NULL;
                        gint64 seconds = adjustment ? g_ascii_strtoll(adjustment, &end, 10) : 0;
                        if (adjustment && (*end || !*adjustment))
                                builder_invalid(builder, clock, "adjustment is '%.32s'; it must be a number of seconds",
                                                adjustment);
                        time += seconds;
                }
                bool by_local_time = local && strcmp(offset, "absolute") != 0;
                g_autoptr(GDateTime) date =
                                by_local_time ? g_date_time_new_from_unix_local(time) : g_date_time_new_from_unix_utc(time);
                g_autofree char *text = date ? g_date_time_format(date, "%Y-%m-%dT%H:%M:%S") : NULL;
                if (!text)
                        builder_invalid(builder, clock, "there is no such time");
                g_string_append(rtc, text ? text : "utc");
        }
        for_each (builder, timer, clock, "timer")
                build_timer(builder, timer, rtc);
        builder_add(builder, "-rtc", "%s", rtc->str);
}

/* Processors */

/* What libvirt calls otherwise than QEMU, besides '_' for '-'. */
static const char *cpu_feature_name(Builder *builder, const char *name) {
        if (strcmp(name, "pclmuldq") == 0)
                return "pclmulqdq";
        g_autofree char *text = g_strdelimit(g_strdup(name), "_", '-');
        return builder_format(builder, "%s", text);
}

/* QEMU computes these by what the guest's system does. */
static bool is_computed_feature(const char *name) {
        return strcmp(name, "osxsave") == 0 || strcmp(name, "ospke") == 0 || strcmp(name, "pconfig") == 0; /* removed in 3.1 */
}

static void build_cpu_features(Builder *builder, xmlNode *cpu, GString *option) {
        for_each (builder, feature, cpu, "feature") {
                const char *name = builder_require(builder, feature, "@name"),
                           *policy = builder_choose(builder, feature, "@policy", "force require optional disable forbid");
                if (!builder->error && !is_plain_name(name))
                        builder_invalid(builder, feature, "'%.64s' cannot be a feature's name", name);
                bool off = g_strcmp0(policy, "disable") == 0 || g_strcmp0(policy, "forbid") == 0;
                if (off && strcmp(name, "cvt16") == 0) /* AMD announced it, no processor has it, and QEMU has no such name */
                        continue;
                if (!is_computed_feature(name))
                        g_string_append_printf(option, ",%s=%s", cpu_feature_name(builder, name), off ? "off" : "on");
        }
}

/* Features that QEMU once gave to a model and has taken away: off, so that the guest has the same ones on each version. */
static void add_removed_features(xmlNode *cpu, const char *model, GString *option) {
        static const char *const removed[][2] = {
                { "Dhyana", "monitor" },          { "EPYC", "monitor" },
                { "EPYC-IBPB", "monitor" },       { "Opteron_G3", "monitor" },
                { "Icelake-Client", "intel-pt" }, { "Icelake-Client-noTSX", "intel-pt" },
                { "Icelake-Server", "intel-pt" }, { "Icelake-Server-noTSX", "intel-pt" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(removed); i++) {
                bool given = strcmp(model, removed[i][0]) != 0;
                for (xmlNode *feature = xml_child(cpu, "feature"); feature; feature = xml_next(feature, "feature"))
                        given |= xml_attribute_is(feature, "name", removed[i][1]);
                if (!given)
                        g_string_append_printf(option, ",%s=off", removed[i][1]);
        }
}

static void build_cpu_cache(Builder *builder, xmlNode *cpu, GString *option, bool host) {
        xmlNode *cache = builder_element(builder, cpu, "cache");
        const char *mode = builder_choose(builder, cache, "@mode", "emulate passthrough disable");
        uint64_t level = builder_number(builder, cache, "@level", 1, 3, 0);
        if (!mode)
                return;
        if (strcmp(mode, "emulate") == 0) {
                if (level > 0 && level != 3)
                        builder_unsupported(builder, cache, "mode 'emulate' is for level 3 only");
                g_string_append_printf(option, "%s,l3-cache=on", host ? ",host-cache-info=off" : "");
        } else if (strcmp(mode, "passthrough") == 0) {
                if (!host)
                        builder_unsupported(builder, cache,
                                            "mode 'passthrough' needs a processor of mode host-passthrough or maximum");
                g_string_append(option, ",host-cache-info=on,l3-cache=off");
        } else
                g_string_append_printf(option, "%s,l3-cache=off", host ? ",host-cache-info=off" : "");
}

static void build_cpu_address(Builder *builder, xmlNode *cpu, GString *option) {
        xmlNode *address = builder_element(builder, cpu, "maxphysaddr");
        const char *mode = builder_choose(builder, address, "@mode", "passthrough emulate");
        uint64_t bits = builder_number(builder, address, "@bits", 1, 64, 0),
                 limit = builder_number(builder, address, "@limit", 1, 64, 0);
        if (!address)
                return;
        if (g_strcmp0(mode, "passthrough") == 0) {
                if (bits > 0)
                        builder_unsupported(builder, address, "mode 'passthrough' goes without bits");
                g_string_append(option, ",host-phys-bits=on");
                if (limit > 0)
                        g_string_append_printf(option, ",host-phys-bits-limit=%" PRIu64, limit);
        } else if (bits == 0)
                builder_invalid(builder, address, "mode 'emulate' needs bits='...'");
        else
                g_string_append_printf(option, ",phys-bits=%" PRIu64, bits);
}

static void build_cpu(Builder *builder) {
        xmlNode *cpu = builder_element(builder, builder->root, "cpu");
        const char *mode = builder_choose(builder, cpu, "@mode", "custom host-model host-passthrough maximum"),
                   *model = builder_get(builder, cpu, "model");
        g_autoptr(GString) option = g_string_new(NULL);
        bool host = g_strcmp0(mode, "host-passthrough") == 0 || g_strcmp0(mode, "maximum") == 0;
        builder_know(builder, cpu, "@match @check model/@fallback model/@vendor_id vendor topology numa");
        if (g_strcmp0(mode, "host-passthrough") == 0) {
                if (!builder->kvm)
                        builder_unsupported(builder, cpu, "host-passthrough needs <domain type='kvm'>");
                g_string_append(option, "host");
        } else if (g_strcmp0(mode, "host-model") == 0)
                g_string_append(option, builder->kvm ? "host" : "max");
        else if (g_strcmp0(mode, "maximum") == 0)
                g_string_append(option, "max");
        else if (model && *model) {
                if (!is_plain_name(model))
                        builder_invalid(builder, builder_element(builder, cpu, "model"), "'%.64s' cannot be a processor's name",
                                        model);
                g_string_append(option, model);
                add_removed_features(cpu, model, option);
        } else {
                if (xml_child(cpu, "feature"))
                        builder_invalid(builder, cpu, "features need a <model>");
                /* QEMU's own choice, named so that it stays when QEMU's changes. */
                g_string_append(option, strstr(builder->context->emulator, "i386") ? "qemu32" : "qemu64");
        }
        if (builder_flag(builder, cpu, "@migratable") == 0 && host)
                g_string_append(option, ",migratable=off"); /* on is QEMU's default */
        build_cpu_features(builder, cpu, option);
        build_cpu_cache(builder, cpu, option, host);
        build_cpu_address(builder, cpu, option);
        builder_add(builder, "-cpu", "%s%s", option->str, builder->cpu->str);
}

/* Quotas of processor time in microseconds, of each period: the kernel's ranges. */
#define QUOTA_MIN 1000
#define QUOTA_MAX (UINT64_MAX / 1000000)
#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000

/* libvirt's names of what perf counts. */
#define PERF_EVENTS \
        "cmt mbmt mbml cpu_cycles instructions cache_references cache_misses branch_instructions branch_misses bus_cycles " \
        "stalled_cycles_frontend stalled_cycles_backend ref_cpu_cycles cpu_clock task_clock page_faults context_switches " \
        "cpu_migrations page_faults_min page_faults_maj alignment_faults emulation_faults"

/* sched(7) */
#define PRIORITY_MAX 99

/* How threads are scheduled: threads.c does it. */
static void check_thread_tuning(Builder *builder) {
        static const char *const owners[] = { "", "emulator_", "iothread_" };
        static const struct {
                const char *path, *numbers;
        } schedules[] = { { "vcpusched", "vcpus" }, { "iothreadsched", "iothreads" }, { "emulatorsched", NULL } };
        xmlNode *tune = builder_element(builder, builder->root, "cputune");
        for (size_t i = 0; i < G_N_ELEMENTS(owners); i++) {
                const char *quota = builder_format(builder, "%squota", owners[i]),
                           *period = builder_format(builder, "%speriod", owners[i]), *text = builder_get(builder, tune, quota);
                if (text && text[0] != '-') /* less than 0 is none */
                        builder_number(builder, tune, quota, QUOTA_MIN, QUOTA_MAX, 0);
                builder_number(builder, tune, period, PERIOD_MIN, PERIOD_MAX, 0);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(schedules); i++)
                for_each (builder, schedule, tune, schedules[i].path) {
                        const char *scheduler = builder_choose(builder, schedule, "@scheduler", "batch idle fifo rr");
                        bool is_real_time = scheduler && (strcmp(scheduler, "fifo") == 0 || strcmp(scheduler, "rr") == 0);
                        cpu_set_t set;
                        if (!scheduler)
                                builder_require(builder, schedule, "@scheduler");
                        if (is_real_time && !builder_get(builder, schedule, "@priority"))
                                builder_invalid(builder, schedule, "scheduler %s needs a priority from 1 to %d", scheduler,
                                                PRIORITY_MAX);
                        builder_number(builder, schedule, "@priority", 1, PRIORITY_MAX, 1);
                        if (schedules[i].numbers &&
                            !cpu_set_read(builder_require(builder, schedule,
                                                          builder_format(builder, "@%s", schedules[i].numbers)),
                                          &set))
                                builder_invalid(builder, schedule, "its %s are not a list such as 0-3,8", schedules[i].numbers);
                }
}

void build_cpus(Builder *builder) {
        const Definition *definition = builder->definition;
        xmlNode *topology = builder_element(builder, builder->root, "cpu/topology"),
                *vcpu = builder_element(builder, builder->root, "vcpu");
        g_autoptr(GString) smp = g_string_new(NULL);
        unsigned n_first = 0; /* those that a document names one by one, and that cannot be unplugged */
        for_each (builder, one, builder->root, "vcpus/vcpu")
                n_first += builder_is(builder, one, "@enabled", "yes") && builder_is(builder, one, "@hotpluggable", "no");
        g_string_printf(smp, "%u", n_first ? n_first : definition->vcpus);
        if (definition->max_vcpus != (n_first ? n_first : definition->vcpus))
                g_string_append_printf(smp, ",maxcpus=%u", definition->max_vcpus);
        if (topology) {
                uint64_t sockets = builder_number(builder, topology, "@sockets", 1, 4096, 1),
                         dies = builder_number(builder, topology, "@dies", 1, 4096, 1),
                         cores = builder_number(builder, topology, "@cores", 1, 4096, 1),
                         threads = builder_number(builder, topology, "@threads", 1, 4096, 1);
                g_string_append_printf(smp, ",sockets=%" PRIu64 ",dies=%" PRIu64 ",cores=%" PRIu64 ",threads=%" PRIu64, sockets,
                                       dies, cores, threads);
                if (!builder->context->to_show && sockets * dies * cores * threads != definition->max_vcpus)
                        builder_invalid(builder, topology,
                                        "the CPU topology is of %" PRIu64
                                        " vCPUs, which does not match the maximum vcpu count %u",
                                        sockets * dies * cores * threads, definition->max_vcpus);
        } else
                g_string_append_printf(smp, ",sockets=%u,cores=1,threads=1", definition->max_vcpus);
        builder_know(builder, vcpu, "@current");
        /* Where processors and memory are on the host is not QEMU's to know. */
        builder_know(builder, builder->root,
                     "cputune/shares cputune/global_quota cputune/global_period memtune/hard_limit "
                     "memtune/soft_limit memtune/swap_hard_limit blkiotune/weight");
        check_thread_tuning(builder);
        static const char *const done_here[][19] = {
                { "cputune", "shares", "global_quota", "global_period", "vcpupin", "emulatorpin", "iothreadpin", "vcpusched",
                  "iothreadsched", "emulatorsched", "quota", "period", "emulator_quota", "emulator_period", "iothread_quota",
                  "iothread_period", NULL },
                { "memtune", "hard_limit", "soft_limit", "swap_hard_limit", NULL },
                { "blkiotune", "weight", NULL },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(done_here); i++) {
                xmlNode *element = builder_element(builder, builder->root, done_here[i][0]);
                for (xmlNode *child = element ? xml_child(element, NULL) : NULL; child; child = xml_next(child, NULL))
                        if (!g_strv_contains(done_here[i] + 1, (const char *) child->name)) {
                                builder_know_turned_off(builder, child);
                                builder_not_here(builder, child, "this");
                        }
        }
        const char *partition = builder_get(builder, builder->root, "resource/partition");
        if (partition && strcmp(partition, "/machine") != 0) /* where every guest is */
                builder_not_here(builder, builder_element(builder, builder->root, "resource/partition"),
                                 "a partition other than /machine: leave it out");
        if (builder_element(builder, builder->root, "resource/fibrechannel")) {
                builder_know(builder, builder->root, "resource/fibrechannel");
                builder_not_here(builder, builder_element(builder, builder->root, "resource/fibrechannel"),
                                 "an application ID of its own");
        }
        for_each (builder, event, builder->root, "perf/event") {
                builder_choose(builder, event, "@name", PERF_EVENTS);
                if (builder_flag(builder, event, "@enabled") == 1)
                        builder_not_here(builder, event, "events of its processors counted: leave out <perf>, and use perf stat");
        }
        if (builder_element(builder, builder->root, "idmap")) {
                builder_know(builder, builder->root, "idmap");
                builder_not_here(builder, builder_element(builder, builder->root, "idmap"),
                                 "a map of users: that is for containers");
        }
        builder_get(builder, vcpu, "@cpuset");
        if (builder_is(builder, vcpu, "@placement", "auto"))
                builder_not_here(builder, vcpu, "processors bound by numad's choice: name them in cpuset");
        builder_choose(builder, vcpu, "@placement", "static auto");
        for_each (builder, one, builder->root, "vcpus/vcpu") {
                builder_know(builder, one, "@id @enabled @hotpluggable @order");
                if (builder_is(builder, one, "@enabled", "no") || builder_get(builder, one, "@order"))
                        builder_not_here(builder, one, "processors of its choosing: give their number in <vcpu current='...'>");
        }
        builder_add(builder, "-smp", "%s", smp->str);
}

static void add_io_thread(Builder *builder, xmlNode *thread, uint64_t id) {
        static const Property properties[] = {
                { "@thread_pool_min", "thread-pool-min", PROPERTY_NUMBER },
                { "@thread_pool_max", "thread-pool-max", PROPERTY_NUMBER },
        };
        JsonObject *object =
                        json_make("qom-type", 's', "iothread", "id", 's', builder_format(builder, "iothread%" PRIu64, id), NULL);
        if (thread)
                builder_copy_properties(builder, thread, object, properties, G_N_ELEMENTS(properties));
        builder_add_json(builder, "-object", object);
}

/* Which threads are bound to which processors of the host: threads.c does it. */
static void check_pins(Builder *builder) {
        xmlNode *tune = builder_element(builder, builder->root, "cputune");
        static const char *const kinds[] = { "vcpupin", "iothreadpin", "emulatorpin" };
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                for_each (builder, pin, tune, kinds[i]) {
                        cpu_set_t set;
                        const char *text = builder_require(builder, pin, "@cpuset");
                        if (*text && !cpu_set_read(text, &set))
                                builder_invalid(builder, pin, "cpuset is '%.64s'; it must be a list such as 0-3,8", text);
                        if (i == 0 && *builder_require(builder, pin, "@vcpu") &&
                            builder_number(builder, pin, "@vcpu", 0, UINT32_MAX, 0) >= builder->definition->max_vcpus)
                                builder_invalid(builder, pin, "there is no processor %s: the last is %u",
                                                builder_get(builder, pin, "@vcpu"), builder->definition->max_vcpus - 1);
                        else if (i == 1 && *builder_require(builder, pin, "@iothread"))
                                builder_io_thread(builder, pin, "@iothread");
                }
}

static void build_io_threads(Builder *builder) {
        uint64_t n = builder_number(builder, builder->root, "iothreads", 0, IO_THREADS_MAX, 0), made = 0;
        g_autoptr(GHashTable) ids = g_hash_table_new(g_direct_hash, g_direct_equal);
        for_each (builder, thread, builder->root, "iothreadids/iothread") {
                uint64_t id = builder_number(builder, thread, "@id", 1, UINT32_MAX, 0);
                if (id == 0 || !g_hash_table_add(ids, GUINT_TO_POINTER((guint) id)))
                        builder_invalid(builder, thread, "its id must be a number above 0 that no other has");
                add_io_thread(builder, thread, id);
                made++;
        }
        for (uint64_t id = 1; made < n; id++)
                if (!g_hash_table_contains(ids, GUINT_TO_POINTER((guint) id))) {
                        add_io_thread(builder, NULL, id);
                        made++;
                }
        xmlNode *main_loop = builder_element(builder, builder->root, "defaultiothread");
        if (main_loop) {
                JsonObject *object = json_make("qom-type", 's', "main-loop", "id", 's', "main-loop", NULL);
                json_add(object, "thread-pool-min", 'i',
                         (gint64) builder_number(builder, main_loop, "@thread_pool_min", 0, 4096, 0), "thread-pool-max", 'i',
                         (gint64) builder_number(builder, main_loop, "@thread_pool_max", 1, 4096, 64), NULL);
                builder_add_json(builder, "-object", object);
        }
}

/* Firmware */

static const char *state_text(int state) {
        return state < 0 ? "on or off" : state ? "on" : "off";
}

/* A loader's file is code that is mapped as flash, with variables in a second one or in itself; or a BIOS that is read. */
void build_firmware(Builder *builder) {
        xmlNode *os = builder_element(builder, builder->root, "os"), *loader = builder_element(builder, os, "loader"),
                *nvram = builder_element(builder, os, "nvram");
        const char *firmware = builder_choose(builder, os, "@firmware", "bios efi"),
                   *type = builder_choose(builder, loader, "@type", "pflash rom"), *path = builder_get(builder, loader, "");
        int stateless = builder_flag(builder, loader, "@stateless"), secure = builder_flag(builder, loader, "@secure");
        builder_choose(builder, loader, "@format", "raw qcow2");
        bool efi = g_strcmp0(firmware, "efi") == 0, pflash = g_strcmp0(type, "pflash") == 0;
        bool read_only = efi || builder_flag(builder, loader, "@readonly") == 1, boot_secure = secure == 1;
        builder_flag(builder, loader, "@readonly");
        int enrolled = -1, secure_boot = -1;
        for_each (builder, feature, os, "firmware/feature") {
                const char *name = builder_choose(builder, feature, "@name", "enrolled-keys secure-boot");
                int enabled = builder_flag(builder, feature, "@enabled");
                if (g_strcmp0(name, "enrolled-keys") == 0)
                        enrolled = enabled;
                else if (g_strcmp0(name, "secure-boot") == 0)
                        secure_boot = enabled;
        }
        if (enrolled == 1 && secure_boot == 0)
                builder_invalid(builder, builder_element(builder, os, "firmware"),
                                "enrolled-keys cannot be on where secure-boot is off");
        bool named = path && *path;
        /* libvirt writes down what it has chosen: the file with its kind. One that was merely named is a contradiction. */
        if (firmware && (named ? !efi || !pflash || builder_flag(builder, loader, "@readonly") != 1
                               : type || builder_flag(builder, loader, "@readonly") >= 0))
                builder_invalid(builder, loader,
                                "with firmware='%s' the loader is chosen: leave out its file, its type and readonly, or say "
                                "type='pflash' readonly='yes' with the file",
                                firmware);
        if (g_strcmp0(firmware, "bios") == 0 && nvram)
                builder_invalid(builder, nvram, "firmware 'bios' has no variables to keep: leave it out");
        builder_know(builder, nvram, "@template @type @format @templateFormat");
        builder_get(builder, nvram, "");
        if (!efi && !pflash) {
                if (g_strcmp0(firmware, "bios") == 0)
                        return;
                if (path && *path)
                        builder_add(builder, "-bios", "%s", builder_escape(builder, builder_pass_to_read(builder, loader, path)));
                return;
        }
        if (pflash && !(path && *path))
                builder_invalid(builder, loader, "a loader of type pflash needs its file");
        boot_secure |= secure_boot == 1 || enrolled == 1;
        if (boot_secure && !builder->q35)
                builder_unsupported(builder, os, "secure boot needs machine q35");
        g_autoptr(Firmware) chosen = firmware_choose(builder->root, builder->definition);
        if (!chosen) {
                builder_unsupported(builder, os,
                                    "no UEFI firmware for machine %s with secure boot %s and enrolled keys %s is installed; "
                                    "install ovmf, or change <firmware><feature .../>",
                                    builder->definition->machine, state_text(secure_boot), state_text(enrolled));
                return;
        }
        if (efi && named && !firmware_fits(chosen, builder->root, builder->definition))
                builder_invalid(builder, loader, "its file is firmware %s secure boot: change that, or <firmware><feature .../>",
                                chosen->secure_boot ? "with" : "without");
        if (boot_secure || (efi && !named && chosen->needs_smm)) {
                if (builder_is(builder, builder->root, "features/smm/@state", "off"))
                        builder_invalid(builder, os, "secure boot needs <features><smm state='on'/>");
                if (builder->q35)
                        builder_add(builder, "-global", "driver=cfi.pflash01,property=secure,value=on");
                if (!strstr(builder->machine->str, ",smm="))
                        g_string_append(builder->machine, ",smm=on");
        }
        g_string_append_printf(builder->machine, ",pflash0=%s",
                               build_flat_node(builder, os, "pflash0", chosen->code, chosen->format, read_only,
                                               builder_file(builder, os)));
        if (stateless == 1 || !read_only)
                return;
        g_autofree char *variables = firmware_variables(builder->root);
        g_autofree char *own = firmware_nvram(builder->context->connection, builder->definition->uuid);
        g_autofree char *format = firmware_variables_format(builder->root, chosen);
        const char *template_format = builder_get(builder, nvram, "@templateFormat");
        const File *file = builder_file(builder, firmware_variables_element(builder->root));
        if (!template_format && !builder_get(builder, nvram, "@template"))
                template_format = chosen->variables_format;
        if (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0)
                builder_invalid(builder, nvram, "format is '%.16s'; it must be raw or qcow2", format);
        else if (template_format && strcmp(format, template_format) != 0)
                builder_unsupported(builder, nvram ? nvram : os,
                                    "the template of its variables has format %.16s, and they %s: they are copied as they are",
                                    template_format, format);
        if (nvram && builder_is(builder, nvram, "@type", "network")) {
                builder_not_here(builder, nvram, "UEFI variables on a network");
                g_string_append_printf(builder->machine, ",pflash1=%s",
                                       build_flat_node(builder, nvram, "pflash1", "", "raw", false, NULL));
                builder_know(builder, nvram, "source");
        } else if (file || !builder->files)
                g_string_append_printf(builder->machine, ",pflash1=%s",
                                       build_flat_node(builder, nvram ? nvram : os, "pflash1", variables ? variables : own,
                                                       format, false, file));
        if (builder_get(builder, nvram, "@type"))
                builder_know(builder, nvram, "source/@file source/@dev source/seclabel");
}

/* Boot */

static void build_kernel_file(Builder *builder, const char *option, const char *path) {
        xmlNode *element = builder_element(builder, builder->root, path);
        const char *file = element ? builder_get(builder, element, "") : NULL;
        if (file && *file) /* an empty element is none */
                builder_add(builder, option, "%s", builder_pass_to_read(builder, element, file));
}

void build_boot(Builder *builder) {
        static const char *const devices[] = { "hd", "cdrom", "network", "fd" };
        xmlNode *os = builder_element(builder, builder->root, "os"), *menu = builder_element(builder, os, "bootmenu");
        g_autoptr(GString) boot = g_string_new(NULL);
        unsigned order = 0;
        for_each (builder, element, os, "boot") {
                const char *device = builder_choose(builder, element, "@dev", "hd cdrom network fd");
                size_t i = 0;
                while (device && strcmp(device, devices[i]) != 0)
                        i++;
                if (!device) {
                        builder_invalid(builder, element, "its attribute dev is missing");
                        break;
                }
                builder->order_by_kind = true;
                if (builder->order[i] == 0)
                        builder->order[i] = ++order;
        }
        for (guint i = 0; builder->order_by_kind && i < builder->definition->devices->len; i++)
                if (((DeviceDefinition *) builder->definition->devices->pdata[i])->boot > 0)
                        builder_invalid(builder, builder_element(builder, os, "boot"),
                                        "<os><boot dev='...'/> and per-device <boot order='...'/> elements cannot be used "
                                        "together");
        int enabled = builder_flag(builder, menu, "@enable");
        uint64_t timeout = builder_number(builder, menu, "@timeout", 0, 65535, 0);
        if (enabled >= 0)
                g_string_append_printf(boot, "menu=%s,", enabled ? "on" : "off");
        if (timeout > 0 && enabled == 1)
                g_string_append_printf(boot, "splash-time=%" PRIu64 ",", timeout);
        xmlNode *bios = builder_element(builder, os, "bios");
        const char *reboot = builder_get(builder, bios, "@rebootTimeout");
        if (reboot) {
                char *end;
                gint64 value = g_ascii_strtoll(reboot, &end, 10);
                if (*end || !*reboot || value < -1 || value > 65535)
                        builder_invalid(builder, bios, "rebootTimeout is '%.16s'; it must be from -1 to 65535", reboot);
                g_string_append_printf(boot, "reboot-timeout=%" G_GINT64_FORMAT ",", value);
        }
        if (builder_flag(builder, bios, "@useserial") == 1) /* what it shows goes to the first serial port */
                g_string_append(builder->machine, ",graphics=off");
        g_string_append(boot, "strict=on");
        builder_add(builder, "-boot", "%s", boot->str);
        build_kernel_file(builder, "-kernel", "os/kernel");
        build_kernel_file(builder, "-initrd", "os/initrd");
        build_kernel_file(builder, "-dtb", "os/dtb");
        const char *cmdline = builder_get(builder, os, "cmdline"), *shim = builder_get(builder, os, "shim");
        if (cmdline && *cmdline)
                builder_add(builder, "-append", "%s", cmdline);
        if (shim)
                builder_unsupported(builder, builder_element(builder, os, "shim"), "QEMU 7.2 has no option for it");
        xmlNode *table = builder_element(builder, os, "acpi/table");
        if (table) {
                builder_choose(builder, table, "@type", "slic");
                const char *file = builder_get(builder, table, "");
                if (*file) /* as above */
                        builder_add(builder, "-acpitable", "sig=SLIC,file=%s",
                                    builder_escape(builder, builder_pass_to_read(builder, table, file)));
        }
}

/* SMBIOS, and firmware configuration */

static void build_smbios_type(Builder *builder, xmlNode *block, unsigned type) {
        /* The entries of each type, in QEMU's order; QEMU's names but for two. */
        static const struct {
                unsigned type;
                const char *entry, *name;
        } entries[] = {
                { 0, "vendor", "vendor" },
                { 0, "version", "version" },
                { 0, "date", "date" },
                { 0, "release", "release" },
                { 1, "manufacturer", "manufacturer" },
                { 1, "product", "product" },
                { 1, "version", "version" },
                { 1, "serial", "serial" },
                { 1, "uuid", "uuid" },
                { 1, "sku", "sku" },
                { 1, "family", "family" },
                { 2, "manufacturer", "manufacturer" },
                { 2, "product", "product" },
                { 2, "version", "version" },
                { 2, "serial", "serial" },
                { 2, "asset", "asset" },
                { 2, "location", "location" },
                { 3, "manufacturer", "manufacturer" },
                { 3, "version", "version" },
                { 3, "serial", "serial" },
                { 3, "asset", "asset" },
                { 3, "sku", "sku" },
        };
        g_autoptr(GString) option = g_string_new(NULL);
        g_string_printf(option, "type=%u", type);
        gsize empty = option->len;
        for_each (builder, entry, block, "entry") {
                const char *name = type == 11 ? "" : builder_require(builder, entry, "@name"),
                           *value = builder_get(builder, entry, "");
                bool found = type == 11;
                for (size_t i = 0; i < G_N_ELEMENTS(entries) && !found; i++)
                        found = entries[i].type == type && strcmp(entries[i].entry, name) == 0;
                if (!found)
                        builder_unsupported(builder, entry, "QEMU has no entry '%.32s' here", name);
                if (type == 1 && strcmp(name, "uuid") == 0) {
                        g_autofree char *uuid = uuid_normalize(value);
                        if (g_strcmp0(uuid, builder->definition->uuid) != 0)
                                builder_invalid(builder, entry, "it is not the domain's UUID, %s", builder->definition->uuid);
                        value = builder->definition->uuid;
                }
                g_string_append_printf(option, ",%s=%s", type == 11 ? "value" : name, builder_escape(builder, value));
        }
        /* These two are said without a manufacturer, too, as libvirt says them: QEMU's own would be another. */
        bool is_named = strstr(option->str, ",manufacturer=") || (type != 2 && type != 3);
        if (option->len > empty)
                builder_add(builder, "-smbios", "%s%s", option->str, is_named ? "" : ",manufacturer=");
}

static void build_firmware_entry(Builder *builder, xmlNode *entry) {
        const char *name = builder_require(builder, entry, "@name"), *path = builder_get(builder, entry, "@file");
        if (!g_str_has_prefix(name, "opt/"))
                builder_invalid(builder, entry, "'%.64s' is not a user's: its name must begin with opt/", name);
        if (path)
                builder_add(builder, "-fw_cfg", "name=%s,file=%s", builder_escape(builder, name),
                            builder_escape(builder, builder_pass_to_read(builder, entry, path)));
        else
                builder_add(builder, "-fw_cfg", "name=%s,string=%s", builder_escape(builder, name),
                            builder_escape(builder, builder_get(builder, entry, "")));
}

/* What the host's own firmware says of it; its UUID stays its own. The kernel has it in memory: reading it does not wait. */
static void build_host_information(Builder *builder) {
        static const struct {
                unsigned type;
                const char *name, *file;
        } entries[] = {
                { 0, "vendor", "bios_vendor" },      { 0, "version", "bios_version" },      { 0, "date", "bios_date" },
                { 0, "release", "bios_release" },    { 1, "manufacturer", "sys_vendor" },   { 1, "product", "product_name" },
                { 1, "version", "product_version" }, { 1, "serial", "product_serial" },     { 1, "sku", "product_sku" },
                { 1, "family", "product_family" },   { 2, "manufacturer", "board_vendor" }, { 2, "product", "board_name" },
                { 2, "version", "board_version" },   { 2, "serial", "board_serial" },       { 2, "asset", "board_asset_tag" },
        };
        bool any = false;
        for (unsigned type = 0; type <= 2; type++) {
                g_autoptr(GString) option = g_string_new(NULL);
                for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
                        g_autofree char *path = g_build_filename(DMI, entries[i].file, NULL), *text = NULL;
                        if (entries[i].type == type && g_file_get_contents(path, &text, NULL, NULL) && *g_strstrip(text))
                                g_string_append_printf(option, ",%s=%s", entries[i].name, builder_escape(builder, text));
                }
                if (option->len > 0)
                        builder_add(builder, "-smbios", "type=%u%s", type, option->str);
                any |= option->len > 0;
        }
        if (!any)
                builder_unsupported(builder, builder_element(builder, builder->root, "os/smbios"),
                                    "this machine's firmware tells nothing of it (" DMI "): use mode='emulate', or 'sysinfo'");
}

static void build_system_information(Builder *builder) {
        static const struct {
                const char *block;
                unsigned type;
        } blocks[] = { { "bios", 0 }, { "system", 1 }, { "baseBoard", 2 }, { "chassis", 3 }, { "oemStrings", 11 } };
        const char *mode = builder_choose(builder, builder->root, "os/smbios/@mode", "emulate host sysinfo");
        if (g_strcmp0(mode, "host") == 0 && builder->files)
                build_host_information(builder);
        for_each (builder, info, builder->root, "sysinfo") {
                const char *type = builder_choose(builder, info, "@type", "smbios fwcfg");
                if (g_strcmp0(type, "fwcfg") == 0) {
                        for_each (builder, entry, info, "entry")
                                build_firmware_entry(builder, entry);
                } else if (g_strcmp0(mode, "sysinfo") == 0)
                        for (size_t i = 0; i < G_N_ELEMENTS(blocks); i++)
                                for_each (builder, block, info, blocks[i].block)
                                        build_smbios_type(builder, block, blocks[i].type);
                builder_know(builder, builder->root, "sysinfo");
        }
}

/* A label that libvirt would choose: with what it has chosen, where the document is a running guest's. */
static bool says_nothing(const xmlNode *label, const char *type) {
        return g_strcmp0(type, "none") == 0 ||
               (g_strcmp0(type, "static") != 0 && !xml_child(label, "baselabel") && !xml_attribute_is(label, "relabel", "no") &&
                (type || !xml_child(label, "label")));
}

/* Images are what the driver opens: their labels are never changed. */
static bool is_left_alone(const xmlNode *label) {
        return !xml_child(label, "label") && !xml_attribute_is(label, "relabel", "yes");
}

/* Security labels are of other confinements than this driver's. */
static void build_security(Builder *builder) {
        g_autoptr(GHashTable) models = g_hash_table_new(g_str_hash, g_str_equal);
        for_each (builder, label, builder->root, "seclabel") {
                const char *type = builder_choose(builder, label, "@type", "dynamic static none"),
                           *model = builder_get(builder, label, "@model");
                if (!g_hash_table_add(models, (void *) (model ? model : "")))
                        builder_invalid(builder, label, "there is a label of model '%.32s' already", model ? model : "");
                if (!says_nothing(label, type))
                        builder_not_here(builder, label,
                                         "a security label of the document's choosing: every guest runs as one user, in a "
                                         "sandbox; leave it out");
                builder_know(builder, label, "@relabel label imagelabel baselabel");
        }
        for_each (builder, label, builder->root, "seclabel")
                if (g_hash_table_size(models) > 1 && !builder_get(builder, label, "@model"))
                        builder_invalid(builder, label,
                                        "where there are multiple security labels, each needs its model, which is missing here");
        builder_know(builder, builder->root, "seclabel");
        for (xmlNode *device = xml_child(builder->devices, NULL); device; device = xml_next(device, NULL)) {
                xmlNode *source = xml_child(device, "source"), *first = xml_child(source, "seclabel");
                for (xmlNode *label = first; label; label = xml_next(label, "seclabel"))
                        if (!is_left_alone(label))
                                builder_not_here(builder, label, "a label of its own for an image: leave it out");
                if (first && xml_next(first, "seclabel"))
                        for (xmlNode *label = first; label; label = xml_next(label, "seclabel"))
                                if (!xmlHasProp(label, (const xmlChar *) "model"))
                                        builder_invalid(builder, label, "where there are several labels, each needs a model");
        }
}

/* What QEMU does with what will go away. */
static void build_deprecation(Builder *builder, xmlNode *element) {
        static const char *const behaviors[][2] = {
                { "none", NULL }, { "omit", NULL }, { "reject", "reject" }, { "crash", "crash" }
        };
        const char *behavior = builder_choose(builder, element, "@behavior", "none omit reject crash");
        if (!behavior)
                builder_require(builder, element, "@behavior");
        for (size_t i = 0; behavior && i < G_N_ELEMENTS(behaviors); i++)
                if (strcmp(behavior, behaviors[i][0]) == 0 && i > 0)
                        builder_add_json(builder, "-compat",
                                         json_make("deprecated-output", 's', "hide", "deprecated-input", 's', behaviors[i][1],
                                                   NULL));
}

/* The author's own values of devices' properties, which add_device has set: each must have found its device. */
static void check_override(Builder *builder, xmlNode *override) {
        for (xmlNode *device = xml_child(override, NULL); device; device = xml_next(device, NULL)) {
                const char *alias = builder_require(builder, device, "@alias");
                device->_private = device;
                if (!builder->error && (!xml_is(device, "device") || !definition_find_device(builder->definition, alias)))
                        builder_invalid(builder, device, "there is no device '%.64s'", alias);
        }
}

/* Arguments of the author's own, in libvirt's namespace for them. */
void build_passthrough_arguments(Builder *builder) {
        for (xmlNode *element = xml_child(builder->root, NULL); element; element = xml_next(element, NULL)) {
                if (!element->ns || strcmp((const char *) element->ns->href, QEMU_NAMESPACE) != 0)
                        continue;
                element->_private = element;
                if (xml_is(element, "capabilities")) { /* what libvirt shall think of QEMU: this driver asks QEMU itself */
                        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                                child->_private = child;
                                if (!xml_is(child, "add") && !xml_is(child, "del"))
                                        builder_unsupported(builder, child,
                                                            "the QEMU driver does not know this element; leave it out");
                                builder_require(builder, child, "@capability");
                        }
                        continue;
                }
                if (xml_is(element, "deprecation")) {
                        build_deprecation(builder, element);
                        continue;
                }
                if (xml_is(element, "override")) {
                        check_override(builder, element);
                        continue;
                }
                if (!xml_is(element, "commandline")) {
                        builder_unsupported(builder, element, "the QEMU driver does not know this element; leave it out");
                        return;
                }
                for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                        child->_private = child;
                        if (xml_is(child, "arg"))
                                g_ptr_array_add(builder->line->arguments, g_strdup(builder_require(builder, child, "@value")));
                        else if (xml_is(child, "env")) {
                                const char *value = builder_get(builder, child, "@value"),
                                           *name = builder_require(builder, child, "@name");
                                if (!builder->error && (!is_plain_name(name) || g_ascii_isdigit(name[0])))
                                        builder_invalid(builder, child, "'%.64s' cannot be a variable's name", name);
                                g_ptr_array_add(builder->line->environment, g_strdup_printf("%s=%s", name, value ? value : ""));
                        } else
                                builder_unsupported(builder, child, "the QEMU driver does not know this element; leave it out");
                }
        }
}

void build_machine(Builder *builder) {
        const Definition *definition = builder->definition;
        xmlNode *type = builder_element(builder, builder->root, "os/type");
        g_autoptr(GString) accelerator = g_string_new(builder->kvm ? "kvm" : "tcg");
        builder_know(builder, builder->root,
                     "@type @id name uuid title description metadata memory currentMemory on_poweroff on_reboot on_crash "
                     "on_lockfailure "
                     "bootloader bootloader_args devices/emulator");
        builder_get(builder, type, "");
        builder_know(builder, type, "@arch @machine");
        if (strcmp(definition->type, "kvm") != 0 && strcmp(definition->type, "qemu") != 0)
                builder_unsupported(builder, builder->root, "type '%.32s' is not QEMU's; use kvm or qemu", definition->type);
        if (strcmp(definition->os_type, "hvm") != 0)
                builder_unsupported(builder, type, "type '%.32s' is not QEMU's; use hvm", definition->os_type);
        if (definition->machine[0] && !is_plain_name(definition->machine))
                builder_invalid(builder, type, "'%.64s' cannot be a machine's name", definition->machine);
        static const char *const without_pci[] = { "isapc", "microvm", "none", NULL };
        if (g_strv_contains(without_pci, definition->machine))
                builder_not_here(builder, type,
                                 "a machine that has no PCI bus, where its devices are: use machine='q35' or 'pc'");
        g_string_append(builder->machine, definition->machine[0] ? definition->machine : "pc");
        g_string_append(builder->machine, ",usb=off,dump-guest-core=");
        g_string_append(builder->machine, builder_is(builder, builder->root, "memory/@dumpCore", "on") ? "on" : "off");
        xmlNode *identity = builder_element(builder, builder->root, "genid");
        if (identity) {
                const char *text = builder_get(builder, identity, "");
                g_autofree char *uuid = *text ? uuid_normalize(text) : g_uuid_string_random();
                if (!uuid)
                        builder_invalid(builder, identity, "'%.64s' is not a UUID", text);
                builder_add_json(builder, "-device",
                                 json_make("driver", 's', "vmgenid", "guid", 's', uuid, "id", 's', "vmgenid0", NULL));
        }
        build_features(builder, accelerator);
        build_power_management(builder);
        build_clock(builder);
        build_io_threads(builder);
        check_pins(builder);
        build_system_information(builder);
        build_security(builder);
        for (xmlNode *panic = xml_child(builder->devices, "panic"); panic; panic = xml_next(panic, "panic"))
                if (xml_attribute_is(panic, "model", "hyperv"))
                        g_string_append(builder->cpu, ",hv-crash=on");
        build_cpu(builder);
        builder_add(builder, "-accel", "%s", accelerator->str);
        static const char *const not_qemus[] = { "bootloader", "bootloader_args" };
        for (size_t i = 0; i < G_N_ELEMENTS(not_qemus); i++)
                if (xml_child(builder->root, not_qemus[i]))
                        builder_not_here(builder, builder_element(builder, builder->root, not_qemus[i]),
                                         "a boot loader of the host, as Xen has: leave it out");
        const char *crash = builder_get(builder, builder->root, "on_crash");
        if (crash && g_str_has_prefix(crash, "coredump-"))
                builder_not_here(builder, builder_element(builder, builder->root, "on_crash"),
                                 "a dump of its own when it crashes: use preserve, and Dump");
        builder_know(builder, builder->root, "launchSecurity/@none perf/@none");
}
