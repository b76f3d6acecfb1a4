/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/connection-document.h"

#include <string.h>

#include "domain/connection.h"
#include "domain/offers.h"
#include "domain/run-only.h"
#include "domain/shares.h"
#include "vtables.h"

/* How long the text of a document is at most whose tree, of many times its size, is kept while a call waits. */
#define WAITING_TREE_BYTES_MAX (64 * 1024)

bool connection_complete(Connection *connection, xmlDoc *document, GError **error) {
        return !HYPERVISOR_HAS(connection->hypervisor, documents, complete) ||
               connection->hypervisor->documents->complete(connection, document, error);
}

Definition *connection_read_document(Connection *connection, xmlDoc *document, bool unsupported, GError **error) {
        run_only_drop(document);
        shares_drop(document);
        g_autoptr(Definition) definition =
                        connection_complete(connection, document, error) ? definition_from_document(document, error) : NULL;
        if (!definition || (HYPERVISOR_HAS(connection->hypervisor, documents, check) &&
                            !connection->hypervisor->documents->check(connection, definition, document, unsupported, error)))
                return NULL;
        return g_steal_pointer(&definition);
}

Definition *connection_read(Connection *connection, const char *xml, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "domain", error);
        return document ? connection_read_document(connection, document, false, error) : NULL;
}

/* Calls that wait until the hypervisor knows what it must know for a document. */
typedef struct Prepared {
        Connection *connection;
        xmlDoc *document; /* what was parsed, or */
        char *xml;        /* the text of a large one; or neither */
        Call *call;
        ConnectionProceed proceed;
        bool flag;
} Prepared;

static void on_prepared(void *data) {
        Prepared *prepared = data;
        g_autoptr(GError) error = NULL;
        if (prepared->connection->closing) {
                virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
                call_fail(prepared->call, error);
        } else {
                if (prepared->xml)
                        prepared->document = xml_parse(prepared->xml, "domain", NULL);
                prepared->proceed(prepared->connection, prepared->document, prepared->flag, prepared->call);
        }
        g_clear_pointer(&prepared->document, xmlFreeDoc);
        g_free(prepared->xml);
        g_free(prepared);
}

void connection_prepare(Connection *connection, const char *xml, ConnectionProceed proceed, bool flag, Call *call) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml ? xml_parse(xml, "domain", &error) : NULL;
        const Hypervisor *hypervisor = connection->hypervisor;
        if (document && call->own_rights && HYPERVISOR_HAS(hypervisor, documents, check_prepare))
                hypervisor->documents->check_prepare(document, &error);
        if (error) {
                call_fail(call, error);
                return;
        }
        Prepared *prepared = g_new0(Prepared, 1);
        *prepared = (Prepared){ .connection = connection, .call = call, .proceed = proceed, .flag = flag };
        bool is_large = xml && strlen(xml) > WAITING_TREE_BYTES_MAX;
        if (is_large)
                prepared->xml = g_strdup(xml);
        else
                prepared->document = document;
        if (!HYPERVISOR_HAS(hypervisor, documents, prepare) ||
            hypervisor->documents->prepare(connection, document, call->uid, on_prepared, prepared))
                on_prepared(prepared);
        if (!is_large)
                document = NULL; /* it was taken */
}

/* Translations */

/* FORMAT: NULL for any. */
static bool check_can_translate(const Connection *connection, const char *format, bool can, GError **error) {
        if (!offers_check(connection, can, "format but its documents", error))
                return false;
        const char *known = connection->hypervisor->documents->native_format;
        return !format || strcmp(format, known) == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "format '%.64s' is unknown; use %s", format, known);
}

/* WHOLE: the document as it would be kept, else its translation; which is made in any case, as it finds the faults. */
static void answer_native(Connection *connection, xmlDoc *document, bool whole, Call *call) {
        g_autoptr(GError) error = NULL;
        run_only_drop(document);
        bool complete = connection_complete(connection, document, &error);
        g_autoptr(Definition) definition = complete ? definition_from_document(document, &error) : NULL;
        g_autofree char *native =
                        definition ? connection->hypervisor->documents->to_native(connection, definition, document, &error)
                                   : NULL;
        if (native)
                reply_connection_domain_xml_to_native(call, whole ? definition->xml : native);
        else
                call_fail(call, error);
}

void connection_to_native(Connection *connection, const char *format, const char *xml, Call *call) {
        g_autoptr(GError) error = NULL;
        bool whole = strcmp(format, WHOLE_FORMAT) == 0;
        if (check_can_translate(connection, whole ? NULL : format, HYPERVISOR_HAS(connection->hypervisor, documents, to_native),
                                &error))
                connection_prepare(connection, xml, answer_native, whole, call);
        else
                call_fail(call, error);
}

static void answer_document(Connection *connection, xmlDoc *document, bool unused, Call *call) {
        g_autoptr(GError) error = NULL;
        bool complete = connection_complete(connection, document, &error);
        g_autoptr(Definition) definition = complete ? definition_from_document(document, &error) : NULL;
        (void) unused;
        if (definition)
                reply_connection_domain_xml_from_native(call, definition->xml);
        else
                call_fail(call, error);
}

void connection_from_native(Connection *connection, const char *format, const char *text, Call *call) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = check_can_translate(connection, format,
                                                         HYPERVISOR_HAS(connection->hypervisor, documents, from_native), &error)
                                                     ? connection->hypervisor->documents->from_native(text, &error)
                                                     : NULL;
        g_autofree char *xml = document ? xml_document_text(document) : NULL;
        if (xml)
                connection_prepare(connection, xml, answer_document, false, call);
        else
                call_fail(call, error);
}
