/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The form of the rules of check.h, which are rows of tables, by subject in check-*.c. check-reader.c reads them when virtbus
 * is built. */

#include <stddef.h>

/* A rule: what AT, an XPath from <domain> on, finds breaks it. VALUE is an XPath from there, whose text stands in the message in
 * the place of "{}"; NULL where the message has none. Rules about the same elements are tried in the order of their rows, however
 * long a table is.
 *
 * Beside those of XPath 1.0 there are these functions:
 * - num(TEXT): the number, also of hexadecimal digits after 0x; not a number where it is none
 * - bytes(TEXT, UNIT): the size in bytes; KiB where UNIT is ""
 * - octets(TEXT): how many bytes it has
 * - power(NUMBER): whether it is a power of two
 * - matches(TEXT, REGEX): whether all of the text has this form
 * - listed(TEXT, LIST): whether the text is a word of the list
 * - twice(TEXT): whether an element beside this one that the rule has come to before had the same text; never where it is an
 *   attribute or element that is not there */
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

/* Conditions: what the machine is. */
#define PC "(not(/domain/os/type/@arch) or listed(/domain/os/type/@arch, 'x86_64 i686'))"
#define ARM_VIRT \
        "(listed(/domain/os/type/@arch, 'aarch64 armv7l armv6l') and " \
        "(/domain/os/type/@machine='virt' or starts-with(/domain/os/type/@machine, 'virt-')))"
#define PSERIES "(starts-with(/domain/os/type/@arch, 'ppc64') and starts-with(/domain/os/type/@machine, 'pseries'))"
#define S390 "(/domain/os/type/@arch='s390x')"

/* Rules of one form: an attribute that must be there; one that is a whole number from 0 on. */
#define CHECK_REQUIRED(element, attribute) \
        { element "[not(@" attribute ")]", "name()", "the required attribute '" attribute "' is missing in element '{}'" }
#define CHECK_COUNT(at) \
        { \
                at "[not(matches(., '[0-9]+'))]", "concat(name(), \"' in element '\", name(..), \"': '\", ., \"'\")", \
                                "invalid value for attribute '{}: it must be a non-negative integer" \
        }
/* The same, where MOST is the greatest there may be. Cheaper, for what most documents have. */
#define CHECK_DECIMAL(at, most) \
        { \
                at "[. = '' or translate(., '0123456789', '') != '' or . > " most "]", \
                                "concat(name(), \"' in element '\", name(..), \"': '\", ., \"'\")", \
                                "invalid value for attribute '{}: it must be a decimal number, " most " at most" \
        }
/* What a 32-bit number and a signed one can be. */
#define CHECK_UINT "4294967295"
#define CHECK_INT "2147483647"
#define CHECK_LONG "9007199254740991" /* what a number of XPath says exactly */
/* The same of an element's text. */
#define CHECK_TEXT_COUNT(at) \
        { \
                at "[not(matches(normalize-space(.), '[0-9]+'))]", "concat(name(), \"': '\", .)", \
                                "invalid value for element '{}': it must be a non-negative integer" \
        }

/* The first is tried before a document is completed, the others after it. */
extern const CheckTable check_given_table, check_machine_table, check_storage_table, check_device_table, check_network_table;
#define CHECK_TABLES \
        { &check_given_table, &check_machine_table, &check_storage_table, &check_device_table, &check_network_table }
