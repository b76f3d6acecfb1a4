/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Documents from strangers, read with libxml2: no network, no other files, no entities, bounded size and depth; and errors
 * that name line and element. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "errors.h"

/* The largest document, and how deep its elements may nest (libxml2's own bound is 256). */
#define XML_BYTES_MAX (1024 * 1024)
#define XML_DEPTH_MAX 64
#define XML_ELEMENTS_MAX 20000 /* with comments and processing instructions */
#define XML_ATTRIBUTES_MAX 64  /* of one element; libvirt's have at most some 20 */

/* The largest file that this program writes itself: a document with what the driver adds to it. */
#define XML_OWN_BYTES_MAX (4 * XML_BYTES_MAX)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* Parses a document whose root element is ROOT, or, where that is NULL, any. The text is UTF-8, whatever it declares. */
xmlDoc *xml_parse(const char *text, const char *root, GError **error);

/* The same for a document of our own making, within wider bounds: its lines are nobody's, so that errors name its elements and
 * devices alone. */
xmlDoc *xml_parse_own(const char *text, const char *root, GError **error);

/* A copy, laid out as one that was parsed. */
xmlDoc *xml_copy(xmlDoc *document);

/* The document as text, in UTF-8, with what was added to it laid out as xml-layout.h says. The second says whether xml_parse
 * would read that again: a document may have grown since it was parsed. */
char *xml_document_text(xmlDoc *document);
char *xml_checked_text(xmlDoc *document, GError **error);

/* One element as text. */
char *xml_element_text(xmlNode *element);

/* The same where it stands alone: without the indentation that it has in its document. */
char *xml_element_alone(xmlNode *element);

/* The first child element of that name (NULL for any), and the next one after a sibling. */
xmlNode *xml_child(const xmlNode *element, const char *name);
xmlNode *xml_next(const xmlNode *element, const char *name);

/* The element below that a path like "os/boot" leads to, or NULL; ELEMENT may be NULL. */
xmlNode *xml_find(const xmlNode *element, const char *path);

bool xml_is(const xmlNode *element, const char *name);

/* An attribute, or NULL; the text of an element without white space around it, or NULL; to be freed. ELEMENT may be NULL. */
char *xml_attribute(const xmlNode *element, const char *name);
char *xml_text(const xmlNode *element);

/* The same of the element that a path leads to ("" for ELEMENT itself), where what is absent is empty. */
char *xml_attribute_at(const xmlNode *element, const char *path, const char *name);
char *xml_text_at(const xmlNode *element, const char *path);

/* An attribute that may be compared at once: true where it has this value. */
bool xml_attribute_is(const xmlNode *element, const char *name, const char *value);

/* Sets an error that names the fault, the element (unless that is NULL), and its line in the document that was handed in; where
 * it is in none, the device that it belongs to. Returns false, to be returned. */
bool xml_fail(GError **error, VirtbusError code, const xmlNode *element, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* Reads a number from min to max out of TEXT (owned by element, what it is called in errors). */
bool xml_number(const xmlNode *element, const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *value,
                GError **error);

/* Reads an optional attribute that is a number; *VALUE stays where it is absent. */
bool xml_number_attribute(const xmlNode *element, const char *name, uint64_t min, uint64_t max, uint64_t *value, GError **error);

/* Checks that an optional attribute has one of the values, NULL at the end. */
bool xml_one_of(const xmlNode *element, const char *name, const char *const *values, GError **error);

/* Whether a document can have all characters of a text, which is UTF-8: what others would be written as, nobody reads again. */
bool xml_is_text(const char *text);

/* Sets an attribute; as a decimal number. */
void xml_set_attribute(xmlNode *element, const char *name, const char *value);
void xml_set_number(xmlNode *element, const char *name, int64_t number);

/* Adds a child element at the end, with TEXT unless that is NULL; the other one only where there is none of that name. */
xmlNode *xml_add(xmlNode *element, const char *name, const char *text);
xmlNode *xml_ensure_child(xmlNode *element, const char *name);

/* Takes an element out of its document, and frees it. */
void xml_remove(xmlNode *element);

/* The bytes of a unit of sizes ("KiB", "MB", ...); 0 for an unknown unit. */
uint64_t xml_unit(const char *name);
