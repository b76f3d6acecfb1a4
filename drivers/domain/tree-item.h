/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every document of a tree (tree.h) has: a name and its parent's, when it was made, and what its domain was then. */

#include "base/xml.h"

/* What a definition begins with: TREE_ITEM. It does not change once it is somebody's. */
typedef struct TreeItem {
        unsigned n_references;
        char *name;        /* NULL: to be chosen */
        char *parent;      /* its name, or NULL */
        char *description; /* or NULL */
        int64_t created;   /* in seconds since 1970; -1: it does not say */
        char *uuid;        /* of its domain, where it says */
        char *domain;      /* document: what it was; or NULL */
} TreeItem;

#define TREE_ITEM \
        union { \
                TreeItem item; \
                struct { \
                        unsigned n_references; \
                        char *name, *parent, *description; \
                        int64_t created; \
                        char *uuid, *domain; \
                }; \
        }

/* One that says nothing yet, and of which somebody has a reference. */
void tree_item_init(TreeItem *item);

/* Frees what it says. */
void tree_item_clear(TreeItem *item);

/* Whether the root has elements of these names alone (NULL at the end), each once. WHOSE: "snapshot". */
bool tree_item_check_elements(const xmlNode *root, const char *const *known, const char *whose, GError **error);

/* Reads name and description; where it is KNOWN, as it was made, also its parent and when that was. */
bool tree_item_read(TreeItem *item, const xmlNode *root, const char *whose, bool known, GError **error);

/* Reads a domain's document from the element NAME, as text to be freed. One that has only a UUID says whose it is, and not what
 * that was: *UUID, where that is not NULL and nothing has said it. */
char *tree_item_read_domain(const xmlNode *root, const char *name, char **uuid);

/* Writes what tree_item_read reads, in two parts, as libvirt has them; and a domain's document, with its passwords or without,
 * or nothing for NULL. */
void tree_item_write_text(xmlNode *root, const char *name, const char *text); /* nothing for NULL */
void tree_item_write_origin(const TreeItem *item, xmlNode *root);
void tree_item_write_domain(xmlNode *root, const char *name, const char *text, bool secrets);

/* A UUID alone, of which it is, where the document is not known. */
void tree_item_write_whose(const TreeItem *item, xmlNode *root);
