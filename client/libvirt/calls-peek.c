/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A running guest's memory, as a debugger looks at it. */

#include "calls.h"
#include "rows.h"

#define DOMAIN INTERFACE("Domain")

#define PEEK_VIRTUAL 1
#define PEEK_PHYSICAL 2

#define PEEK_MAX 4194304 /* bytes that an answer may have */
#define PART_MAX 65536   /* bytes that the bus tells at once */

static const FlagOption peek_flags[] = { { PEEK_VIRTUAL, "virtual" }, { PEEK_PHYSICAL, NULL }, {} };

static void ask_next(Call *call);

static void on_part(Call *call, GVariant *reply) {
        GByteArray *peeked = call->state;
        g_autoptr(GVariant) data = g_variant_get_child_value(reply, 0);
        g_byte_array_append(peeked, g_variant_get_data(data), (unsigned int) g_variant_get_size(data));
        ask_next(call);
}

/* What the guest does meanwhile is seen in later parts. */
static void ask_next(Call *call) {
        const GByteArray *peeked = call->state;
        uint64_t offset;
        uint32_t size;
        g_variant_get_child(call->arguments, 1, "t", &offset);
        g_variant_get_child(call->arguments, 2, "u", &size);
        if (peeked->len >= size)
                call_answer(call, g_variant_new("(@ay)", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, peeked->data, size, 1)));
        else
                call_ask(call, call->domain, DOMAIN, "PeekMemory",
                         g_variant_new("(tt@a{sv})", offset + peeked->len, (uint64_t) MIN(size - peeked->len, PART_MAX),
                                       call_options(call)),
                         "(ay)", on_part);
}

static void on_active(Call *call, GVariant *properties) {
        (void) properties;
        ask_next(call);
}

static void peek(Call *call) {
        uint64_t offset;
        uint32_t size;
        g_variant_get_child(call->arguments, 1, "t", &offset);
        g_variant_get_child(call->arguments, 2, "u", &size);
        if (call->flags != PEEK_VIRTUAL && call->flags != PEEK_PHYSICAL)
                call_refuse(call, LIBVIRT_INVALID_ARG,
                            "invalid argument: flags parameter must be VIR_MEMORY_VIRTUAL or VIR_MEMORY_PHYSICAL");
        else if (size > PEEK_MAX || offset > UINT64_MAX - size)
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: %u bytes: %d at most are read at once", size, PEEK_MAX);
        else {
                call->state = g_byte_array_new();
                call->free_state = (GDestroyNotify) g_byte_array_unref;
                row_if_active(call, on_active);
        }
}

const CallRow peek_calls[] = {
        { REMOTE_DOMAIN_MEMORY_PEEK, peek, NULL, CHANGES, peek_flags },
        {},
};
