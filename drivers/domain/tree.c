/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/tree.h"

#include <inttypes.h>
#include <string.h>

#include "base/store.h"
#include "domain/connection-table.h"
#include "domain/connection.h"
#include "domain/operation.h"
#include "domain/tree-file.h"
#include "log.h"

/* domain->trees */
typedef struct Tree {
        GPtrArray *all; /* TreeNode, in the order in which they were made known */
        char *current;  /* or NULL */
        TreeItem *pending;
        char *traces; /* of what is pending, or NULL */
        char *fault;  /* why they are not known; or NULL */
        bool has_file;
        unsigned n_writing; /* changes that are being written */
} Tree;

struct TreeChange {
        Domain *domain;
        const TreeKind *kind;
        TreeFile *file; /* what there is then */
        bool is_writing;
        WorkDone done;
        void *data;
};

static TreeItem *ref(TreeItem *item) {
        item->n_references++;
        return item;
}

static void node_free(const TreeKind *kind, TreeNode *node) {
        if (node->published)
                published_withdraw(node->published);
        kind->unref(node->item);
        g_free(node);
}

static void nodes_free(const TreeKind *kind, GPtrArray *nodes) {
        for (guint i = 0; i < nodes->len; i++)
                node_free(kind, nodes->pdata[i]);
        g_ptr_array_unref(nodes);
}

static Tree *tree_of(const Domain *domain, const TreeKind *kind) {
        return domain->trees[kind->place];
}

static Tree *ensure(Domain *domain, const TreeKind *kind) {
        if (!tree_of(domain, kind)) {
                domain->trees[kind->place] = g_new0(Tree, 1);
                tree_of(domain, kind)->all = g_ptr_array_new();
        }
        return tree_of(domain, kind);
}

static void drop(const TreeKind *kind, TreeItem *item) {
        if (item)
                kind->unref(item);
}

void tree_freed(Domain *domain, const TreeKind *kind) {
        Tree *self = g_steal_pointer(&domain->trees[kind->place]);
        if (!self)
                return;
        nodes_free(kind, self->all);
        drop(kind, self->pending);
        g_free(self->current);
        g_free(self->traces);
        g_free(self->fault);
        g_free(self);
}

/* Looking */

unsigned tree_count(const Domain *domain, const TreeKind *kind) {
        return tree_of(domain, kind) ? tree_of(domain, kind)->all->len : 0;
}

TreeNode *tree_at(const Domain *domain, const TreeKind *kind, unsigned index) {
        return tree_of(domain, kind)->all->pdata[index];
}

TreeNode *tree_find(const Domain *domain, const TreeKind *kind, const char *name) {
        for (guint i = 0; name && i < tree_count(domain, kind); i++)
                if (strcmp(tree_at(domain, kind, i)->item->name, name) == 0)
                        return tree_at(domain, kind, i);
        return NULL;
}

TreeNode *tree_current(const Domain *domain, const TreeKind *kind) {
        return tree_of(domain, kind) ? tree_find(domain, kind, tree_of(domain, kind)->current) : NULL;
}

const TreeItem *tree_pending(const Domain *domain, const TreeKind *kind) {
        return tree_of(domain, kind) ? tree_of(domain, kind)->pending : NULL;
}

const char *tree_pending_traces(const Domain *domain, const TreeKind *kind) {
        return tree_of(domain, kind) ? tree_of(domain, kind)->traces : NULL;
}

const char *tree_path(const TreeNode *node) {
        return node && node->published ? published_path(node->published) : "/";
}

/* A tree has no circles: what would make one is refused when it is read. */
bool tree_is_below(const TreeNode *node, const TreeKind *kind, const char *name) {
        for (guint i = 0; node && i < kind->max; i++, node = tree_find(node->domain, kind, node->item->parent))
                if (strcmp(node->item->name, name) == 0)
                        return true;
        return false;
}

