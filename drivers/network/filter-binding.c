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

/* Of "dhcp", libvirt's, an address would last as long as its lease. */
static bool check_learning(GHashTable *variables, GError **error) {
        const GPtrArray *list = g_hash_table_lookup(variables, "CTRL_IP_LEARNING");
        const char *how = list ? list->pdata[0] : "any";
        if (g_ascii_strcasecmp(how, "any") == 0 || g_ascii_strcasecmp(how, "none") == 0)
                return true;
        if (g_ascii_strcasecmp(how, "dhcp") == 0 && !g_hash_table_contains(variables, "IP"))
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_UNSUPPORTED,
                                "addresses are not learned from DHCP: give IP by <parameter name='IP' value='...'/>, or let "
                                "CTRL_IP_LEARNING be 'any'");
        return g_ascii_strcasecmp(how, "dhcp") == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "CTRL_IP_LEARNING is '%.64s'; it must be any, dhcp or none", how);
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
        if (!check_learning(binding->variables, error))
                return NULL;
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
