/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether elements say the same. Their parts are child elements, by name, and attributes, by "@" and name. */

#include "base/xml.h"

/* An element's text whatever the order of its attributes and children is; to be freed. */
char *xml_canonical(const xmlNode *element);

/* Whether one part of two elements is not the same. */
bool xml_differs(const xmlNode *old, const xmlNode *new, const char *part);

/* Takes a part out of an element, where it has it. */
void xml_strip(xmlNode *element, const char *part);
