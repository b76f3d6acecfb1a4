/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/builder-read.h"

#include <inttypes.h>
#include <string.h>

/* Reading: marks are in the nodes' _private. */

void builder_mark(xmlNode *node) {
        node->_private = node;
}

static xmlNode *child_named(const xmlNode *element, const char *name, size_t length) {
        for (xmlNode *child = element ? element->children : NULL; child; child = child->next)
                if (child->type == XML_ELEMENT_NODE && !child->ns && strncmp((const char *) child->name, name, length) == 0 &&
                    !child->name[length])
                        return child;
        return NULL;
}

/* Follows a path but for an attribute at its end, which is returned in *ATTRIBUTE. */
static xmlNode *follow(const xmlNode *element, const char *path, const char **attribute) {
        *attribute = NULL;
        while (element && *path) {
                if (*path == '@') {
                        *attribute = path + 1;
                        break;
                }
                size_t length = strcspn(path, "/");
                element = child_named(element, path, length);
                if (element)
                        builder_mark((xmlNode *) element);
                path += length + (path[length] == '/');
        }
        return (xmlNode *) element;
}

const char *builder_get(Builder *builder, const xmlNode *element, const char *path) {
        const char *name;
        xmlNode *place = follow(element, path, &name);
        if (!place)
                return NULL;
        xmlAttr *attribute = name ? xmlHasNsProp(place, (const xmlChar *) name, NULL) : NULL;
        if (name && !attribute)
                return NULL;
        if (attribute)
                attribute->_private = attribute;
        xmlChar *text = attribute ? xmlNodeListGetString(place->doc, attribute->children, 1) : xmlNodeGetContent(place);
        g_autofree char *copy = g_strdup(text ? (const char *) text : "");
        xmlFree(text);
        return g_string_chunk_insert(builder->strings, name ? copy : g_strstrip(copy));
}

const char *builder_require(Builder *builder, const xmlNode *element, const char *path) {
        const char *text = builder_get(builder, element, path);
        if (text && *text)
                return text;
        const char *attribute = strchr(path, '@');
        if (attribute > path)
                builder_invalid(builder, element, "the attribute '%s' of its <%.*s> is missing", attribute + 1,
                                (int) (attribute - path - 1), path);
        else if (attribute)
                builder_invalid(builder, element, "its attribute %s is missing", attribute + 1);
        else
                builder_invalid(builder, element, "<%s> is missing", path);
        return "";
}

xmlNode *builder_element(Builder *builder, const xmlNode *element, const char *path) {
        const char *attribute;
        (void) builder;
        return follow(element, path, &attribute);
}

xmlNode *builder_next(Builder *builder, const xmlNode *element) {
        xmlNode *next = xml_next(element, (const char *) element->name);
        (void) builder;
        if (next)
                builder_mark(next);
        return next;
}

bool builder_is(Builder *builder, const xmlNode *element, const char *path, const char *value) {
        return g_strcmp0(builder_get(builder, element, path), value) == 0;
}

/* What a message calls the place of a value: an attribute, an element, or the element's own text. */
static const char *name_of(const char *path) {
        const char *attribute = strrchr(path, '@');
        return attribute ? attribute + 1 : *path ? path : "its text";
}

int builder_flag(Builder *builder, const xmlNode *element, const char *path) {
        const char *text = builder_choose(builder, element, path, "yes no");
        return !text ? -1 : strcmp(text, "yes") == 0;
}

int builder_switch(Builder *builder, const xmlNode *element, const char *path) {
        const char *text = builder_choose(builder, element, path, "on off");
        return !text ? -1 : strcmp(text, "on") == 0;
}

const char *builder_choose(Builder *builder, const xmlNode *element, const char *path, const char *choices) {
        const char *text = builder_get(builder, element, path);
        if (!text)
                return NULL;
        g_auto(GStrv) names = g_strsplit(choices, " ", -1);
        if (g_strv_contains((const char *const *) names, text))
                return text;
        g_autofree char *known = g_strjoinv(", ", names);
        builder_invalid(builder, element, "%s is '%.64s'; it must be one of: %s", name_of(path), text, known);
        return NULL;
}

/* Whether there is white space around the text of an element. */
static bool has_blanks(const xmlNode *element, const char *path) {
        const char *attribute;
        xmlNode *place = follow(element, path, &attribute);
        xmlChar *text = place && !attribute ? xmlNodeGetContent(place) : NULL;
        size_t length = text ? strlen((const char *) text) : 0;
        bool has = length > 0 && (g_ascii_isspace(text[0]) || g_ascii_isspace(text[length - 1]));
        xmlFree(text);
        return has;
}

uint64_t builder_number(Builder *builder, const xmlNode *element, const char *path, uint64_t min, uint64_t max,
                        uint64_t otherwise) {
        const char *text = builder_get(builder, element, path);
        bool hexadecimal = text && g_str_has_prefix(text, "0x");
        guint64 value;
        if (!text)
                return otherwise;
        if (has_blanks(element, path))
                builder_invalid(builder, element, "there is white space around %s, which is a number: leave it out",
                                name_of(path));
        else if (g_ascii_string_to_unsigned(text + (hexadecimal ? 2 : 0), hexadecimal ? 16 : 10, min, max, &value, NULL))
                return value;
        else
                builder_fail(builder,
                             *text && strspn(text, "0123456789") == strlen(text) ? VIRTBUS_ERROR_LIMIT_EXCEEDED
                                                                                 : VIRTBUS_ERROR_INVALID_XML,
                             element, "%s is '%.64s'; it must be a number from %" PRIu64 " to %" PRIu64, name_of(path), text, min,
                             max);
        return otherwise;
}

uint64_t builder_size(Builder *builder, const xmlNode *element, const char *path, const char *unit, uint64_t otherwise) {
        xmlNode *place = builder_element(builder, element, path);
        if (!place)
                return otherwise;
        uint64_t factor = xml_unit(builder_get(builder, place, "@unit") ? builder_get(builder, place, "@unit") : unit);
        if (factor == 0) {
                builder_invalid(builder, place, "unit '%.16s' is unknown; use KiB, MiB or GiB",
                                builder_get(builder, place, "@unit"));
                return otherwise;
        }
        return builder_number(builder, place, "", 0, (UINT64_C(1) << 60) / factor, otherwise / factor) * factor;
}

static void know_all(xmlNode *element) {
        builder_mark(element);
        for (xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                attribute->_private = attribute;
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL))
                know_all(child);
}

void builder_know_turned_off(Builder *builder, xmlNode *element) {
        (void) builder;
        know_all(element);
}

void builder_know(Builder *builder, const xmlNode *element, const char *paths) {
        g_autofree char *copy = element ? g_strdup(paths) : NULL;
        for (char *path = copy, *next; path; path = next) {
                const char *attribute;
                next = strchr(path, ' ');
                if (next)
                        *next++ = '\0';
                xmlNode *place = follow(element, path, &attribute);
                if (attribute)
                        builder_get(builder, element, path);
                else
                        for (; place; place = xml_next(place, (const char *) place->name))
                                know_all(place);
        }
}

void builder_refuse_unknown(Builder *builder, const xmlNode *element) {
        for (xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (!attribute->_private) {
                        builder_unsupported(builder, element, "the QEMU driver does not know its attribute %s here; leave it out",
                                            (const char *) attribute->name);
                        return;
                }
        for (xmlNode *child = xml_child(element, NULL); child && !builder->error; child = xml_next(child, NULL)) {
                if (!child->_private)
                        builder_unsupported(builder, child, "the QEMU driver does not know this element here; leave it out");
                else
                        builder_refuse_unknown(builder, child);
        }
}
