/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every document of a tree (tree.h) has: a name, and its parent's. */

#include <glib.h>
#include <stdbool.h>

/* What a definition begins with: TREE_ITEM. It does not change once it is somebody's. */
typedef struct TreeItem {
        unsigned n_references;
        char *name;   /* NULL: to be chosen */
        char *parent; /* its name, or NULL */
} TreeItem;

#define TREE_ITEM \
        union { \
                TreeItem item; \
                struct { \
                        unsigned n_references; \
                        char *name, *parent; \
                }; \
        }

/* Whether a text can be the name of one; WHOSE: "snapshot". */
bool tree_name_check(const char *name, const char *whose, GError **error);
