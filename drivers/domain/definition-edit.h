/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Changes of a document, as functions on its tree. */

#include "base/xml.h"

/* Gives an attribute of ELEMENT ("@type") or of a child ("driver/@type") a value, or with NULL removes it. */
void definition_edit_attribute(xmlNode *element, const char *place, const char *value);

/* Puts a copy of PART, or nothing, into the place of a child of ELEMENT ("iotune") or of a child's child ("cputune/shares"). Of
 * a whole domain, what names and describes it is at its beginning, as in libvirt. */
void definition_edit_part(xmlNode *element, const char *place, xmlNode *part);

/* Puts the root of a document, or with NULL nothing, into the metadata of a namespace. */
void definition_edit_metadata(xmlNode *root, const char *uri, xmlDoc *metadata);

/* Writes how much memory a domain has now, in bytes. */
void definition_edit_memory(xmlNode *root, uint64_t bytes);

/* The most of it. */
void definition_edit_max_memory(xmlNode *root, uint64_t bytes);

/* The element of a namespace in a document's metadata, or NULL. */
xmlNode *definition_edit_find_metadata(const xmlNode *root, const char *uri);
