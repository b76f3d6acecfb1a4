/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "events.h"

#include "known.h"

struct Events {
        Conversation *conversation;
        Callbacks *callbacks;
};

Events *events_new(Conversation *conversation) {
        Events *events = g_new0(Events, 1);
        events->conversation = conversation;
        events->callbacks = callbacks_new();
        return events;
}

void events_free(Events *events) {
        if (!events)
                return;
        callbacks_free(events->callbacks);
        g_free(events);
}

Callbacks *events_callbacks(Events *events) {
        return events->callbacks;
}

static GVariant *put_together(EventLayout layout, int32_t number, GVariant *domain, GVariant *const *body, size_t n) {
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_TUPLE);
        g_variant_builder_add(&builder, "i", number);
        if (layout == LAYOUT_WITH_REASON)
                g_variant_builder_add(&builder, "i", 0);
        if (layout != LAYOUT_FLAT)
                g_variant_builder_open(&builder, G_VARIANT_TYPE_TUPLE);
        g_variant_builder_add_value(&builder, domain);
        for (size_t i = 0; i < n; i++)
                g_variant_builder_add_value(&builder, body[i]);
        if (layout != LAYOUT_FLAT)
                g_variant_builder_close(&builder);
        return g_variant_builder_end(&builder);
}

/* An event, as each callback is told of it. */
typedef struct Told {
        Events *events;
        ProcedureIndex procedure;
        EventLayout layout;
        GVariant *domain, *const *body;
        size_t n;
} Told;

static void tell_one(void *data, int32_t number) {
        const Told *told = data;
        conversation_event(told->events->conversation, told->procedure,
                           put_together(told->layout, number, told->domain, told->body, told->n));
}

void events_tell(Events *events, int32_t kind, ProcedureIndex procedure, EventLayout layout, GVariant *properties,
                 GVariant *const *body, size_t n) {
        g_autoptr(GVariant) domain = g_variant_ref_sink(known_name_of(properties));
        Told told = { events, procedure, layout, domain, body, n };
        const char *uuid;
        g_variant_get(domain, "(&s&si)", NULL, &uuid, NULL);
        for (size_t i = 0; i < n; i++)
                g_variant_ref_sink(body[i]);
        callbacks_each(events->callbacks, kind, uuid, tell_one, &told);
        for (size_t i = 0; i < n; i++)
                g_variant_unref(body[i]);
}
