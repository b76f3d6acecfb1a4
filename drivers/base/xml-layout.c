/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xml-layout.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

/* The mark is in a field of nodes that libxml2 uses for XSLT alone, and does not copy. */
#define READ 1
#define KEPT 2

/* One step of indentation, where the document shows none. */
#define STEP_DEFAULT "  "

static bool is_element(const xmlNode *node) {
        return node && node->type == XML_ELEMENT_NODE;
}

static bool is_new(const xmlNode *node) {
        return is_element(node) && node->extra != READ;
}

static bool is_blank(const xmlNode *node) {
        return node && xmlIsBlankNode(node);
}

/* What follows the last newline of a text between elements; NULL: it has none. */
static const char *indentation_in(const xmlNode *text) {
        const char *newline = is_blank(text) ? strrchr((const char *) text->content, '\n') : NULL;
        return newline ? newline + 1 : NULL;
}

void xml_layout_keep(xmlNode *element) {
        element->extra = KEPT;
}

void xml_layout_mark(xmlNode *element) {
        element->extra = READ;
        for (xmlNode *child = element->children; child; child = child->next)
                if (is_element(child))
                        xml_layout_mark(child);
}

/* Whether blanks in it mean nothing: there are elements, and no other text. */
static bool is_structure(const xmlNode *element) {
        bool has_elements = false;
        if (xmlNodeGetSpacePreserve(element) == 1)
                return false;
        for (const xmlNode *child = element->children; child; child = child->next) {
                if ((child->type == XML_TEXT_NODE && !is_blank(child)) || child->type == XML_CDATA_SECTION_NODE)
                        return false;
                has_elements |= is_element(child);
        }
        return has_elements;
}

/* Whether there are lines between elements that were read. */
static bool has_lines(const xmlNode *element) {
        bool has = false;
        for (const xmlNode *child = element->children; child && !has; child = child->next)
                has = is_element(child) ? !is_new(child) && has_lines(child) : indentation_in(child) && is_structure(element);
        return has;
}

static void remove_blanks(xmlNode *element) {
        bool removes = is_structure(element);
        for (xmlNode *child = element->children, *next; child; child = next) {
                next = child->next;
                if (is_element(child))
                        remove_blanks(child);
                else if (removes && is_blank(child)) {
                        xmlUnlinkNode(child);
                        xmlFreeNode(child);
                }
        }
}

static xmlNode *new_line(xmlDoc *document, const char *indentation) {
        g_autofree char *text = g_strconcat("\n", indentation, NULL);
        return xmlNewDocText(document, (const xmlChar *) text);
}

/* Has a node begin a line. */
static void begin_line(xmlNode *node, const char *indentation) {
        const char *now = indentation_in(node->prev);
        if (!now)
                xmlAddPrevSibling(node, new_line(node->doc, indentation));
        else if (strcmp(now, indentation) != 0) {
                g_autofree char *lines = g_strndup((const char *) node->prev->content,
                                                   (size_t) (now - (const char *) node->prev->content)),
                                *text = g_strconcat(lines, indentation, NULL);
                xmlNodeSetContent(node->prev, (const xmlChar *) text);
        }
}

/* The indentation of the first element that was read; NULL: there is none on a line of its own. */
static const char *indentation_of_children(const xmlNode *element, bool *has_any) {
        const char *found = NULL;
        for (const xmlNode *child = element->children; child && !found; child = child->next)
                if (is_element(child) && !is_new(child)) {
                        *has_any = true;
                        found = indentation_in(child->prev);
                }
        return found;
}

/* One step more than an element has; of the same blanks as the step that leads to it, where that is known. */
static char *one_more(const char *own, const char *parent, const char *step) {
        bool is_deeper = parent && g_str_has_prefix(own, parent) && strlen(own) > strlen(parent);
        return g_strconcat(own, is_deeper ? own + strlen(parent) : step, NULL);
}

/* OWN, PARENT: the indentations of the element and of what it is in. */
static void lay_out(xmlNode *element, const char *own, const char *parent, const char *step) {
        bool has_old = false, is_text = !is_structure(element);
        if (element->extra == KEPT)
                return;
        if (is_new(element))
                remove_blanks(element);
        const char *neighbours = indentation_of_children(element, &has_old);
        g_autofree char *inner = neighbours ? g_strdup(neighbours) : one_more(own, parent, step);
        bool is_one_line = has_old && !neighbours; /* somebody has written it so */
        bool is_added = false;
        for (xmlNode *child = element->children; child; child = child->next) {
                if (!is_element(child))
                        continue;
                /* What was read has lost its line where something was put before it. */
                if (!is_text && !is_one_line && (is_new(child) || is_new(child->prev))) {
                        begin_line(child, inner);
                        is_added = true;
                }
                const char *line = indentation_in(child->prev);
                g_autofree char *copy = g_strdup(line ? line : own);
                lay_out(child, copy, own, step);
        }
        if (is_added && is_element(element->last))
                xmlAddChild(element, new_line(element->doc, own));
}

void xml_layout(xmlDoc *document) {
        xmlNode *root = xmlDocGetRootElement(document);
        bool has_old = false;
        if (!root || is_new(root))
                return;
        if (!has_lines(root)) {
                remove_blanks(root);
                return;
        }
        const char *first = indentation_of_children(root, &has_old);
        g_autofree char *step = g_strdup(first ? first : STEP_DEFAULT);
        lay_out(root, "", NULL, step);
}

/* Takes as many blanks off the beginning of each line between elements. */
static void move_left(xmlNode *element, size_t n) {
        if (!is_structure(element))
                return;
        for (xmlNode *child = element->children; child; child = child->next) {
                const char *indentation = indentation_in(child);
                if (is_element(child))
                        move_left(child, n);
                else if (indentation) {
                        g_autofree char *moved = g_strconcat("\n", indentation + MIN(n, strlen(indentation)), NULL);
                        xmlNodeSetContent(child, (const xmlChar *) moved);
                }
        }
}

void xml_layout_alone(xmlNode *copy, const xmlNode *element) {
        const char *indentation = element->prev ? indentation_in(element->prev) : NULL;
        move_left(copy, indentation ? strlen(indentation) : 0);
}

void xml_layout_close_up(xmlNode *element) {
        xmlNode *before = element->prev;
        if (!indentation_in(before) || !indentation_in(element->next))
                return;
        xmlUnlinkNode(before);
        xmlFreeNode(before);
}
