/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Registering for events. */

#include "calls.h"
#include "domains.h"
#include "events.h"
#include "rows.h"

/* From here on nothing that happens is missed: the domains are known, and their signals come. */
static void on_filled(void *data, const GError *error) {
        Call *call = data;
        int32_t kind;
        g_autoptr(GVariant) domain = NULL;
        const char *uuid = NULL;
        g_variant_get(call->arguments, "(im@(ssi))", &kind, &domain);
        if (domain)
                g_variant_get(domain, "(&s&si)", NULL, &uuid, NULL);
        int32_t number = error ? -1 : events_register(call->client->events, kind, uuid);
        if (error)
                call_fail(call, g_error_copy(error));
        else if (number < 0)
                call_refuse(call, LIBVIRT_OPERATION_FAILED, "there are %d callbacks already; deregister some", CALLBACKS_MAX);
        else
                call_answer(call, g_variant_new("(i)", number));
        call_unref(call);
}

static void register_callback(Call *call) {
        int32_t kind;
        g_variant_get_child(call->arguments, 0, "i", &kind);
        if (kind < 0 || kind >= EVENTS_MAX)
                call_refuse(call, LIBVIRT_INVALID_ARG, "unsupported event ID %d", kind);
        else
                domains_fill(call->client->domains, on_filled, call_ref(call));
}

static void deregister_callback(Call *call) {
        int32_t number;
        g_variant_get_child(call->arguments, 0, "i", &number);
        if (events_deregister(call->client->events, number))
                call_answer_nothing(call);
        else
                call_refuse(call, LIBVIRT_INTERNAL_ERROR, "domain event callback %d not registered", number);
}

const CallRow event_calls[] = {
        { REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, register_callback },
        { REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, deregister_callback },
        {},
};
