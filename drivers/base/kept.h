/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The form in which a definition is kept, of whatever kind: its document, with one processing instruction in front of it for
 * what is not the document's. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct Kept {
        uid_t owner;        /* who has defined it */
        bool owners_rights; /* it has no more rights on this host than its owner */
        bool autostart;
} Kept;

/* The text of a file. XML: as xml_document_text writes it. */
char *kept_text(const char *xml, const Kept *kept);

/* Takes the instruction out of a file's document, and reads it. What a file without it lacks is root's, and not started.
 * Unsupported: a later version has written it. */
bool kept_take(xmlDoc *document, Kept *kept, GError **error);
