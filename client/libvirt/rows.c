/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rows.h"

#define DOMAIN INTERFACE("Domain")

const FlagOption affect_flags[] = { { 1, "live" }, { 2, "config" }, {} };

void step_answer_nothing(Call *call, GVariant *reply) {
        (void) reply;
        call_answer_nothing(call);
}

void step_answer_string(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = g_variant_get_child_value(reply, 0);
        call_answer(call, g_variant_new("(@s)", value));
}

void row_method(Call *call) {
        call_ask(call, call->domain, DOMAIN, call->row->member, NULL, "()", step_answer_nothing);
}

void row_method_with_options(Call *call) {
        call_ask(call, call->domain, DOMAIN, call->row->member, g_variant_new("(@a{sv})", call_options(call)), "()",
                 step_answer_nothing);
}

void row_job(Call *call) {
        call_ask_job(call, call->domain, DOMAIN, call->row->member, g_variant_new("(@a{sv})", call_options(call)), "(o)", 0,
                     step_answer_nothing);
}

static void get(Call *call, CallStep step) {
        call_ask(call, call->domain, "org.freedesktop.DBus.Properties", "Get", g_variant_new("(ss)", DOMAIN, call->row->member),
                 "(v)", step);
}

static void on_string(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        call_answer(call, g_variant_new("(@s)", value));
}

static void on_number(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        bool is_flag = g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN);
        call_answer(call, g_variant_new("(i)", is_flag ? (int32_t) g_variant_get_boolean(value)
                                                       : (int32_t) g_variant_get_uint32(value)));
}

static void on_bytes(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        call_answer(call, g_variant_new("(t)", g_variant_get_uint64(value) / 1024));
}

void row_string(Call *call) {
        get(call, on_string);
}

void row_number(Call *call) {
        get(call, on_number);
}

void row_kib(Call *call) {
        get(call, on_bytes);
}
