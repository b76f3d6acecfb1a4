/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Objects below a domain that are a tree, as commands show and find them: its snapshots, its checkpoints. */

#include <stdbool.h>

#include "ctl.h"
#include "domain-command.h"

#define TREE_COLUMNS_MAX 8

/* One that the domain has. */
typedef struct TreeRow {
        char *path;
        GVariant *properties;
} TreeRow;

typedef struct TreeKind {
        const char *interface, *noun;
        const char *element, *method; /* by which one is made: its document's root, and what Domain has for it */
        const char *redefine;         /* what Domain has to make one known again */
        bool has_xml_options;         /* GetXML takes some */
        const char *const *headings;  /* NAME, CURRENT, and those of: */
        void (*fill)(const TreeRow *row, char **cells, const char *parent);
} TreeKind;

/* A property that is text, and when it was made; the latter to be freed. */
const char *tree_text(const TreeRow *row, const char *name);
char *tree_time(const TreeRow *row);

/* The names of a domain's, by its path; NULL where they cannot be asked for. */
char **tree_names(const TreeKind *kind, Ctl *ctl, const char *domain);

/* The commands that all have alike; KNOWN: the options that they take, NULL at the end. */

/* Shows them, the oldest first, below their parents. */
int tree_list(const TreeKind *kind, const CommandTarget *target);

/* Makes one known again by its document, whose parent is known. */
bool tree_redefine(const TreeKind *kind, Ctl *ctl, const char *domain, const char *xml, bool is_current, GError **error);

/* Makes one, of this name or (NULL) one that is chosen, which is shown then. METHOD: what makes it; PARTS: elements of its
 * document, besides name and description. */
int tree_create(const TreeKind *kind, const CommandTarget *target, const char *name, const char *const *known, const char *method,
                const char *parts);

/* Calls a method of the one of this name, with those options. */
int tree_do(const TreeKind *kind, const CommandTarget *target, const char *name, const char *method, const char *const *known);

/* Shows its document. */
int tree_show(const TreeKind *kind, const CommandTarget *target, const char *name);