static void collect(GPtrArray *names, const Domain *domain, const TreeKind *kind, const char *name) {
        for (guint i = 0; i < tree_count(domain, kind); i++) {
                const TreeItem *child = tree_at(domain, kind, i)->item;
                if (g_strcmp0(child->parent, name) == 0)
                        collect(names, domain, kind, child->name);
        }
        g_ptr_array_add(names, g_strdup(name));
}

GPtrArray *tree_branch(const Domain *domain, const TreeKind *kind, const char *name) {
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        collect(names, domain, kind, name);
        return names;
}

void tree_name(const Domain *domain, const TreeKind *kind, TreeItem *item) {
        item->created = g_get_real_time() / G_USEC_PER_SEC;
        for (int64_t number = item->created; !item->name; number++) {
                g_autofree char *digits = g_strdup_printf("%" PRId64, number);
                if (!tree_find(domain, kind, digits))
                        item->name = g_steal_pointer(&digits);
        }
}

static bool is_of_tree(const Operation *operation, const TreeKind *kind) {
        return operation && operation->class->of_tree == kind;
}

bool tree_is_changing(const Domain *domain, const TreeKind *kind) {
        bool waits = is_of_tree(domain->operation, kind);
        for (const GList *link = domain->waiting.head; link; link = link->next)
                waits |= is_of_tree(link->data, kind);
        return waits;
}

bool tree_check(const Domain *domain, const TreeKind *kind, GError **error) {
        if (!domain->published)
                return domain_fail(domain, error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "it was undefined, or has ended, meanwhile");
        return !tree_of(domain, kind) || !tree_of(domain, kind)->fault ||
               domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED, "what is known of its %s is left alone: %s", kind->many,
                           tree_of(domain, kind)->fault);
}

bool tree_check_parent(const Domain *domain, const TreeKind *kind, const TreeItem *item, GError **error) {
        const TreeNode *parent = tree_find(domain, kind, item->parent);
        if (!item->parent)
                return true;
        if (strcmp(item->parent, item->name) == 0)
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s '%s' cannot be its own parent", kind->one,
                                   item->name);
        if (!parent)
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "%s '%s' names the parent '%s', which does not exist", kind->one, item->name, item->parent);
        return !tree_is_below(parent, kind, item->name) ||
               domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s '%s' cannot be below '%s', which is below it",
                           kind->one, item->name, item->parent);
}

/* Changing */

TreeChange *tree_change_new(Domain *domain, const TreeKind *kind) {
        const Tree *self = ensure(domain, kind);
        TreeChange *change = g_new0(TreeChange, 1);
        *change = (TreeChange){ .domain = domain_ref(domain), .kind = kind, .file = tree_file_new(kind) };
        change->file->current = g_strdup(self->current);
        for (guint i = 0; i < self->all->len; i++)
                g_ptr_array_add(change->file->items, ref(tree_at(domain, kind, i)->item));
        tree_file_set_pending(change->file, self->pending, self->traces);
        return change;
}

static void change_free(TreeChange *change) {
        tree_file_free(change->file);
        domain_unref(change->domain);
        g_free(change);
}

void tree_change_set_pending(TreeChange *change, TreeItem *item, const char *traces) {
        tree_file_set_pending(change->file, item, traces);
}

static int place_of(const TreeChange *change, const char *name) {
        for (guint i = 0; i < change->file->items->len; i++)
                if (strcmp(((const TreeItem *) change->file->items->pdata[i])->name, name) == 0)
                        return (int) i;
        return -1;
}

void tree_change_put(TreeChange *change, TreeItem *item) {
        int place = place_of(change, item->name);
        if (place < 0) {
                g_ptr_array_add(change->file->items, ref(item));
                return;
        }
        change->kind->unref(change->file->items->pdata[place]);
        change->file->items->pdata[place] = ref(item);
}

/* A copy of one, which has another parent. */
static TreeItem *with_parent(const TreeKind *kind, const TreeItem *item, const char *parent) {
        g_autofree char *text = kind->text(item, true);
        TreeItem *copy = kind->parse_own(text, NULL);
        if (copy) {
                g_free(copy->parent);
                copy->parent = g_strdup(parent);
        }
        return copy;
}

