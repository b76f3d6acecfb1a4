/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The form of a kind of documents, as tables: which elements there are, where, how often, and what their attributes may be. What
 * the form does not have is refused by name: nothing in a document is ignored. */

#include "network/value.h"

/* How many of one name an element may have, where its form does not say less. */
#define ELEMENTS_MAX 16384

typedef struct AttributeForm {
        const char *name;
        const ValueKind *kind;
        bool is_needed;
} AttributeForm;

#define NEEDED true

typedef struct ElementForm ElementForm;
struct ElementForm {
        const char *name;
        const AttributeForm *attributes;
        const ElementForm *const *children;
        const ValueKind *text; /* NULL: it has none */
        unsigned max;          /* how often it may be there; 0: ELEMENTS_MAX */
        bool is_needed, is_single;
        bool is_any;            /* what is in it is not ours */
        const char *namespace_; /* its URI, or NULL: it has none */
};

#define ATTRIBUTES(...) \
        .attributes = (const AttributeForm[]) { \
                __VA_ARGS__, { \
                        NULL \
                } \
        }
#define CHILDREN(...) \
        .children = (const ElementForm *const[]) { \
                __VA_ARGS__, NULL \
        }
#define ELEMENT(symbol, ...) static const ElementForm symbol = { __VA_ARGS__ }
#define ONE .is_single = true

/* Checks an element of that form and all that is in it, and writes values as libvirt does. */
bool element_form_check(xmlNode *element, const ElementForm *form, GError **error);
