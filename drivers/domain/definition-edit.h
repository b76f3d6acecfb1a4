/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Changes of a document, as functions on its tree. */

#include "base/xml.h"

/* Writes how much memory a domain has now, in bytes. */
void definition_edit_memory(xmlNode *root, uint64_t bytes);

/* The most of it. */
void definition_edit_max_memory(xmlNode *root, uint64_t bytes);

/* The element of a namespace in a document's metadata, or NULL. */
xmlNode *definition_edit_find_metadata(const xmlNode *root, const char *uri);
