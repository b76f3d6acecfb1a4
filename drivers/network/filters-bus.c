/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filters-bus.h"

#include "base/registry-answer.h"
#include "vtables.h"

NETWORK_FILTERS_VTABLE(Registry, filters);
NETWORK_FILTER_VTABLE(Entry, bus);

static void filters_define_filter(Call *call, Registry *self, const char *xml, sd_bus_message *options) {
        registry_answer_define(call, self, xml, options);
}

static void filters_get_filter_by_uuid(Call *call, Registry *self, const char *uuid) {
        g_autoptr(GError) error = NULL;
        Entry *filter = registry_find(self, uuid, &error);
        registry_answer_entry(call, filter, error);
}

static void filters_get_filter_by_name(Call *call, Registry *self, const char *name) {
        g_autoptr(GError) error = NULL;
        Entry *filter = filters_find_name(self, name, &error);
        registry_answer_entry(call, filter, error);
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
        if (registry_check_options(call, options))
                call_reply(call, "s", filter_definition(self)->xml);
}

static void bus_undefine(Call *call, Entry *self, sd_bus_message *options) {
        if (registry_check_options(call, options))
                filter_undefine(self, registry_answer_nothing, call);
}

static const Vtable *const of_connection[] = { &filters_vtable, NULL }, *const of_filter[] = { &bus_vtable, NULL };

const RegistryFace filters_face = { .registry = of_connection, .entry = of_filter };
