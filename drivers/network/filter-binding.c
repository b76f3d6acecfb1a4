/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-binding.h"

#include "errors.h"
#include "network/filter-definition.h"

static void add(GHashTable *variables, const char *name, const char *value) {
        GPtrArray *list = g_hash_table_lookup(variables, name);
        if (!list) {
                list = g_ptr_array_new_with_free_func(g_free);
                g_hash_table_insert(variables, g_strdup(name), list);
        }
        g_ptr_array_add(list, g_strdup(value));
}

static FilterBinding *read_element(xmlNode *element, const char *mac, GError **error) {
        g_autoptr(FilterBinding) binding = g_new0(FilterBinding, 1);
        g_autoptr(GArray) parameters = NULL;
        if (!filter_reference_read(element, &binding->filter, &parameters, error))
                return NULL;
        binding->variables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
        for (guint i = 0; i < parameters->len; i++) {
                const FilterParameter *parameter = &g_array_index(parameters, FilterParameter, i);
                add(binding->variables, parameter->name, parameter->value);
        }
        if (!g_hash_table_contains(binding->variables, "MAC"))
                add(binding->variables, "MAC", mac);
        binding->xml = xml_element_text(element);
        return g_steal_pointer(&binding);
}

FilterBinding *filter_binding_parse(const char *xml, const char *mac, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "filterref", error);
        return document ? read_element(xmlDocGetRootElement(document), mac, error) : NULL;
}

void filter_binding_free(FilterBinding *binding) {
        g_free(binding->filter);
        g_free(binding->xml);
        g_clear_pointer(&binding->variables, g_hash_table_unref);
        g_free(binding);
}
