/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Objects below a domain that are a tree, as commands show and find them: its snapshots, its checkpoints. */

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
        const char *const *headings; /* NAME, CURRENT, and those of: */
        void (*fill)(const TreeRow *row, char **cells, const char *parent);
} TreeKind;

/* A property that is text, and when it was made; the latter to be freed. */
const char *tree_text(const TreeRow *row, const char *name);
char *tree_time(const TreeRow *row);

/* The names of a domain's; NULL where they cannot be asked for. */
char **tree_names(const TreeKind *kind, Ctl *ctl, VirtbusDomain *domain);

/* The path of the one of this name; NULL when it has been said that there is none. */
char *tree_find(const TreeKind *kind, const CommandTarget *target, const char *name, int *status);

/* Shows them, the oldest first, below their parents. */
int tree_list(const TreeKind *kind, const CommandTarget *target);
