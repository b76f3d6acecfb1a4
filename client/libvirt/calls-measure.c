/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is measured of a guest when somebody asks for it: how fast it writes its memory; and events of its processors, none of
 * which are counted. */

#include <string.h>

#include "calls.h"
#include "rows.h"

#define DOMAIN INTERFACE("Domain")
#define SECONDS_MIN 1
#define SECONDS_MAX 60

/* Modes: of a bit each; without one, pages are sampled. */
#define MODE_BITMAP 1
#define MODE_RING 2

static const FlagOption rate_flags[] = { { MODE_BITMAP, NULL }, { MODE_RING, NULL }, {} };

static void measure(Call *call) {
        int32_t seconds;
        unsigned n_modes = (unsigned) __builtin_popcount(call->flags);
        g_auto(GVariantDict) options;
        g_variant_dict_init(&options, NULL);
        g_variant_get_child(call->arguments, 1, "i", &seconds);
        if (n_modes > 1) {
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: the modes of measuring exclude each other");
                return;
        }
        if (seconds < SECONDS_MIN || seconds > SECONDS_MAX) {
                call_refuse(call, LIBVIRT_CONFIG_UNSUPPORTED,
                            "unsupported configuration: seconds=%d is invalid, please choose value within [%d, %d].", seconds,
                            SECONDS_MIN, SECONDS_MAX);
                return;
        }
        if (call->flags & (MODE_BITMAP | MODE_RING))
                g_variant_dict_insert(&options, "mode", "s", call->flags & MODE_BITMAP ? "dirty-bitmap" : "dirty-ring");
        call_ask(call, call->domain, DOMAIN, "MeasureDirtyRate",
                 g_variant_new("(u@a{sv})", (uint32_t) seconds, g_variant_dict_end(&options)), "()", step_answer_nothing);
}

/* In libvirt's order. */
static const char *const events[] = { "cmt",
                                      "mbmt",
                                      "mbml",
                                      "cpu_cycles",
                                      "instructions",
                                      "cache_references",
                                      "cache_misses",
                                      "branch_instructions",
                                      "branch_misses",
                                      "bus_cycles",
                                      "stalled_cycles_frontend",
                                      "stalled_cycles_backend",
                                      "ref_cpu_cycles",
                                      "cpu_clock",
                                      "task_clock",
                                      "page_faults",
                                      "context_switches",
                                      "cpu_migrations",
                                      "page_faults_min",
                                      "page_faults_maj",
                                      "alignment_faults",
                                      "emulation_faults",
                                      NULL };

/* A document that would have one counted is refused when it is defined. */
static void on_domain(Call *call, GVariant *properties) {
        GVariantBuilder parameters;
        (void) properties;
        g_variant_builder_init(&parameters, G_VARIANT_TYPE("a(sv)"));
        for (const char *const *event = events; *event; event++)
                g_variant_builder_add(&parameters, "(sv)", *event, g_variant_new_boolean(FALSE));
        call_answer(call, g_variant_new("(a(sv))", &parameters));
}

static void get_events(Call *call) {
        call_read(call, call->domain, DOMAIN, on_domain);
}

static void on_domain_to_set(Call *call, GVariant *properties) {
        GVariantIter iterator;
        const char *name;
        GVariant *value;
        g_autoptr(GVariant) parameters = g_variant_get_child_value(call->arguments, 1);
        (void) properties;
        g_variant_iter_init(&iterator, parameters);
        while (g_variant_iter_next(&iterator, "(&sv)", &name, &value)) {
                g_autoptr(GVariant) given = value;
                if (!g_strv_contains(events, name)) {
                        call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "argument unsupported: parameter '%s' not supported",
                                    name);
                        return;
                }
                if (!g_variant_is_of_type(given, G_VARIANT_TYPE_BOOLEAN)) {
                        call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: parameter '%s' is yes or no", name);
                        return;
                }
                if (g_variant_get_boolean(given)) {
                        call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED,
                                    "argument unsupported: unable to enable host cpu perf event for %s: virtbus counts none; "
                                    "perf stat "
                                    "--pid of the guest's QEMU does",
                                    name);
                        return;
                }
        }
        call_answer_nothing(call);
}

static void set_events(Call *call) {
        call_read(call, call->domain, DOMAIN, on_domain_to_set);
}

static const FlagOption get_flags[] = { FLAG_IS_ALWAYS_SO(AFFECT_LIVE), FLAG_IS_ALWAYS_SO(AFFECT_CONFIG), FLAG_STRINGS_OKAY, {} };
static const FlagOption set_flags[] = { FLAG_IS_ALWAYS_SO(AFFECT_LIVE), FLAG_IS_ALWAYS_SO(AFFECT_CONFIG), {} };

const CallRow measure_calls[] = {
        { REMOTE_DOMAIN_START_DIRTY_RATE_CALC, measure, NULL, CHANGES, rate_flags },
        { REMOTE_DOMAIN_GET_PERF_EVENTS, get_events, NULL, READS, get_flags },
        { REMOTE_DOMAIN_SET_PERF_EVENTS, set_events, NULL, CHANGES, set_flags },
        {},
};
