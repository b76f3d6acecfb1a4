/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remote/soap.h"

#include <libxml/xmlreader.h>
#include <string.h>

#include "base/xml.h"

#define ENVELOPE "http://schemas.xmlsoap.org/soap/envelope/"
#define INSTANCE "http://www.w3.org/2001/XMLSchema-instance"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlTextReader, xmlFreeTextReader)

void soap_fault_clear(SoapFault *fault) {
        g_clear_pointer(&fault->type, g_free);
        g_clear_pointer(&fault->text, g_free);
}

/* Asking */

char *soap_envelope(const char *body) {
        return g_strconcat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope xmlns:soapenv=\"" ENVELOPE
                           "\" xmlns:xsi=\"" INSTANCE "\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><soapenv:Body>",
                           body, "</soapenv:Body></soapenv:Envelope>\n", NULL);
}

void soap_put(GString *body, const char *name, const char *attributes, const char *value) {
        g_autofree char *text = g_markup_escape_text(value, -1);
        g_string_append_printf(body, "<%s%s%s>%s</%s>", name, attributes ? " " : "", attributes ? attributes : "", text, name);
}

/* Answers */

char *soap_type(const xmlNode *element) {
        g_autofree xmlChar *type = xmlGetNsProp(element, (const xmlChar *) "type", (const xmlChar *) INSTANCE);
        const char *colon = type ? strchr((char *) type, ':') : NULL;
        return type ? g_strdup(colon ? colon + 1 : (char *) type) : NULL;
}

char *soap_plain(const char *text) {
        g_autofree char *valid = g_utf8_make_valid(text, (gssize) MIN(strlen(text), SOAP_FAULT_BYTES_MAX));
        for (char *c = valid; *c; c++)
                if (g_ascii_iscntrl(*c))
                        *c = ' ';
        return g_strdup(g_strstrip(valid));
}

static bool fail(GError **error, const char *what) {
        return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its answer is not what it must be: %s", what);
}

/* Whether an element is within bounds; its elements lose their namespace, as there is only that of the server's API. No
 * recursion: it may be as deep as libxml2 allows. */
static bool prepare(xmlNode *root, GError **error) {
        unsigned n = 0, depth = 0;
        for (xmlNode *node = root; node;) {
                if (node->type == XML_ELEMENT_NODE)
                        node->ns = NULL;
                if (++n > SOAP_ELEMENTS_MAX)
                        return fail(error, "it has too many elements");
                if (node->type == XML_ENTITY_REF_NODE || node->type == XML_DTD_NODE)
                        return fail(error, "it has entities");
                if (node->children && node->type == XML_ELEMENT_NODE) {
                        if (++depth > SOAP_DEPTH_MAX)
                                return fail(error, "its elements are too deep");
                        node = node->children;
                        continue;
                }
                while (node != root && !node->next) {
                        node = node->parent;
                        depth--;
                }
                node = node == root ? NULL : node->next;
        }
        return true;
}

static void read_fault(const xmlNode *element, SoapFault *fault) {
        g_autofree char *text = xml_text_at(element, "faultstring");
        const xmlNode *detail = xml_child(xml_child(element, "detail"), NULL);
        fault->text = soap_plain(text);
        fault->type = detail ? soap_type(detail) : NULL;
        if (!fault->type)
                fault->type = g_strdup("");
}

/* Where in an answer the reader is: Envelope, Body, and the one element of that. */
enum { ENVELOPE_DEPTH, BODY_DEPTH, ANSWER_DEPTH, CHILD_DEPTH };

typedef struct Reading {
        const SoapReader *to;
        SoapFault *fault;
        bool was_answered;
} Reading;

static bool is_here(xmlTextReader *reader, const char *name) {
        const xmlChar *space = xmlTextReaderConstNamespaceUri(reader);
        return space && strcmp((const char *) space, ENVELOPE) == 0 &&
               strcmp((const char *) xmlTextReaderConstLocalName(reader), name) == 0;
}

/* An element; *SKIPS where it was read with all that is in it; *ENDS where nothing else is wanted. */
static bool read_element(xmlTextReader *reader, Reading *reading, bool *skips, bool *ends, GError **error) {
        int depth = xmlTextReaderDepth(reader);
        if ((depth == ENVELOPE_DEPTH && !is_here(reader, "Envelope")) ||
            (depth == BODY_DEPTH && !is_here(reader, "Body") && !is_here(reader, "Header")))
                return fail(error, "it is not a SOAP envelope");
        bool is_fault = depth == ANSWER_DEPTH && is_here(reader, "Fault");
        reading->was_answered |= depth == ANSWER_DEPTH;
        *skips = depth == BODY_DEPTH && is_here(reader, "Header");
        if (*skips)
                return true;
        const char *const *opened = reading->to->opened;
        if (!is_fault &&
            (depth < CHILD_DEPTH || (opened && g_strv_contains(opened, (const char *) xmlTextReaderConstLocalName(reader)))))
                return depth <= SOAP_DEPTH_MAX || fail(error, "its elements are too deep");
        xmlNode *element = xmlTextReaderExpand(reader);
        if (!element)
                return fail(error, "it is cut, or not XML");
        if (!prepare(element, error))
                return false;
        *skips = true;
        *ends = is_fault;
        if (is_fault) {
                read_fault(element, reading->fault);
                return true;
        }
        return !reading->to->each || reading->to->each(reading->to->data, element, error);
}

static void be_silent(void *data, const char *message, xmlParserSeverities severity, xmlTextReaderLocatorPtr locator) {
        (void) data;
        (void) message;
        (void) severity;
        (void) locator;
}

bool soap_read(const char *text, size_t length, const SoapReader *to, SoapFault *fault, GError **error) {
        Reading reading = { .to = to, .fault = fault };
        bool ends = false;
        g_autoptr(xmlTextReader) reader =
                        length <= INT_MAX ? xmlReaderForMemory(text, (int) length, NULL, NULL,
                                                               XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                                                               XML_PARSE_COMPACT)
                                          : NULL;
        if (!reader)
                return fail(error, "it cannot be read");
        xmlTextReaderSetErrorHandler(reader, be_silent, NULL);
        int r = xmlTextReaderRead(reader);
        while (r == 1 && !ends) {
                bool skips = false;
                int type = xmlTextReaderNodeType(reader);
                if (type == XML_READER_TYPE_DOCUMENT_TYPE || type == XML_READER_TYPE_ENTITY_REFERENCE)
                        return fail(error, "it has a document type, or entities");
                if (type == XML_READER_TYPE_ELEMENT && !read_element(reader, &reading, &skips, &ends, error))
                        return false;
                r = skips ? xmlTextReaderNext(reader) : xmlTextReaderRead(reader);
        }
        if (r < 0 || !reading.was_answered)
                return fail(error, "it is cut, or not XML");
        return true;
}
