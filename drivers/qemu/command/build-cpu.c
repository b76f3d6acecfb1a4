/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-cpu.h"

#include <inttypes.h>
#include <string.h>

#include "domain/vcpu-list.h"
#include "qemu/command/build-threads.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

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
                if (!builder->error && !builder_is_plain_name(name))
                        builder_invalid(builder, feature,
                                        "'%.64s' is not a name of a feature: use letters, digits, '-', '_' and '.'", name);
                bool off = g_strcmp0(policy, "disable") == 0 || g_strcmp0(policy, "forbid") == 0;
                if (off && strcmp(name, "cvt16") == 0) /* AMD announced it, no processor has it, and QEMU has no such name */
                        continue;
                const Capabilities *capabilities = builder->context->capabilities;
                if (!builder->error && capabilities && !is_computed_feature(name) &&
                    !capabilities_has_feature(capabilities, cpu_feature_name(builder, name)))
                        builder_unsupported(builder, feature,
                                            "this QEMU, %s, knows no feature '%.64s' of processors: leave it out, or correct its "
                                            "name",
                                            capabilities_version(capabilities), name);
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

void build_cpu(Builder *builder) {
        xmlNode *cpu = builder_element(builder, builder->root, "cpu");
        const char *mode = builder_choose(builder, cpu, "@mode", "custom host-model host-passthrough maximum"),
                   *model = builder_get(builder, cpu, "model");
        g_autoptr(GString) option = g_string_new(NULL);
        const Capabilities *capabilities = builder->context->capabilities;
        bool host = g_strcmp0(mode, "host-passthrough") == 0 || g_strcmp0(mode, "maximum") == 0;
        builder_know(builder, cpu, "@match @check model/@fallback vendor topology numa");
        if (g_strcmp0(mode, "host-passthrough") == 0) {
                if (!builder->kvm)
                        builder_unsupported(builder, cpu, "host-passthrough needs <domain type='kvm'>");
                g_string_append(option, "host");
        } else if (g_strcmp0(mode, "host-model") == 0) {
                g_string_append(option, builder->kvm ? "host" : "max");
                if (model && *model && builder->kind->has_bridges) { /* the host's, as an older one */
                        if (!builder_is_plain_name(model))
                                builder_invalid(builder, builder_element(builder, cpu, "model"),
                                                "'%.64s' is not a name of a processor: use letters, digits, '-', '_' and '.'",
                                                model);
                        g_string_append_printf(builder->machine, ",max-cpu-compat=%s", builder_escape(builder, model));
                }
        } else if (g_strcmp0(mode, "maximum") == 0)
                g_string_append(option, "max");
        else if (model && *model) {
                if (!builder_is_plain_name(model))
                        builder_invalid(builder, builder_element(builder, cpu, "model"),
                                        "'%.64s' is not a name of a processor: use letters, digits, '-', '_' and '.'", model);
                else if (capabilities && !capabilities_has_cpu(capabilities, builder->kvm, model))
                        builder_unsupported(builder, builder_element(builder, cpu, "model"),
                                            "this QEMU, %s, has no processor model '%.64s'; the connection's capabilities list "
                                            "those that it has",
                                            capabilities_version(capabilities), model);
                g_string_append(option, model);
                add_removed_features(cpu, model, option);
        } else {
                if (xml_child(cpu, "feature"))
                        builder_invalid(builder, cpu, "features need a <model>");
                /* QEMU's own choice, named so that it stays when QEMU's changes. */
                if (!builder->kind->processor && builder->cpu->len == 0)
                        return; /* the board has one */
                g_string_append(option, strstr(builder->context->emulator, "i386") ? "qemu32"
                                        : builder->kind->processor                 ? builder->kind->processor
                                                                                   : "max");
        }
        const char *vendor = builder_get(builder, cpu, "model/@vendor_id");
        if (vendor)
                g_string_append_printf(option, ",vendor=%s", builder_escape(builder, vendor));
        if (builder_switch(builder, cpu, "@migratable") == 0 && host)
                g_string_append(option, ",migratable=off"); /* on is QEMU's default */
        build_cpu_features(builder, cpu, option);
        build_cpu_cache(builder, cpu, option, host);
        build_cpu_address(builder, cpu, option);
        builder_add(builder, "-cpu", "%s%s", option->str, builder->cpu->str);
}

/* libvirt's names of what perf counts. */
#define PERF_EVENTS \
        "cmt mbmt mbml cpu_cycles instructions cache_references cache_misses branch_instructions branch_misses bus_cycles " \
        "stalled_cycles_frontend stalled_cycles_backend ref_cpu_cycles cpu_clock task_clock page_faults context_switches " \
        "cpu_migrations page_faults_min page_faults_maj alignment_faults emulation_faults"

void build_cpus(Builder *builder) {
        const Definition *definition = builder->definition;
        xmlNode *topology = builder_element(builder, builder->root, "cpu/topology"),
                *vcpu = builder_element(builder, builder->root, "vcpu");
        g_autoptr(GString) smp = g_string_new(NULL);
        uint32_t n_first = vcpu_list_first(builder->root, definition->vcpus); /* guest/processors.c plugs the others */
        g_string_printf(smp, "%u", n_first);
        if (definition->max_vcpus != n_first)
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
        build_thread_tuning_check(builder);
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
                                builder_not_here(builder, child,
                                                 builder_format(builder, "a <%s> of <%s>: leave it out",
                                                                (const char *) child->name, done_here[i][0]));
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
        for_each (builder, one, builder->root, "vcpus/vcpu")
                builder_know(builder, one, "@id @enabled @hotpluggable @order");
        builder_add(builder, "-smp", "%s", smp->str);
}
