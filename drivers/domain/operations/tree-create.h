/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Making one of a tree (tree.h), and making one known that is there: what all kinds do alike. What is to be made is written down
 * before the hypervisor hears of it, and is known once it is written that it is made; where it is not made, or its guest ends
 * meanwhile, what is half made is removed. */

#include "domain/operation.h"
#include "domain/tree.h"

typedef struct TreeCreate TreeCreate;

/* What a kind does itself. */
typedef struct TreeCreateKind {
        bool (*is_there)(const TreeCreate *self); /* what it is made of: its guest has not ended */
        void (*create)(Operation *operation);     /* has the hypervisor make it: tree_create_made follows */
        bool (*kept)(const TreeCreate *self);     /* it is known now; true: its guest is ended next */
        void (*delete_pending)(Domain *domain);   /* removes what is half made */
} TreeCreateKind;

/* What the structure of each kind begins with. */
struct TreeCreate {
        Operation operation;
        const TreeCreateKind *kind;
        TreeItem *item;
        char *traces;      /* see tree_change_set_pending */
        bool is_forgotten; /* nothing is known of it when it is made */
        bool is_pending;   /* the file says that it is being made */
        GError *error;
};

/* ITEM is taken. */
Operation *tree_create_new(const OperationClass *class, Call *call, const TreeCreateKind *kind, TreeItem *item);
TreeItem *tree_create_item(const Operation *operation);

/* Chooses its name, where it has none, and says that it is made now. */
void tree_create_name(TreeCreate *self);

/* Whether there may be another one, of that name. */
bool tree_create_check(const TreeCreate *self, GError **error);

/* Writes down what is to be made, of the domain that it has now, and has the kind create it. */
void tree_create_begin(TreeCreate *self);

/* The hypervisor has made it, or, because of ERROR, has left everything as it was. */
void tree_create_made(Operation *operation, const GError *error);

/* Whether it says that it is of this domain. *WAS gets what the domain was, to be given back, or NULL where it does not say. */
bool tree_create_check_whose(const TreeCreate *self, Definition **was, GError **error);

/* Writes down one that is there; CURRENT: it is the current one then. */
void tree_create_known(TreeCreate *self, bool current);

/* For the classes: the path that is answered, and the end. */
const char *tree_create_path(const Operation *operation);
void tree_create_free(Operation *operation);
