/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filters-bus.h"

#include "base/registry-answer.h"
#include "network/filter-show.h"
#include "network/value.h"
#include "options.h"
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

/* The values of variables that a message has at its position; the strings are its own. */
static int read_parameters(sd_bus_message *message, GHashTable *parameters) {
        int r = sd_bus_message_enter_container(message, 'a', "{sas}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sas")) > 0) {
                const char *name, *value;
                g_autoptr(GPtrArray) values = g_ptr_array_new();
                r = sd_bus_message_read_basic(message, 's', &name);
                if (r >= 0)
                        r = sd_bus_message_enter_container(message, 'a', "s");
                while (r >= 0 && (r = sd_bus_message_read_basic(message, 's', &value)) > 0)
                        g_ptr_array_add(values, (char *) value);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r >= 0)
                        g_hash_table_insert(parameters, (char *) name, g_steal_pointer(&values));
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static bool check_interface(const char *name, GError **error) {
        return value_interface.check(&value_interface, name) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "interface: it must be %s", value_interface.what);
}

static void filters_filter_xml_to_native(Call *call, Registry *self, const char *xml, const char *interface,
                                         sd_bus_message *arguments) {
        g_autoptr(GHashTable) parameters =
                        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);
        g_autoptr(GError) error = NULL;
        int r = read_parameters(arguments, parameters);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        bool fine = options_read(arguments, &error, NULL) && check_interface(interface, &error);
        g_autoptr(FilterDefinition) definition = fine ? filter_definition_parse(xml, &error) : NULL;
        const FilterSource source = { .filters = self };
        g_autofree char *rules = definition ? filter_show_rules(&source, definition, interface, parameters, &error) : NULL;
        if (rules)
                reply_network_filters_filter_xml_to_native(call, rules);
        else
                call_fail(call, error);
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