void tree_change_remove(TreeChange *change, const char *name) {
        int place = place_of(change, name);
        if (place < 0)
                return;
        TreeItem *gone = g_ptr_array_steal_index(change->file->items, (guint) place);
        for (guint i = 0; i < change->file->items->len; i++) {
                TreeItem *child = change->file->items->pdata[i];
                TreeItem *moved =
                                g_strcmp0(child->parent, gone->name) == 0 ? with_parent(change->kind, child, gone->parent) : NULL;
                if (!moved)
                        continue;
                change->kind->unref(child);
                change->file->items->pdata[i] = moved;
        }
        if (g_strcmp0(change->file->current, gone->name) == 0)
                tree_change_set_current(change, gone->parent);
        change->kind->unref(gone);
}

void tree_change_set_current(TreeChange *change, const char *name) {
        g_autofree char *old = change->file->current;
        change->file->current = g_strdup(name);
}

static TreeNode *node_new(Domain *domain, TreeItem *item) {
        TreeNode *node = g_new0(TreeNode, 1);
        *node = (TreeNode){ .domain = domain, .item = ref(item) };
        return node;
}

/* What there is now is what FILE says, from which it is taken; that is told before what there is no more goes, so that nobody
 * reads of a parent that is not there. */
static void apply(Domain *domain, const TreeKind *kind, TreeFile *file) {
        Tree *self = ensure(domain, kind);
        GPtrArray *old = g_steal_pointer(&self->all);
        self->all = g_ptr_array_new();
        for (guint i = 0; i < file->items->len; i++) {
                TreeItem *item = file->items->pdata[i];
                TreeNode *node = NULL;
                for (guint k = 0; k < old->len && !node; k++)
                        if (strcmp(((TreeNode *) old->pdata[k])->item->name, item->name) == 0)
                                node = g_ptr_array_steal_index(old, k);
                if (!node)
                        node = node_new(domain, item);
                else if (node->item != item) {
                        kind->unref(node->item);
                        node->item = ref(item);
                }
                g_ptr_array_add(self->all, node);
        }
        g_free(self->current);
        self->current = g_steal_pointer(&file->current);
        drop(kind, self->pending);
        self->pending = g_steal_pointer(&file->pending);
        g_free(self->traces);
        self->traces = g_steal_pointer(&file->traces);
        if (domain->published)
                kind->announce(domain);
        nodes_free(kind, old); /* when none names them any more */
}

OperationFate tree_fate(const Operation *operation) {
        const Tree *self = tree_of(operation->domain, operation->class->of_tree);
        return self && self->n_writing > 0 ? OPERATION_GOES_ON : OPERATION_FAILS;
}

static void on_written(void *data, const GError *error) {
        TreeChange *change = data;
        if (change->is_writing && tree_of(change->domain, change->kind))
                tree_of(change->domain, change->kind)->n_writing--;
        WorkDone done = change->done;
        void *of_done = change->data;
        g_autoptr(Domain) domain = domain_ref(change->domain);
        g_autoptr(GError) failure = NULL;
        if (error)
                domain_fail(domain, &failure, virtbus_error_code(error), "its %s cannot be written down: %s", change->kind->many,
                            error->message);
        else
                apply(domain, change->kind, change->file);
        change_free(change);
        done(of_done, failure);
}

void tree_change_write(TreeChange *change, WorkDone done, void *data) {
        g_autofree char *text = change->file->items->len > 0 || change->file->pending ? tree_file_text(change->file) : NULL;
        Domain *domain = change->domain;
        g_autoptr(GError) error = NULL;
        change->done = done;
        change->data = data;
        if (change->file->items->len > change->kind->max)
                virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there would be more than %u", change->kind->max);
        else if (text && strlen(text) > XML_OWN_BYTES_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "their documents would have more than %d bytes",
                                  XML_OWN_BYTES_MAX);
        else if (tree_check(domain, change->kind, &error)) {
                tree_of(domain, change->kind)->has_file = text != NULL;
                tree_of(domain, change->kind)->n_writing++;
                change->is_writing = true;
                store_define(domain->connection->trees[change->kind->place], domain->uuid, text, on_written, change);
                return;
        }
        on_written(change, error);
}

