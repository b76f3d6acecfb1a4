/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Documents as a connection's hypervisor takes them, and their translations into its own format. */

#include "domain/definition.h"
#include "domain/domain.h"

/* Has the hypervisor write into a document what it leaves out. */
bool connection_complete(Connection *connection, xmlDoc *document, GError **error);

/* Reads a document, as one of this connection; UNSUPPORTED: also one that it cannot start yet. NULL with an error. The tree is
 * changed: it is not the definition's afterwards. */
Definition *connection_read_document(Connection *connection, xmlDoc *document, bool unsupported, GError **error);
Definition *connection_read(Connection *connection, const char *xml, GError **error);

/* Parses a document and goes on with a call as soon as the hypervisor knows what it must know for it, or, where XML is NULL,
 * for all. PROCEED may change the tree, which goes when it returns. */
typedef void (*ConnectionProceed)(Connection *connection, xmlDoc *document, bool flag, Call *call);
void connection_prepare(Connection *connection, const char *xml, ConnectionProceed proceed, bool flag, Call *call);

/* Translates between documents and the hypervisor's own format. */
#define WHOLE_FORMAT "domain-xml" /* the document itself, as it would be kept */
void connection_to_native(Connection *connection, const char *format, const char *xml, Call *call);
void connection_from_native(Connection *connection, const char *format, const char *text, Call *call);
