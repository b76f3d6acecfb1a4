/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A network filter's document: rules, and references to other filters, for the packets of a guest's card. What is not libvirt's
 * nwfilter format is refused by name: nothing in a document is ignored. Definitions do not change. */

#include "base/xml.h"
#include "network/filter-rule.h"

/* How many rules and references a filter may have. */
#define FILTER_RULES_MAX 4096

/* How many values of variables a reference may have. */
#define FILTER_PARAMETERS_MAX 4096

/* How long the name of a chain may be, in bytes, as in libvirt. */
#define FILTER_CHAIN_BYTES_MAX 12

/* A value that a reference gives a variable; those of one name are a list. */
typedef struct FilterParameter {
        char *name, *value;
} FilterParameter;

/* What a filter has, one after the other: a rule, or a reference to another filter. */
typedef struct FilterItem {
        FilterRule *rule;   /* or NULL */
        char *reference;    /* then: the name of the other one */
        GArray *parameters; /* FilterParameter */
} FilterItem;

/* Strings are never NULL, and arrays not either. */
typedef struct FilterDefinition {
        char *xml; /* with what libvirt adds to it */
        char *uuid, *name;
        char *chain;       /* "root", or one whose name begins with the protocol that it is for */
        int priority;      /* of the chain, among those of its parent */
        GPtrArray *items;  /* FilterItem, in the document's order */
        char **references; /* the names of the filters that it includes, in order; NULL at the end */
        bool is_shipped;   /* it came with the driver, and is in no file */
} FilterDefinition;

/* Reads a document that a user wrote. What it leaves out is added: a random UUID, the chain "root", the priorities; and all is
 * written as libvirt writes it. */
FilterDefinition *filter_definition_parse(const char *xml, GError **error);

/* Takes a parsed document; NULL with an error. */
FilterDefinition *filter_definition_from_document(xmlDoc *document, GError **error);

/* Reads a <filterref>, and writes its parameters in libvirt's order. *NAME and *PARAMETERS (FilterParameter) are the caller's,
 * also where it fails. */
bool filter_reference_read(xmlNode *element, char **name, GArray **parameters, GError **error);

void filter_definition_free(FilterDefinition *definition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FilterDefinition, filter_definition_free)
