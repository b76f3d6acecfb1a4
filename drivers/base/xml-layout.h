/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a document is indented: what is added to somebody's text is laid out like what stands around it, and nothing else of the
 * text changes. */

#include <libxml/tree.h>

/* Marks what was read, so that it is known from what is added later. */
void xml_layout_mark(xmlNode *element);

/* Keeps the inside of an element that is added as it is: it is a program's own. */
void xml_layout_keep(xmlNode *element);

/* Gives each element that was added since a line of its own, with the indentation of its neighbours, or, where there are none,
 * one step more than its parent's. Elements of one line stay so. A document of one line altogether loses the blanks between
 * its elements: libxml2 indents it then. */
void xml_layout(xmlDoc *document);

/* Takes off the lines of a copy of an element the indentation that the element has in its document. */
void xml_layout_alone(xmlNode *copy, const xmlNode *element);

/* Takes the blanks before an element away that is about to be removed, where they would leave an empty line. */
void xml_layout_close_up(xmlNode *element);
