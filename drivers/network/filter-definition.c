/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-definition.h"

#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "network/filter-rule.h"
#include "network/value.h"

static void item_free(void *data) {
        FilterItem *item = data;
        g_clear_pointer(&item->rule, filter_rule_free);
        g_clear_pointer(&item->parameters, g_array_unref);
        g_free(item->reference);
        g_free(item);
}

void filter_definition_free(FilterDefinition *definition) {
        g_free(definition->xml);
        g_free(definition->uuid);
        g_free(definition->name);
        g_free(definition->chain);
        g_strfreev(definition->references);
        g_ptr_array_unref(definition->items);
        g_free(definition);
}

/* Chains: what their names begin with, and when they are asked, where the document does not say it. */
static const struct {
        const char *name;
        int priority;
} chains[] = { { "mac", -800 }, { "vlan", -750 }, { "ipv4", -700 }, { "ipv6", -600 },
               { "arp", -500 }, { "rarp", -400 }, { "stp", 0 } };

#define ROOT_CHAIN "root"

static bool is_chain_suffix(const char *text) {
        for (const char *c = text; *c; c++)
                if (!g_ascii_isalnum(*c) && !strchr("_.:-", *c))
                        return false;
        return true;
}

static bool find_chain(const char *name, int *priority) {
        for (size_t i = 0; i < G_N_ELEMENTS(chains); i++)
                if (g_str_has_prefix(name, chains[i].name) && is_chain_suffix(name + strlen(chains[i].name))) {
                        *priority = chains[i].priority;
                        return strlen(name) <= FILTER_CHAIN_BYTES_MAX;
                }
        return false;
}

static bool read_chain(FilterDefinition *definition, xmlNode *root, GError **error) {
        g_autofree char *text = xml_attribute(root, "chain");
        definition->chain = g_strdup(text ? text : ROOT_CHAIN);
        if (strcmp(definition->chain, ROOT_CHAIN) != 0 && !find_chain(definition->chain, &definition->priority)) {
                g_autofree char *printable = g_strescape(text, NULL);
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root,
                                "chain is '%.64s'; it must be root, or a name of at most %d letters, digits and _.:- that begins "
                                "with "
                                "mac, vlan, stp, arp, rarp, ipv4 or ipv6",
                                printable, FILTER_CHAIN_BYTES_MAX);
        }
        if (!filter_read_priority(root, &definition->priority, error))
                return false;
        if (strcmp(definition->chain, ROOT_CHAIN) == 0) /* which is asked first, whatever it says */
                definition->priority = 0;
        return true;
}

/* References */

/* All of them are needed. */
static bool check_attributes(const xmlNode *element, const char *const *known, GError **error) {
        if (!filter_check_attributes(element, known, error))
                return false;
        for (; *known; known++)
                if (!xmlHasProp((xmlNode *) element, (const xmlChar *) *known))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the attribute '%s' is missing", *known);
        return true;
}

static void parameter_clear(void *data) {
        FilterParameter *parameter = data;
        g_free(parameter->name);
        g_free(parameter->value);
}

static bool read_parameter(const xmlNode *element, GArray *parameters, GError **error) {
        static const char *const known[] = { "name", "value", NULL };
        if (!xml_is(element, "parameter"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it is not known in <filterref>; leave it out");
        if (!check_attributes(element, known, error))
                return false;
        FilterParameter parameter = { xml_attribute(element, "name"), xml_attribute(element, "value") };
        g_array_append_val(parameters, parameter);
        if (!filter_is_variable(parameter.name))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "name is not one of a variable: letters, digits and '_'");
        return filter_is_argument(parameter.value) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                        "value is not one that a variable can have: letters, digits and ._:/-");
}

static int compare_parameters(const void *one, const void *other) {
        return strcmp(((const FilterParameter *) one)->name, ((const FilterParameter *) other)->name);
}

/* Those of one name, a list, stay in their order. */
static void write_parameters(xmlNode *reference, GArray *parameters) {
        g_array_sort(parameters, compare_parameters);
        for (xmlNode *child = reference->children, *next; child; child = next) {
                next = child->next;
                xml_remove(child);
        }
        for (guint i = 0; i < parameters->len; i++) {
                const FilterParameter *parameter = &g_array_index(parameters, FilterParameter, i);
                xmlNode *element = xml_add(reference, "parameter", NULL);
                xml_set_attribute(element, "name", parameter->name);
                xml_set_attribute(element, "value", parameter->value);
        }
}

bool filter_reference_read(xmlNode *element, char **name, GArray **parameters, GError **error) {
        static const char *const known[] = { "filter", NULL };
        *parameters = g_array_new(FALSE, FALSE, sizeof(FilterParameter));
        g_array_set_clear_func(*parameters, parameter_clear);
        if (!check_attributes(element, known, error))
                return false;
        for (const xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                if ((*parameters)->len >= FILTER_PARAMETERS_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, child, "a reference has at most %d parameters",
                                        FILTER_PARAMETERS_MAX);
                if (!read_parameter(child, *parameters, error))
                        return false;
        }
        g_autofree char *text = xml_attribute(element, "filter");
        *name = value_check(&value_name, element, "filter", text, error);
        if (*name)
                write_parameters(element, *parameters);
        return *name;
}

