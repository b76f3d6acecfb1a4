/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a document may not say although each part of it could be said to QEMU: parts that exclude each other, numbers that must
 * agree, what a device needs beside it, names that are given twice. Rules are rows of tables, by subject in check-*.c; they are
 * tried when a domain is defined, changed or translated, on the document with all that was left out filled in. */

#include <libxml/tree.h>

#include "errors.h"

/* A rule: what AT, an XPath from <domain> on, finds breaks it. VALUE is an XPath from there, whose text stands in the message in
 * the place of "{}"; NULL where the message has none.
 *
 * Beside those of XPath 1.0 there are these functions:
 *   num(TEXT)             the number, also of hexadecimal digits after 0x; not a number where it is none
 *   bytes(TEXT, UNIT)     the size in bytes; KiB where UNIT is ""
 *   power(NUMBER)         whether it is a power of two
 *   matches(TEXT, REGEX)  whether all of the text has this form
 *   listed(TEXT, LIST)    whether the text is a word of the list
 *   twice(TEXT)           whether an element beside this one that the rule has come to before had the same text; never where it is an
 *                         attribute or element that is not there */
typedef struct CheckRule {
        const char *at, *value, *message;
} CheckRule;

/* A choice: what AT finds must be one of the words of CHOICES. */
typedef struct CheckChoice {
        const char *at, *choices;
} CheckChoice;

typedef struct CheckTable {
        const CheckRule *rules;
        size_t n_rules;
        const CheckChoice *choices;
        size_t n_choices;
} CheckTable;

/* Rules of one form: an attribute that must be there; one that is a whole number from 0 on. */
#define CHECK_REQUIRED(element, attribute) \
        { element "[not(@" attribute ")]", "name()", "the required attribute '" attribute "' is missing in element '{}'" }
#define CHECK_COUNT(at) \
        { \
                at "[not(matches(., '[0-9]+'))]", "concat(name(), \"' in element '\", name(..), \"': '\", ., \"'\")", \
                                "invalid value for attribute '{}: it must be a non-negative integer" \
        }
/* The same of an element's text. */
#define CHECK_TEXT_COUNT(at) \
        { \
                at "[not(matches(normalize-space(.), '[0-9]+'))]", "concat(name(), \"': '\", .)", \
                                "invalid value for element '{}': it must be a non-negative integer" \
        }

extern const CheckTable check_machine_table, check_storage_table, check_device_table, check_network_table;

/* How many nodes all rules together may look at in one document: a rule that looks from each element at those beside it takes the square of
 * their number. A guest of 1024 devices takes a quarter of that. */
#define CHECK_STEPS_MAX 4000000

/* Tries all rules on a document, which may be completed by hardware.h. LimitExceeded where that takes too many steps. */
bool check_document(xmlDoc *document, GError **error);

/* For tests, as it takes its time: an expression that finds a fault in the document and that check_document would not have tried;
 * NULL, as it must be. */
const char *check_overlooked(xmlDoc *document);

/* Sets of processors and memory, which no table can tell: see check-sets.c. */
bool check_sets(xmlNode *root, GError **error);
