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
        void (*describe)(TreeCreate *self);       /* says what else it is of its domain, as it is now; or NULL */
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
        bool is_pending;   /* the file says that one is being made, which is not */
        GError *error;
};

/* ITEM is taken. */
Operation *tree_create_new(const OperationClass *class, Call *call, const TreeCreateKind *kind, TreeItem *item);
TreeItem *tree_create_item(const Operation *operation);

/* Chooses its name, where it has none, and says that it is made now. */
void tree_create_name(TreeCreate *self);

/* Whether there may be another one, of that name: also where nothing will be known of it, as it could not be told apart. */
bool tree_create_check(TreeCreate *self, GError **error);

/* The hypervisor has looked, and nothing of that name is there, so that what is then is its own work, by these TRACES (see
 * tree_change_set_pending); or ERROR says why it cannot be. It is written down, of the domain as it is now, and the kind
 * creates it. */
void tree_create_prepared(Operation *operation, const char *traces, const GError *error);

/* The hypervisor has made it, or, because of ERROR, has left everything as it was. */
void tree_create_made(Operation *operation, const GError *error);

/* Because of ERROR nobody knows whether it was made, or half of it: what there is of it is looked for, and removed. */
void tree_create_unknown(Operation *operation, const GError *error);

/* Whether it says that it is of this domain. *WAS gets what the domain was, to be given back, or NULL where it does not say. */
bool tree_create_check_whose(const TreeCreate *self, Definition **was, GError **error);

/* Whether what the domain was has the disk of that target; so where it does not say (WAS is NULL). */
bool tree_create_check_disk(const TreeCreate *self, const Definition *was, const char *target, GError **error);

/* Writes down one that is there; CURRENT: it is the current one then. */
void tree_create_known(TreeCreate *self, bool current);

/* For the classes: the path that is answered, and the end. */
const char *tree_create_path(const Operation *operation);
void tree_create_free(Operation *operation);
