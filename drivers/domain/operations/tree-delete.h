/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Deleting of a tree (tree.h): what all kinds do alike. What was left half made is deleted in the same way. */

#include "domain/operation.h"
#include "domain/tree.h"

typedef struct TreeDeleteOptions {
        bool children, children_only, metadata_only;
} TreeDeleteOptions;

typedef struct TreeDelete TreeDelete;

/* What a kind does itself. */
typedef struct TreeDeleteKind {
        bool (*check)(const TreeDelete *self, GError **error);

        /* Takes one out of the images, or has the hypervisor do it: tree_delete_removed follows. TRACES: of one that is half
         * made (tree.h), or NULL. */
        void (*remove)(Operation *operation, const TreeItem *item, const char *traces);
} TreeDeleteKind;

/* The structure of each kind. */
struct TreeDelete {
        Operation operation;
        const TreeDeleteKind *kind;
        char *name; /* NULL: the one that is half made */
        TreeDeleteOptions options;
        bool has_left;    /* its guest: tree_delete_leaves_guest */
        GPtrArray *names; /* char *: to be deleted, children before their parents */
        void *work;       /* the hypervisor's */
        GDestroyNotify let_go;
};

Operation *tree_delete_new(const OperationClass *class, Call *call, const TreeDeleteKind *kind, const char *name,
                           TreeDeleteOptions options);

/* Reads the options of a method Delete. */
bool tree_delete_read(sd_bus_message *message, TreeDeleteOptions *options, GError **error);

/* The hypervisor has taken out of the images what one had in them; what was not there is no error. */
void tree_delete_removed(Operation *operation, const GError *error);

/* The same, and others of the tree are to say so with it: TreeItem, each instead of the one of its name. */
void tree_delete_removed_with(Operation *operation, GPtrArray *changed);

/* What was half made is made after all, and known; FORGOTTEN: or nothing is to be known of it. */
void tree_delete_made(Operation *operation, bool forgotten);

/* What the hypervisor keeps of its work on one, until it works on the next, or the operation ends: then LET_GO gets it. */
void tree_delete_keep(Operation *operation, void *work, GDestroyNotify let_go);

/* What is being taken out is in an image that its guest has not: the guest's end is none of it. */
void tree_delete_leaves_guest(Operation *operation);

/* Whether what is deleted is one that is known, not one that is half made. */
bool tree_delete_is_of_known(const Operation *operation);

/* For the classes. */
OperationFate tree_delete_fate(const Operation *operation);
void tree_delete_begin(Operation *operation);
void tree_delete_free(Operation *operation);
