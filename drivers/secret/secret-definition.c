/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secret/secret-definition.h"

#include <string.h>

#include "base/uuid.h"

/* Each type of usage, and the element that names what it is for; NULL: it names nothing. */
static const struct {
        const char *name, *element;
} usages[] = {
        [SECRET_USAGE_NONE] = { "none", NULL },   [SECRET_USAGE_VOLUME] = { "volume", "volume" },
        [SECRET_USAGE_CEPH] = { "ceph", "name" }, [SECRET_USAGE_ISCSI] = { "iscsi", "target" },
        [SECRET_USAGE_TLS] = { "tls", "name" },   [SECRET_USAGE_VTPM] = { "vtpm", "name" },
};

/* All that a document may hold: an element, the elements and the attributes that it may have. Text is in elements without
 * children. */
typedef struct Form {
        const char *element;
        const char *const *children, *const *attributes;
} Form;

static const char *const nothing[] = { NULL };
static const char *const secret_children[] = { "uuid", "description", "usage", NULL };
static const char *const secret_attributes[] = { "ephemeral", "private", NULL };
static const char *const usage_children[] = { "volume", "name", "target", NULL };
static const char *const usage_attributes[] = { "type", NULL };

static const Form forms[] = {
        { "secret", secret_children, secret_attributes },
        { "usage", usage_children, usage_attributes },
        { NULL, nothing, nothing }, /* any other */
};

void secret_definition_free(SecretDefinition *definition) {
        g_free(definition->xml);
        g_free(definition->uuid);
        g_free(definition->description);
        g_free(definition->usage_id);
        g_free(definition->usage_key);
        g_free(definition);
}

const char *secret_usage_name(SecretUsage usage) {
        return usages[usage].name;
}

static const Form *form_of(const xmlNode *element) {
        const Form *form = forms;
        while (form->element && !xml_is(element, form->element))
                form++;
        return form;
}

static bool check_attributes(const xmlNode *element, const Form *form, GError **error) {
        for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (attribute->ns || !g_strv_contains(form->attributes, (const char *) attribute->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "the attribute '%.64s' is not known; leave it out", (const char *) attribute->name);
        return true;
}

/* Checks that an element and all that is in it is of the format. */
static bool check_form(const xmlNode *element, GError **error) {
        const Form *form = form_of(element);
        bool has_text = !form->children[0];
        if (!check_attributes(element, form, error))
                return false;
        for (const xmlNode *child = element->children; child; child = child->next) {
                if ((child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) && !has_text &&
                    !xmlIsBlankNode(child))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "there is text outside of its elements; leave it out");
                if (child->type != XML_ELEMENT_NODE)
                        continue;
                if (child->ns || !g_strv_contains(form->children, (const char *) child->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "it is not known in <%s>; leave it out",
                                        (const char *) element->name);
                if (xml_child(element, (const char *) child->name) != child)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "there are two of it; leave one out");
                if (!check_form(child, error))
                        return false;
        }
        return true;
}

/* With white space: what a usage is for is taken as it is. */
static char *exact_text(const xmlNode *element) {
        xmlChar *content = element ? xmlNodeGetContent((xmlNode *) element) : NULL;
        char *copy = g_strdup(content ? (const char *) content : "");
        xmlFree(content);
        return copy;
}

static bool read_flag(xmlNode *root, const char *name, bool *flag, GError **error) {
        static const char *const answers[] = { "yes", "no", NULL };
        if (!xml_one_of(root, name, answers, error))
                return false;
        *flag = xml_attribute_is(root, name, "yes");
        xml_set_attribute(root, name, *flag ? "yes" : "no");
        return true;
}

static bool read_uuid(SecretDefinition *definition, xmlNode *root, GError **error) {
        xmlNode *element = xml_child(root, "uuid");
        g_autofree char *text = element ? xml_text(element) : NULL;
        if (element && *text) {
                definition->uuid = uuid_normalize(text);
                return definition->uuid ||
                       xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "'%.64s' is not a UUID: use 32 hexadecimal digits, or leave the element out", text);
        }
        definition->uuid = g_uuid_string_random();
        if (element) /* empty, as programs write what they do not know */
                xmlNodeSetContent(element, (const xmlChar *) definition->uuid);
        else
                xml_add(root, "uuid", definition->uuid);
        return true;
}

