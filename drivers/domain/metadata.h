/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a program keeps of its own in a document, of whatever kind: an element of its namespace. */

#include "base/xml.h"

/* How long it may be, in bytes. */
#define METADATA_BYTES_MAX 65536

/* Reads an element of the namespace URI, or of none, which then gets that with the prefix KEY. *METADATA is NULL for an empty
 * text, else the caller's. False with an error. */
bool metadata_parse(const char *uri, const char *key, const char *xml, xmlDoc **metadata, GError **error);
