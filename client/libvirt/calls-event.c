/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Registering for events. */

#include "calls.h"
#include "domains.h"
#include "events.h"
#include "network-events.h"
#include "rows.h"
#include "secret-events.h"

/* A kind of objects that there are events of. */
typedef struct Source {
        const char *name;
        int32_t n_kinds;   /* of events */
        size_t uuid_place; /* which member of an object its UUID is */
        void (*begin)(Client *client, void (*done)(void *data, const GError *error), void *data);
        Callbacks *(*callbacks)(const Client *client);
} Source;

static void begin_domains(Client *client, void (*done)(void *data, const GError *error), void *data) {
        domains_fill(client->domains, done, data);
}

static Callbacks *of_domains(const Client *client) {
        return events_callbacks(client->events);
}

static void begin_secrets(Client *client, void (*done)(void *data, const GError *error), void *data) {
        host_events_begin(client->secret_events, done, data);
}

static Callbacks *of_secrets(const Client *client) {
        return client->secret_events->callbacks;
}

static void begin_networks(Client *client, void (*done)(void *data, const GError *error), void *data) {
        host_events_begin(client->network_events, done, data);
}

static Callbacks *of_networks(const Client *client) {
        return client->network_events->callbacks;
}

static const Source domains = { "domain", EVENTS_MAX, 1, begin_domains, of_domains };
static const Source secrets = { "secret", SECRET_EVENTS_MAX, 0, begin_secrets, of_secrets };
static const Source networks = { "network", NETWORK_EVENTS_MAX, 1, begin_networks, of_networks };

/* Of the procedures that are not about domains. */
static const struct {
        ProcedureIndex procedure;
        const Source *source;
} others[] = {
        { REMOTE_CONNECT_SECRET_EVENT_REGISTER_ANY, &secrets },
        { REMOTE_CONNECT_SECRET_EVENT_DEREGISTER_ANY, &secrets },
        { REMOTE_CONNECT_NETWORK_EVENT_REGISTER_ANY, &networks },
        { REMOTE_CONNECT_NETWORK_EVENT_DEREGISTER_ANY, &networks },
};

static const Source *source_of(const Call *call) {
        const Source *source = &domains;
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                if (others[i].procedure == call->row->procedure)
                        source = others[i].source;
        return source;
}

/* From here on nothing that happens is missed: the objects are known, and their signals come. */
static void on_begun(void *data, const GError *error) {
        Call *call = data;
        const Source *source = source_of(call);
        g_autoptr(GVariant) maybe = g_variant_get_child_value(call->arguments, 1), object = g_variant_get_maybe(maybe);
        const char *uuid = NULL;
        int32_t kind;
        g_variant_get_child(call->arguments, 0, "i", &kind);
        if (object)
                g_variant_get_child(object, source->uuid_place, "&s", &uuid);
        int32_t number = error ? -1 : callbacks_register(source->callbacks(call->client), kind, uuid);
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
        if (kind < 0 || kind >= source_of(call)->n_kinds)
                call_refuse(call, LIBVIRT_INVALID_ARG, "unsupported %s event ID %d", source_of(call)->name, kind);
        else
                source_of(call)->begin(call->client, on_begun, call_ref(call));
}

static void deregister_callback(Call *call) {
        int32_t number;
        g_variant_get_child(call->arguments, 0, "i", &number);
        if (callbacks_deregister(source_of(call)->callbacks(call->client), number))
                call_answer_nothing(call);
        else
                call_refuse(call, LIBVIRT_INTERNAL_ERROR, "%s event callback %d not registered", source_of(call)->name, number);
}

const CallRow event_calls[] = {
        { REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, register_callback },
        { REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, deregister_callback },
        { REMOTE_CONNECT_SECRET_EVENT_REGISTER_ANY, register_callback },
        { REMOTE_CONNECT_SECRET_EVENT_DEREGISTER_ANY, deregister_callback },
        { REMOTE_CONNECT_NETWORK_EVENT_REGISTER_ANY, register_callback },
        { REMOTE_CONNECT_NETWORK_EVENT_DEREGISTER_ANY, deregister_callback },
        {},
};
