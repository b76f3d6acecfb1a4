/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pressing keys: clients send numbers, the bus takes names. */

#include "calls.h"
#include "keys.h"
#include "rows.h"

#define DOMAIN INTERFACE("Domain")

#define CODES_OF_LINUX 0
#define MICROSECONDS 1000 /* in a millisecond */

static void send_keys(Call *call) {
        uint32_t codes, hold_time;
        GVariantBuilder names, options;
        bool known = true;
        g_autoptr(GVariant) keys = g_variant_get_child_value(call->arguments, 3);
        g_variant_get_child(call->arguments, 1, "u", &codes);
        g_variant_get_child(call->arguments, 2, "u", &hold_time);
        g_variant_builder_init(&names, G_VARIANT_TYPE_STRING_ARRAY);
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        for (size_t i = 0; i < g_variant_n_children(keys); i++) {
                uint32_t key;
                g_variant_get_child(keys, i, "u", &key);
                known &= key < KEYS && key_names[key];
                if (known)
                        g_variant_builder_add(&names, "s", key_names[key]);
        }
        if (hold_time > 0)
                g_variant_builder_add(&options, "{sv}", "hold_time", g_variant_new_uint64((uint64_t) hold_time * MICROSECONDS));
        g_autoptr(GVariant) arguments = g_variant_ref_sink(g_variant_new("(asa{sv})", &names, &options));
        if (codes != CODES_OF_LINUX)
                call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "keys are known by Linux's numbers, not by those of code set %u",
                            codes);
        else if (!known)
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: there is no such key");
        else
                call_ask(call, call->domain, DOMAIN, "SendKeys", arguments, "()", step_answer_nothing);
}

const CallRow key_calls[] = {
        { REMOTE_DOMAIN_SEND_KEY, send_keys, NULL, CHANGES },
        {},
};
