/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/element-form.h"

#include <string.h>

static const AttributeForm *find_attribute(const ElementForm *form, const char *name) {
        const AttributeForm *attribute = form->attributes;
        while (attribute && attribute->name && strcmp(attribute->name, name) != 0)
                attribute++;
        return attribute && attribute->name ? attribute : NULL;
}

static bool check_attribute(xmlNode *element, const ElementForm *form, const xmlAttr *attribute, GError **error) {
        const char *its_name = (const char *) attribute->name;
        const AttributeForm *known = attribute->ns ? NULL : find_attribute(form, its_name);
        if (!known)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the attribute '%.64s' is not known; leave it out",
                                its_name);
        g_autofree char *text = xml_attribute(element, its_name),
                        *kept = value_check(known->kind, element, its_name, text, error);
        if (kept && strcmp(kept, text) != 0)
                xml_set_attribute(element, its_name, kept);
        return kept;
}

static bool check_attributes(xmlNode *element, const ElementForm *form, GError **error) {
        for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (!check_attribute(element, form, attribute, error))
                        return false;
        for (const AttributeForm *attribute = form->attributes; attribute && attribute->name; attribute++)
                if (attribute->is_needed && !xmlHasProp(element, (const xmlChar *) attribute->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the attribute '%s' is missing",
                                        attribute->name);
        return true;
}

/* What libvirt shows of a network that runs is not of its definition. */
static void drop_run(xmlNode *element, const ElementForm *form) {
        for (const AttributeForm *attribute = form->attributes; attribute && attribute->name; attribute++)
                if (attribute->kind == &value_run)
                        xmlUnsetProp(element, (const xmlChar *) attribute->name);
}

static bool check_text(const xmlNode *element, const ElementForm *form, GError **error) {
        g_autofree char *text = xml_text(element), *kept = NULL;
        if (form->text == &value_uuid && (!text || !*text)) /* as programs write what they do not know */
                return true;
        kept = value_check(form->text, element, NULL, text ? text : "", error);
        return kept;
}

static bool is_of_form(const xmlNode *element, const ElementForm *form) {
        const char *namespace_ = element->ns ? (const char *) element->ns->href : NULL;
        return strcmp((const char *) element->name, form->name) == 0 && g_strcmp0(namespace_, form->namespace_) == 0;
}

static bool check_element(xmlNode *element, const ElementForm *form, GError **error);

#define CHILD_FORMS_MAX 24

/* A child that is an element, and how often each form of its kind is there by now. */
static bool check_child(xmlNode *element, const ElementForm *form, xmlNode *child, unsigned *counts, GError **error) {
        size_t i = 0;
        while (form->children && form->children[i] && !is_of_form(child, form->children[i]))
                i++;
        const ElementForm *known = form->children ? form->children[i] : NULL;
        if (!known)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "it is not known in <%s>; leave it out",
                                (const char *) element->name);
        if (++counts[i] > 1 && known->is_single)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "only one <%s> of <%s> is allowed; leave one out",
                                (const char *) child->name, (const char *) element->name);
        unsigned max = known->max ? known->max : ELEMENTS_MAX;
        if (counts[i] > max)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, child, "<%s> can have %u <%s> at most",
                                (const char *) element->name, max, (const char *) child->name);
        return check_element(child, known, error);
}

static bool check_children(xmlNode *element, const ElementForm *form, GError **error) {
        unsigned counts[CHILD_FORMS_MAX] = { 0 };
        for (xmlNode *child = element->children; child; child = child->next) {
                bool is_text = child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE;
                if (is_text && !form->text && !xmlIsBlankNode(child))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "there is text outside of its elements; leave it out");
                if (child->type == XML_ELEMENT_NODE && !check_child(element, form, child, counts, error))
                        return false;
        }
        for (size_t i = 0; form->children && form->children[i]; i++)
                if (form->children[i]->is_needed && counts[i] == 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "<%s> is missing", form->children[i]->name);
        return true;
}

static bool check_element(xmlNode *element, const ElementForm *form, GError **error) {
        if (!check_attributes(element, form, error))
                return false;
        drop_run(element, form);
        return form->is_any || (check_children(element, form, error) && (!form->text || check_text(element, form, error)));
}

bool element_form_check(xmlNode *element, const ElementForm *form, GError **error) {
        if (!is_of_form(element, form))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it is of another namespace; leave 'xmlns' out");
        return check_element(element, form, error);
}
