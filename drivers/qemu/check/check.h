/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a document may not say although each part of it could be said to QEMU: parts that exclude each other, numbers that must
 * agree, what a device needs beside it, names that are given twice. Rules are rows of tables, see check-rules.h; they are
 * tried when a domain is defined, changed or translated, on the document with all that was left out filled in. */

#include <libxml/tree.h>

#include "errors.h"

/* How many nodes all rules together may look at in one document: a rule that looks from each element at those beside it takes
 * the square of their number. A guest of 1024 devices takes a quarter of that. */
#define CHECK_STEPS_MAX 4000000

/* Tries all rules on a document, which may be completed by hardware.h. LimitExceeded where that takes too many steps. */
bool check_document(xmlDoc *document, GError **error);

/* The same of what the document says itself, before it is completed: what that would overwrite. */
bool check_given(xmlDoc *document, GError **error);

/* For tests, as it takes its time: an expression that finds a fault in the document and that check_document would not have tried;
 * NULL, as it must be. */
const char *check_overlooked(xmlDoc *document);

/* That each element of a document that is not a list is there once: of PARENT and all below it. Part of check_given. */
bool check_once(xmlNode *parent, GError **error);

/* Sets of processors and memory, which no table can tell: see check-sets.c. */
bool check_sets(xmlNode *root, GError **error);
