/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Processors: compared with the host's, or with what a hypervisor's guests get, and what several have in common. */

#include <string.h>

#include "calls.h"
#include "rows.h"

#define CONNECTION INTERFACE("Connection")

/* A document is always checked. */
static const FlagOption compare_flags[] = { { 1, "fail" }, FLAG_IS_ALWAYS_SO(2), {} };
static const FlagOption baseline_flags[] = { { 1, "expand" }, { 2, "migratable" }, {} };

/* Whose processor is meant: the arguments of the procedures of a hypervisor say it first. */
static GVariant *make_options(const Call *call, bool of_hypervisor) {
        static const char *const names[] = { "emulator", "arch", "machine", "type" };
        g_autoptr(GVariant) flags = g_variant_ref_sink(call_options(call));
        g_auto(GVariantDict) options;
        g_variant_dict_init(&options, flags);
        for (size_t i = 0; of_hypervisor && i < G_N_ELEMENTS(names); i++)
                if (call_optional(call, i))
                        g_variant_dict_insert(&options, names[i], "s", call_optional(call, i));
        if (!of_hypervisor)
                g_variant_dict_insert(&options, "host", "b", TRUE);
        return g_variant_dict_end(&options);
}

static void on_compared(Call *call, GVariant *reply) {
        static const char *const results[] = { "incompatible", "identical", "superset" }; /* by libvirt's numbers */
        const char *result;
        int32_t number = 0;
        g_variant_get(reply, "(&s)", &result);
        for (int32_t i = 0; i < (int32_t) G_N_ELEMENTS(results); i++)
                if (strcmp(result, results[i]) == 0)
                        number = i;
        call_answer(call, g_variant_new("(i)", number));
}

static bool on_incompatible(Call *call, const GError *error) {
        bool told = error->code == LIBVIRT_OPERATION_INVALID;
        if (told)
                call_fail(call, g_error_new_literal(LIBVIRT_ERROR, LIBVIRT_CPU_INCOMPATIBLE, error->message));
        return told;
}

static void compare(Call *call) {
        bool of_hypervisor = call->row->procedure == REMOTE_CONNECT_COMPARE_HYPERVISOR_CPU;
        call->on_error = on_incompatible;
        call_ask(call, call->client->connection, CONNECTION, "CompareCPU",
                 g_variant_new("(s@a{sv})", call_string(call, of_hypervisor ? 4 : 0), make_options(call, of_hypervisor)), "(s)",
                 on_compared);
}

static bool on_nothing_common(Call *call, const GError *error) {
        bool told = error->code == LIBVIRT_OPERATION_INVALID;
        if (told)
                call_fail(call, g_error_new_literal(LIBVIRT_ERROR, LIBVIRT_OPERATION_FAILED, error->message));
        return told;
}

static void find_baseline(Call *call) {
        bool of_hypervisor = call->row->procedure == REMOTE_CONNECT_BASELINE_HYPERVISOR_CPU;
        GVariant *documents = g_variant_get_child_value(call->arguments, of_hypervisor ? 4 : 0);
        call->on_error = on_nothing_common;
        call_ask(call, call->client->connection, CONNECTION, "BaselineCPU",
                 g_variant_new("(@as@a{sv})", documents, make_options(call, of_hypervisor)), "(s)", step_answer_document);
        g_variant_unref(documents);
}

const CallRow cpu_calls[] = {
        { REMOTE_CONNECT_COMPARE_CPU, compare, NULL, READS, compare_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_CONNECT_COMPARE_HYPERVISOR_CPU, compare, NULL, READS, compare_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_CONNECT_BASELINE_CPU, find_baseline, NULL, READS, baseline_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_CONNECT_BASELINE_HYPERVISOR_CPU, find_baseline, NULL, READS, baseline_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        {},
};
