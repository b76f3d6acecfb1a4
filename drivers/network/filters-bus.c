/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filters-bus.h"

#include "options.h"
#include "vtables.h"

NETWORK_FILTERS_VTABLE(Registry, filters);
NETWORK_FILTER_VTABLE(Entry, bus);

/* All methods of the connection answer a filter, or why there is none. */
static void answer_filter(void *call, Entry *entry, const GError *error) {
        if (entry)
                call_reply(call, "o", published_path(entry->published));
        else
                call_fail(call, error);
}

static void filters_define_filter(Call *call, Registry *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (options_read(options, &error, NULL))
                registry_define(self, xml, call->uid, answer_filter, call);
        else
                call_fail(call, error);
}

static void filters_get_filter_by_uuid(Call *call, Registry *self, const char *uuid) {
        g_autoptr(GError) error = NULL;
        Entry *filter = registry_find(self, uuid, &error);
        answer_filter(call, filter, error);
}

static void filters_get_filter_by_name(Call *call, Registry *self, const char *name) {
        g_autoptr(GError) error = NULL;
        Entry *filter = filters_find_name(self, name, &error);
        answer_filter(call, filter, error);
}

/* One filter */

#define FILTER_PROPERTY(type, name, value) \
        static type bus_get_##name(const Entry *self) { \
                return value; \
        }

FILTER_PROPERTY(const char *, name, filter_definition(self)->name)
FILTER_PROPERTY(const char *, uuid, filter_definition(self)->uuid)
FILTER_PROPERTY(const char *, chain, filter_definition(self)->chain)
FILTER_PROPERTY(int32_t, priority, filter_definition(self)->priority)
FILTER_PROPERTY(bool, shipped, filter_definition(self)->is_shipped)
FILTER_PROPERTY(uint32_t, owner, self->kept.owner)

static int bus_get_references(const Entry *self, sd_bus_message *m) {
        return sd_bus_message_append_strv(m, filter_definition(self)->references);
}

static void bus_get_xml(Call *call, Entry *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (options_read(options, &error, NULL))
                call_reply(call, "s", filter_definition(self)->xml);
        else
                call_fail(call, error);
}

static void answer_undefined(void *call, Entry *entry, const GError *error) {
        (void) entry;
        if (error)
                call_fail(call, error);
        else
                call_reply(call, "");
}

static void bus_undefine(Call *call, Entry *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (options_read(options, &error, NULL))
                filter_undefine(self, answer_undefined, call);
        else
                call_fail(call, error);
}

static const Vtable *const of_connection[] = { &filters_vtable, NULL }, *const of_filter[] = { &bus_vtable, NULL };

const RegistryFace filters_face = { .registry = of_connection, .entry = of_filter };