/* The whole */

/* Only <uuid> has any. */
static bool check_text(const xmlNode *element, GError **error) {
        for (const xmlNode *child = element->children; child; child = child->next) {
                bool is_text = child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE;
                if (is_text && !xmlIsBlankNode(child))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "there is text outside of its elements; leave it out");
                if (child->type == XML_ELEMENT_NODE && !xml_is(child, "uuid") && !check_text(child, error))
                        return false;
        }
        return true;
}

static bool read_child(FilterDefinition *definition, xmlNode *child, GError **error) {
        if (xml_is(child, "uuid") && !child->ns)
                return true;
        if (definition->items->len >= FILTER_RULES_MAX)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, child, "a filter has at most %d rules and references",
                                FILTER_RULES_MAX);
        FilterItem *item = g_new0(FilterItem, 1);
        g_ptr_array_add(definition->items, item);
        if (xml_is(child, "rule") && !child->ns)
                return (item->rule = filter_rule_read(child, error));
        if (xml_is(child, "filterref") && !child->ns)
                return filter_reference_read(child, &item->reference, &item->parameters, error);
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "it is not known in <filter>; leave it out");
}

static void list_references(FilterDefinition *definition) {
        g_autoptr(GPtrArray) references = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < definition->items->len; i++) {
                const FilterItem *item = definition->items->pdata[i];
                if (item->reference)
                        g_ptr_array_add(references, g_strdup(item->reference));
        }
        g_ptr_array_add(references, NULL);
        definition->references = (char **) g_ptr_array_steal(references, NULL);
}

static bool read_children(FilterDefinition *definition, xmlNode *root, GError **error) {
        for (xmlNode *child = root->children, *next; child; child = next) {
                next = child->next;
                if (child->type == XML_ELEMENT_NODE && !read_child(definition, child, error))
                        return false;
                if (child->type == XML_COMMENT_NODE) /* libvirt does not keep them */
                        xml_remove(child);
        }
        list_references(definition);
        return true;
}

static bool read_uuid(FilterDefinition *definition, xmlNode *root, GError **error) {
        xmlNode *element = xml_child(root, "uuid");
        g_autofree char *text = xml_text_at(root, "uuid");
        if (element && xml_next(element, "uuid"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_next(element, "uuid"),
                                "there are two of it; leave one out");
        definition->uuid = *text ? uuid_normalize(text) : g_uuid_string_random();
        if (!definition->uuid)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its text is not a UUID: 32 hexadecimal digits");
        if (element)
                xml_remove(element);
        element = xmlNewDocNode(root->doc, NULL, (const xmlChar *) "uuid", (const xmlChar *) definition->uuid);
        if (root->children)
                xmlAddPrevSibling(root->children, element);
        else
                xmlAddChild(root, element);
        return true;
}

static bool read_name(FilterDefinition *definition, xmlNode *root, GError **error) {
        static const char *const known[] = { "name", "chain", "priority", NULL };
        if (!filter_check_attributes(root, known, error))
                return false;
        g_autofree char *text = xml_attribute(root, "name");
        if (!text)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "the attribute 'name' is missing");
        definition->name = value_check(&value_name, root, "name", text, error);
        return definition->name;
}

/* In libvirt's order; a priority of 0 is not written where it is the usual one. */
static void write_root(const FilterDefinition *definition, xmlNode *root) {
        xmlUnsetProp(root, (const xmlChar *) "chain");
        xmlUnsetProp(root, (const xmlChar *) "priority");
        xml_set_attribute(root, "chain", definition->chain);
        int usual = 0;
        find_chain(definition->chain, &usual);
        if (definition->priority != 0 || usual != 0)
                xml_set_number(root, "priority", definition->priority);
}

static FilterDefinition *read_document(xmlDoc *document, GError **error) {
        g_autoptr(FilterDefinition) definition = g_new0(FilterDefinition, 1);
        definition->items = g_ptr_array_new_with_free_func(item_free);
        xmlNode *root = xmlDocGetRootElement(document);
        if (root->ns)
                xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "it is of another namespace; leave 'xmlns' out");
        else if (check_text(root, error) && read_name(definition, root, error) && read_chain(definition, root, error) &&
                 read_children(definition, root, error) && read_uuid(definition, root, error)) {
                write_root(definition, root);
                definition->xml = xml_checked_text(document, error);
        }
        return definition->xml ? g_steal_pointer(&definition) : NULL;
}

FilterDefinition *filter_definition_from_document(xmlDoc *document, GError **error) {
        FilterDefinition *definition = read_document(document, error);
        xmlFreeDoc(document);
        return definition;
}

FilterDefinition *filter_definition_parse(const char *xml, GError **error) {
        xmlDoc *document = xml_parse(xml, "filter", error);
        return document ? filter_definition_from_document(document, error) : NULL;
}
