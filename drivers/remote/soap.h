/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SOAP 1.1: what is asked, as text; and what a server answers, which is a stranger's: an element at a time, bounded in depth,
 * elements and attributes, without entities and document types. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

/* Of one element that is handed out, with what is in it. */
#define SOAP_DEPTH_MAX 48
#define SOAP_ELEMENTS_MAX 200000

/* How much of a fault's own words is repeated. */
#define SOAP_FAULT_BYTES_MAX 512

/* What a server says instead of an answer. */
typedef struct SoapFault {
        char *type; /* of its detail: "InvalidLogin"; or "" */
        char *text; /* its own words, in plain text */
} SoapFault;
void soap_fault_clear(SoapFault *fault);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SoapFault, soap_fault_clear)

/* An envelope around a body of XML. To be freed. */
char *soap_envelope(const char *body);

/* Appends <NAME>VALUE</NAME>, VALUE as text; ATTRIBUTES, or NULL, as they are. */
void soap_put(GString *body, const char *name, const char *attributes, const char *value);

/* Reads an answer: EACH is called with each child of the one element of its body, whose nodes are gone then; where it returns
 * false that is the end. Of children whose names are in OPENED (NULL at the end; or NULL) it is called with the children, and
 * so on. FAULT is set where it is one: true then. False with HypervisorFailed where it is not SOAP. */
typedef bool (*SoapEach)(void *data, xmlNode *element, GError **error);
typedef struct SoapReader {
        SoapEach each; /* or NULL */
        void *data;
        const char *const *opened;
} SoapReader;
bool soap_read(const char *text, size_t length, const SoapReader *reader, SoapFault *fault, GError **error);

/* The type that an element says it has (xsi:type), without its prefix; NULL: none. To be freed. */
char *soap_type(const xmlNode *element);

/* A text of a stranger's in plain text: without control characters, and cut. To be freed. */
char *soap_plain(const char *text);
