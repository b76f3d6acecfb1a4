/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells of most expressions of check.h, without evaluating them, that they find nothing in a document: a document is looked at
 * once, which costs less than a few evaluations, and there are a thousand expressions.
 *
 * An expression is read for what it cannot find anything without: elements, their attributes, values of these, a second
 * element of one name, an element that lacks an attribute. What the reader does not understand sets no condition. Traits of a
 * document are a set of such conditions that has false members (bits of hashes), so the answer "it may find something" can be
 * wrong, and the answer "it finds nothing" cannot. The expressions are read when virtbus is built: see check-reader.h. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

#include "qemu/check/check-keys.h"

typedef struct CheckTraits CheckTraits;

/* What an index must know of a document, which must not be changed meanwhile. */
CheckTraits *check_traits_new(const CheckIndex *index, const xmlNode *root);
void check_traits_free(CheckTraits *traits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CheckTraits, check_traits_free)

/* Whether the rule, or the choice, of this number in a table may find a fault. */
bool check_may_break_rule(const CheckTraits *traits, size_t table, size_t number);
bool check_may_break_choice(const CheckTraits *traits, size_t table, size_t number);

/* Whether a value is one of the words of a list, which are separated by single blanks. */
bool check_is_listed(const char *value, const char *list);