/* Kept elsewhere */

void tree_show(Domain *domain, const TreeKind *kind, const GPtrArray *items, const char *current) {
        g_autoptr(TreeFile) file = tree_file_new(kind);
        for (guint i = 0; i < items->len; i++)
                g_ptr_array_add(file->items, ref(items->pdata[i]));
        file->current = g_strdup(current);
        apply(domain, kind, file);
}

/* Beginning and end */

typedef struct Loading {
        Connection *connection;
        const TreeKind *kind;
} Loading;

static void load(void *data, const char *uuid, const char *text, const GError *unreadable) {
        const Loading *loading = data;
        const TreeKind *kind = loading->kind;
        Domain *domain = connection_find(loading->connection, uuid);
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(TreeFile) file = NULL;
        if (!domain) {
                log_warning("the %s of domain %s, which is not there, are left as they are", kind->many, uuid);
                return;
        }
        if (text && (file = tree_file_parse(kind, text, &error)))
                apply(domain, kind, file);
        else {
                ensure(domain, kind)->fault = g_strdup(error->message);
                log_error("domain '%s': the file of its %s is left as it is: %s", domain_name(domain), kind->many,
                          error->message);
        }
        tree_of(domain, kind)->has_file = true;
        kind->announce(domain);
}

void tree_load(Connection *connection, const TreeKind *kind) {
        store_each_definition(connection->trees[kind->place], load, &(Loading){ connection, kind });
}

static void on_removed(void *data, const GError *error) {
        g_autofree char *whose = data;
        if (error)
                log_error("%s cannot be removed: %s", whose, error->message);
}

void tree_forget_first(Domain *domain, const TreeKind *kind, WorkDone done, void *data) {
        if (!tree_of(domain, kind) || !tree_of(domain, kind)->has_file) {
                done(data, NULL);
                return;
        }
        TreeChange *change = tree_change_new(domain, kind);
        tree_change_set_pending(change, NULL, NULL);
        g_ptr_array_set_size(change->file->items, 0);
        g_clear_pointer(&change->file->current, g_free);
        tree_change_write(change, done, data);
}

/* Those of a domain without a definition end with it: a domain of its UUID is another one. */
void tree_gone(Domain *domain, const TreeKind *kind) {
        const Tree *self = tree_of(domain, kind);
        if (self && self->has_file && !self->fault)
                store_define(domain->connection->trees[kind->place], domain->uuid, NULL, on_removed,
                             g_strdup_printf("domain '%s': the file of its %s", domain_name(domain), kind->many));
        tree_freed(domain, kind);
}

/* On the bus */

void tree_publish(Domain *domain, const TreeKind *kind, const Vtable *const *vtables) {
        g_autofree char *prefix = g_strdup_printf("%s/%s", published_path(domain->published), kind->one);
        for (guint i = 0; i < tree_count(domain, kind); i++) { /* a parent has no children before these are there */
                TreeNode *node = tree_at(domain, kind, i);
                char *path = NULL;
                if (node->published || sd_bus_path_encode(prefix, node->item->name, &path) < 0)
                        continue;
                node->published = objects_publish(domain->connection->objects, path, node, vtables);
                free(path);
        }
        for (guint i = 0; i < tree_count(domain, kind); i++) /* what has its old value is not signalled */
                published_changed(tree_at(domain, kind, i)->published, vtables[0], NULL);
}

int tree_append_children(const TreeNode *node, const TreeKind *kind, sd_bus_message *message) {
        int r = sd_bus_message_open_container(message, 'a', "o");
        for (guint i = 0; r >= 0 && i < tree_count(node->domain, kind); i++) {
                const TreeNode *child = tree_at(node->domain, kind, i);
                if (child->published && g_strcmp0(child->item->parent, node->item->name) == 0)
                        r = sd_bus_message_append(message, "o", tree_path(child));
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}
