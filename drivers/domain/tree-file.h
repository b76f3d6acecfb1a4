/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is kept of a tree (tree.h), in one file. Whatever is in that file when it is read is a tree: what somebody has damaged is
 * refused, so that who goes from one to its parent, or to those below it, comes to an end. */

#include "domain/tree.h"

typedef struct TreeFile {
        const TreeKind *kind;
        GPtrArray *items; /* TreeItem, in the order in which they were made known */
        char *current;    /* the name of one of them; or NULL */
        TreeItem *pending;
        char *traces; /* of the pending one, see tree_change_set_pending; or NULL */
} TreeFile;

/* Nothing of one. */
TreeFile *tree_file_new(const TreeKind *kind);
void tree_file_free(TreeFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TreeFile, tree_file_free)

/* The one that is pending: ITEM, or NULL, of which a reference is taken. */
void tree_file_set_pending(TreeFile *file, TreeItem *item, const char *traces);

TreeFile *tree_file_parse(const TreeKind *kind, const char *text, GError **error);
char *tree_file_text(const TreeFile *file);