static bool read_description(SecretDefinition *definition, const xmlNode *root, GError **error) {
        xmlNode *element = xml_child(root, "description");
        g_autofree char *text = element ? xml_text(element) : NULL;
        if (text && strlen(text) > SECRET_DESCRIPTION_BYTES_MAX)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "a description may have %d bytes",
                                SECRET_DESCRIPTION_BYTES_MAX);
        definition->description = text ? g_steal_pointer(&text) : g_strdup("");
        return true;
}

static bool find_usage(const char *type, SecretUsage *usage) {
        for (size_t i = 0; i < N_SECRET_USAGES; i++)
                if (strcmp(usages[i].name, type) == 0) {
                        *usage = (SecretUsage) i;
                        return true;
                }
        return false;
}

static char *known_usages(void) {
        g_autoptr(GString) known = g_string_new(NULL);
        for (size_t i = 1; i < N_SECRET_USAGES; i++)
                g_string_append_printf(known, "%s%s", i > 1 ? ", " : "", usages[i].name);
        return g_string_free(g_steal_pointer(&known), FALSE);
}

static bool check_usage_id(const xmlNode *element, SecretUsage usage, const char *id, GError **error) {
        if (!*id)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it is empty; say what the secret is for");
        if (strlen(id) > SECRET_USAGE_BYTES_MAX)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "it may have %d bytes", SECRET_USAGE_BYTES_MAX);
        return usage != SECRET_USAGE_VOLUME || id[0] == '/' ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "'%.64s' is not an absolute path", id);
}

/* That of its type, and no other. */
static bool check_usage_element(const xmlNode *usage, const char *type, const char *wanted, GError **error) {
        for (const xmlNode *child = xml_child(usage, NULL); child; child = xml_next(child, NULL))
                if (!wanted || !xml_is(child, wanted))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "a usage of type '%s' has %s%s%s", type,
                                        wanted ? "<" : "no element", wanted ? wanted : "", wanted ? "> only" : "");
        return !wanted || xml_child(usage, wanted) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, usage, "<%s> is missing: a usage of type '%s' needs it", wanted, type);
}

static char *key_of(SecretUsage usage, const char *id) {
        return usage == SECRET_USAGE_NONE ? NULL : g_strdup_printf("%s:%s", usages[usage].name, id);
}

static bool read_usage(SecretDefinition *definition, const xmlNode *root, GError **error) {
        xmlNode *element = xml_child(root, "usage");
        g_autofree char *type = xml_attribute(element, "type"), *known = known_usages();
        if (element && !type)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the attribute 'type' is missing; it is one of: %s",
                                known);
        if (type && !find_usage(type, &definition->usage))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "type is '%.64s'; it must be one of: %s", type, known);
        const char *name = usages[definition->usage].element;
        if (element && !check_usage_element(element, type, name, error))
                return false;
        xmlNode *what = name ? xml_child(element, name) : NULL;
        definition->usage_id = exact_text(what);
        definition->usage_key = key_of(definition->usage, definition->usage_id);
        return !what || check_usage_id(what, definition->usage, definition->usage_id, error);
}

char *secret_usage_key(const char *type, const char *id, GError **error) {
        g_autofree char *known = known_usages();
        SecretUsage usage = SECRET_USAGE_NONE;
        if (find_usage(type, &usage) && usage != SECRET_USAGE_NONE)
                return key_of(usage, id);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                          "'%.64s' is not a usage that secrets are found by; use one of: %s", type, known);
        return NULL;
}

SecretDefinition *secret_definition_from_document(xmlDoc *document, GError **error) {
        g_autoptr(SecretDefinition) definition = g_new0(SecretDefinition, 1);
        xmlNode *root = xmlDocGetRootElement(document);
        if (root->ns) {
                xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "it is of another namespace; leave 'xmlns' out");
                return NULL;
        }
        if (!check_form(root, error) || !read_flag(root, "ephemeral", &definition->ephemeral, error) ||
            !read_flag(root, "private", &definition->is_private, error) || !read_uuid(definition, root, error) ||
            !read_description(definition, root, error) || !read_usage(definition, root, error))
                return NULL;
        definition->xml = xml_checked_text(document, error);
        return definition->xml ? g_steal_pointer(&definition) : NULL;
}

SecretDefinition *secret_definition_parse(const char *xml, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "secret", error);
        return document ? secret_definition_from_document(document, error) : NULL;
}
