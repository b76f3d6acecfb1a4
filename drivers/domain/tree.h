/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Named objects below a domain that are a tree, of which one is the current one: its snapshots, its checkpoints. They are kept
 * in one file of each kind for each domain, which is replaced whole: no crash leaves half a change of the tree. What is to be
 * made is in that file before the hypervisor hears of it, so that who follows a driver that was killed can remove what is half
 * made. A kind is a TreeKind, and has its functions by TREE_FUNCTIONS. */

#include "base/worker.h"
#include "domain/domain.h"
#include "domain/operation.h"
#include "domain/tree-item.h"

/* One that is known; one of a kind is a structure of TREE_NODE alone. */
typedef struct TreeNode {
        Domain *domain;
        Published *published;
        TreeItem *item;
} TreeNode;

#define TREE_NODE(Definition) \
        union { \
                TreeNode node; \
                struct { \
                        Domain *domain; \
                        Published *published; \
                        Definition *definition; \
                }; \
        }

/* What a kind of tree is. */
struct TreeKind {
        DomainTree place; /* in domain->trees, and connection->trees */
        const char *one;  /* "snapshot": as messages, the file and the object's path have it */
        const char *many; /* "snapshots": and its folder */
        const char *root; /* of the file */
        unsigned max;     /* how many one domain may have; the file has all of their documents: XML_OWN_BYTES_MAX bounds it too */

        VirtbusError no_such;

        bool (*is_offered)(const Hypervisor *hypervisor);
        TreeItem *(*parse_own)(const char *text, GError **error);
        char *(*text)(const TreeItem *item, bool secrets);
        void (*unref)(TreeItem *item);
        void (*announce)(Domain *domain); /* they have changed */
};

/* NULL: there is none. */
TreeNode *tree_find(const Domain *domain, const TreeKind *kind, const char *name);
TreeNode *tree_current(const Domain *domain, const TreeKind *kind);
unsigned tree_count(const Domain *domain, const TreeKind *kind);
TreeNode *tree_at(const Domain *domain, const TreeKind *kind, unsigned index);

/* The path of its object; "/" for NULL, and for one that is not published yet. */
const char *tree_path(const TreeNode *node);

/* Whether one is below another, or is it. */
bool tree_is_below(const TreeNode *node, const TreeKind *kind, const char *name);

/* The names of one, which is last, and of all below it, children before their parents. To be freed, and char *. */
GPtrArray *tree_branch(const Domain *domain, const TreeKind *kind, const char *name);

/* The one that is half made, or NULL. */
const TreeItem *tree_pending(const Domain *domain, const TreeKind *kind);

const char *tree_pending_traces(const Domain *domain, const TreeKind *kind);

/* Whether they are known, and can be changed: a file that is damaged, or that a later version has written, is left alone. */
bool tree_check(const Domain *domain, const TreeKind *kind, GError **error);

/* Whether one that is made known has a parent that is there, and that is not below it. */
bool tree_check_parent(const Domain *domain, const TreeKind *kind, const TreeItem *item, GError **error);

/* A change of them, which is written as a whole and counts when it is. */
typedef struct TreeChange TreeChange;
TreeChange *tree_change_new(Domain *domain, const TreeKind *kind);

/* ITEM is what is to be made, or NULL. TRACES is what the hypervisor tells its own work by, which is kept with it: where it is
 * removed half made, that alone is to go. It may be NULL. */
void tree_change_set_pending(TreeChange *change, TreeItem *item, const char *traces);
void tree_change_put(TreeChange *change, TreeItem *item);      /* instead of one of its name */
void tree_change_remove(TreeChange *change, const char *name); /* its children are its parent's then, as is to be current */
void tree_change_set_current(TreeChange *change, const char *name);

/* Writes it (CHANGE is taken), then calls DONE: with an error, nothing has changed. */
void tree_change_write(TreeChange *change, WorkDone done, void *data);

/* Of a hypervisor that keeps them itself: these (TreeItem, of which references are taken) are what there is, and CURRENT, or
 * NULL, is the name of the current one. Who tells vouches that they are a tree: names are unique, a parent is before what is
 * below it, and there are no more than the kind's max. */
void tree_show(Domain *domain, const TreeKind *kind, const GPtrArray *items, const char *current);

/* Says of one that is made now when that is, and chooses its name where it has none. */
void tree_name(const Domain *domain, const TreeKind *kind, TreeItem *item);

/* As a connection is opened, after its domains are known. */
void tree_load(Connection *connection, const TreeKind *kind);

/* Forgets all, and removes their file; then, at once where there is none, calls DONE: with an error, nothing has changed. */
void tree_forget_first(Domain *domain, const TreeKind *kind, WorkDone done, void *data);

/* Whether an operation on them is at work, or waits. */
bool tree_is_changing(const Domain *domain, const TreeKind *kind);

/* What the end of its domain's run is to an operation of a tree: one whose change is being written goes on, until that is
 * done. */
OperationFate tree_fate(const Operation *operation);

/* They go with their domain: what a kind's DomainListener calls, gone before the domain's own objects are withdrawn. */
void tree_gone(Domain *domain, const TreeKind *kind);
void tree_freed(Domain *domain, const TreeKind *kind);

/* Publishes those that are new, below their domain, and tells what is another; VTABLES end with NULL. */
void tree_publish(Domain *domain, const TreeKind *kind, const Vtable *const *vtables);

/* Appends the paths of those whose parent one is. */
int tree_append_children(const TreeNode *node, const TreeKind *kind, sd_bus_message *message);

/* The same for one KIND, with its types. */
#define TREE_FUNCTIONS(Node, Definition, one, many, Kind) \
        static inline Node *one##_find(const Domain *domain, const char *name) { \
                return (Node *) tree_find(domain, &(Kind), name); \
        } \
        static inline Node *one##_current(const Domain *domain) { \
                return (Node *) tree_current(domain, &(Kind)); \
        } \
        static inline unsigned many##_count(const Domain *domain) { \
                return tree_count(domain, &(Kind)); \
        } \
        static inline Node *many##_at(const Domain *domain, unsigned index) { \
                return (Node *) tree_at(domain, &(Kind), index); \
        } \
        static inline const char *one##_path(const Node *node) { \
                return tree_path(node ? &node->node : NULL); \
        } \
        static inline const Definition *many##_pending(const Domain *domain) { \
                return (const Definition *) tree_pending(domain, &(Kind)); \
        } \
        static inline bool many##_check(const Domain *domain, GError **error) { \
                return tree_check(domain, &(Kind), error); \
        }
