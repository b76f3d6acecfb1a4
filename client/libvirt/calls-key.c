/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pressing keys: clients send numbers, the bus takes names. */

#include "calls.h"
#include "keys.h"
#include "rows.h"

#define DOMAIN INTERFACE("Domain")

#define MICROSECONDS 1000 /* in a millisecond */

/* libvirt's code sets, by their numbers. What X's keyboard driver (6) sent is no more. */
static const int sets[] = {
        [0] = -1, /* the kernel's */
        [1] = KEY_SET_1, [2] = KEY_SET_1, [3] = KEY_SET_2,   [4] = KEY_SET_3, [5] = KEY_MACOS,
        [6] = KEY_SETS,  [7] = KEY_USB,   [8] = KEY_WINDOWS, [9] = KEY_SET_1, /* as clients of displays send it */
};
#define CODES_OF_DISPLAYS 9

/* Its name on the bus; NULL: there is none. */
static const char *name_of(uint32_t codes, uint32_t key) {
        int set = sets[codes];
        if (set < 0)
                return key < KEYS ? key_names[key] : NULL;
        if (codes == CODES_OF_DISPLAYS && key & 0x80 && key < 0x100)
                key = 0xe000 | (key & 0x7f);
        for (const KeyCodes *one = key_codes; one->name; one++)
                if (one->codes[set] == key && key != KEY_NONE)
                        return one->name;
        return NULL;
}

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
                const char *name = codes < G_N_ELEMENTS(sets) && sets[codes] < KEY_SETS ? name_of(codes, key) : NULL;
                known &= !!name;
                if (name)
                        g_variant_builder_add(&names, "s", name);
        }
        if (hold_time > 0)
                g_variant_builder_add(&options, "{sv}", "hold_time", g_variant_new_uint64((uint64_t) hold_time * MICROSECONDS));
        g_autoptr(GVariant) arguments = g_variant_ref_sink(g_variant_new("(asa{sv})", &names, &options));
        if (codes >= G_N_ELEMENTS(sets) || sets[codes] == KEY_SETS)
                call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "the numbers of keys in code set %u are not known", codes);
        else if (!known)
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: there is no such key");
        else
                call_ask(call, call->domain, DOMAIN, "SendKeys", arguments, "()", step_answer_nothing);
}

const CallRow key_calls[] = {
        { REMOTE_DOMAIN_SEND_KEY, send_keys, NULL, CHANGES },
        {},
};
