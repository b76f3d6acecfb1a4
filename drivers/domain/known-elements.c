/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/known-elements.h"

#include <string.h>

#define NUMBER "#"
#define PATH "/"

static bool has_word(const char *words, char separator, const char *word, size_t length) {
        for (const char *c = words; *c; c += strcspn(c, (char[]){ separator, '\0' }), c += *c == separator)
                if (strncmp(c, word, length) == 0 && (c[length] == separator || !c[length]))
                        return true;
        return false;
}

/* Whether a path says by itself where it leads. */
static bool is_plain_path(const char *path) {
        g_auto(GStrv) parts = g_strsplit(path, "/", -1);
        return path[0] == '/' && !g_strv_contains((const char *const *) parts, "..");
}

/* WHAT: what it is called in errors. */
static bool check_value(const KnownForm *form, const xmlNode *element, const char *what, const char *values, char separator,
                        const char *value, GError **error) {
        uint64_t number;
        if (strcmp(values, NUMBER) == 0)
                return xml_number(element, what, value, 0, UINT64_MAX, &number, error);
        if (strcmp(values, PATH) == 0)
                return is_plain_path(value) || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                                        "%s is '%.128s'; it must be an absolute path, without '..'", what, value);
        return has_word(values, separator, value, strlen(value)) ||
               xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "%s is '%.64s'; %s %s here", what, value, form->can_have,
                        *values ? values : "nothing");
}

static bool check_attribute(const KnownForm *form, const xmlNode *element, const char *list, const xmlAttr *attribute,
                            GError **error) {
        const char *name = (const char *) attribute->name;
        size_t length = strlen(name);
        g_autofree char *value = xml_attribute(element, name);
        for (const char *c = list; *c && !attribute->ns; c += strcspn(c, " "), c += *c == ' ') {
                if (*c == '*')
                        return true;
                if (strncmp(c, name, length) != 0 || !strchr(" =", c[length]))
                        continue;
                if (c[length] != '=')
                        return true;
                g_autofree char *values = g_strndup(c + length + 1, strcspn(c + length + 1, " ")),
                                *what = g_strdup_printf("its %s", name);
                return check_value(form, element, what, values, ',', value, error);
        }
        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "%s its %.64s; leave that out", form->cannot_say, name);
}

/* Whether a row is of that place: where it ends with a star, any element below. */
static bool is_of(const KnownElement *known, const char *place) {
        size_t length = strlen(known->place);
        if (length < 2 || known->place[length - 1] != '*')
                return strcmp(known->place, place) == 0;
        return strncmp(known->place, place, length - 1) == 0 && !strchr(place + length - 1, '/');
}

static const KnownElement *find(const KnownForm *form, const xmlNode *element, const char *place) {
        bool is_ours = !element->ns ||
                       (form->namespace_uri && strcmp((const char *) element->ns->href, form->namespace_uri) == 0);
        for (size_t i = 0; is_ours && i < form->n_elements; i++)
                if (is_of(&form->elements[i], place))
                        return &form->elements[i];
        return NULL;
}

static char *place_below(const KnownForm *form, const char *place, const xmlNode *child) {
        g_autofree char *name = child->ns && form->namespace ? g_strdup_printf("%s:%s", form->namespace, child->name)
                                                             : g_strdup((const char *) child->name);
        return *place ? g_strdup_printf("%s/%s", place, name) : g_steal_pointer(&name);
}

static bool is_there_before(const xmlNode *element) {
        for (const xmlNode *other = element->prev; other; other = other->prev)
                if (other->type == XML_ELEMENT_NODE && strcmp((const char *) other->name, (const char *) element->name) == 0 &&
                    !other->ns == !element->ns)
                        return true;
        return false;
}

static bool check(const KnownForm *form, const xmlNode *element, const char *place, bool later, GError **error) {
        const KnownElement *known = find(form, element, place);
        if (!known)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "%s this; leave it out", form->cannot_say);
        if (known->later && later)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "%s %s", form->cannot_yet, known->later);
        if (form->counts && !known->many && *place && is_there_before(element))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it is there twice; leave one out");
        if (known->any)
                return true;
        for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (!check_attribute(form, element, known->attributes, attribute, error))
                        return false;
        if (known->text) {
                g_autofree char *text = xml_text(element);
                if (!check_value(form, element, "it", known->text, ' ', text, error))
                        return false;
        }
        for (const xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                g_autofree char *below = place_below(form, place, child);
                if (!check(form, child, below, later, error))
                        return false;
        }
        return true;
}

bool known_elements_check(const KnownForm *form, const xmlDoc *document, bool later, GError **error) {
        return check(form, xmlDocGetRootElement(document), "", later, error);
}
