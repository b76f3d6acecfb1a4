/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/tree-delete.h"

#include "bus.h"
#include "log.h"
#include "options.h"

Operation *tree_delete_new(const OperationClass *class, Call *call, const TreeDeleteKind *kind, const char *name,
                           TreeDeleteOptions options) {
        Operation *operation = operation_new(class, call);
        TreeDelete *self = (TreeDelete *) operation;
        self->kind = kind;
        self->name = g_strdup(name);
        self->options = options;
        return operation;
}

bool tree_delete_read(sd_bus_message *message, TreeDeleteOptions *options, GError **error) {
        return options_read(message, error, "children", 'b', &options->children, "children_only", 'b', &options->children_only,
                            "metadata_only", 'b', &options->metadata_only, NULL) &&
               (!options->children || !options->children_only ||
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "children and children_only exclude each other"));
}

static const TreeKind *tree_of(const TreeDelete *self) {
        return self->operation.class->of_tree;
}

static void next(TreeDelete *self);

static void on_written(void *data, const GError *error) {
        TreeDelete *self = data;
        if (error)
                operation_finish(&self->operation, error);
        else
                next(self);
}

/* What it had in the images is gone: then it is forgotten. */
static void forget(TreeDelete *self, const GPtrArray *changed) {
        TreeChange *change = tree_change_new(self->operation.domain, tree_of(self));
        for (guint i = 0; changed && i < changed->len; i++)
                tree_change_put(change, changed->pdata[i]);
        if (self->name) {
                tree_change_remove(change, self->names->pdata[0]);
                g_ptr_array_remove_index(self->names, 0);
        } else
                tree_change_set_pending(change, NULL, NULL);
        tree_change_write(change, on_written, self);
}

void tree_delete_removed(Operation *operation, const GError *error) {
        TreeDelete *self = (TreeDelete *) operation;
        self->has_left = false;
        if (!error) {
                forget(self, NULL);
                return;
        }
        if (!self->name) { /* it is tried again, at the latest by the next driver */
                const TreeItem *pending = tree_pending(operation->domain, tree_of(self));
                log_warning("domain '%s': what was half made of %s '%s' cannot be removed: %s", domain_name(operation->domain),
                            tree_of(self)->one, pending ? pending->name : "", error->message);
        }
        operation_finish(operation, error);
}

void tree_delete_removed_with(Operation *operation, GPtrArray *changed) {
        forget((TreeDelete *) operation, changed);
}

void tree_delete_made(Operation *operation, bool forgotten) {
        TreeDelete *self = (TreeDelete *) operation;
        TreeItem *item = (TreeItem *) tree_pending(operation->domain, tree_of(self));
        TreeChange *change = tree_change_new(operation->domain, tree_of(self));
        if (item && !forgotten) {
                tree_change_put(change, item);
                tree_change_set_current(change, item->name);
        }
        tree_change_set_pending(change, NULL, NULL);
        tree_change_write(change, on_written, self);
}

void tree_delete_keep(Operation *operation, void *work, GDestroyNotify let_go) {
        TreeDelete *self = (TreeDelete *) operation;
        if (self->work)
                self->let_go(self->work);
        self->work = work;
        self->let_go = let_go;
}

bool tree_delete_is_of_known(const Operation *operation) {
        return ((const TreeDelete *) operation)->name != NULL;
}

static const TreeItem *find_next(const TreeDelete *self) {
        const Domain *domain = self->operation.domain;
        if (!self->name)
                return tree_pending(domain, tree_of(self));
        const TreeNode *node = self->names->len > 0 ? tree_find(domain, tree_of(self), self->names->pdata[0]) : NULL;
        return node ? node->item : NULL;
}

static void next(TreeDelete *self) {
        const TreeItem *item = find_next(self);
        if (!item)
                operation_finish(&self->operation, NULL);
        else if (self->options.metadata_only)
                forget(self, NULL);
        else
                self->kind->remove(&self->operation, item,
                                   self->name ? NULL : tree_pending_traces(self->operation.domain, tree_of(self)));
}

static bool choose(TreeDelete *self, GError **error) {
        const Domain *domain = self->operation.domain;
        const TreeKind *tree = tree_of(self);
        if (!tree_check(domain, tree, error))
                return false;
        if (!self->name)
                return true;
        if (!tree_find(domain, tree, self->name))
                return domain_fail(domain, error, tree->no_such, "it has no %s '%s' any more", tree->one, self->name);
        self->names = tree_branch(domain, tree, self->name);
        if (self->options.children_only)
                g_ptr_array_set_size(self->names, (int) self->names->len - 1);
        else if (!self->options.children)
                g_ptr_array_remove_range(self->names, 0, self->names->len - 1);
        return true;
}

void tree_delete_leaves_guest(Operation *operation) {
        ((TreeDelete *) operation)->has_left = true;
}

OperationFate tree_delete_fate(const Operation *operation) {
        return ((const TreeDelete *) operation)->has_left ? OPERATION_GOES_ON : tree_fate(operation);
}

void tree_delete_begin(Operation *operation) {
        TreeDelete *self = (TreeDelete *) operation;
        g_autoptr(GError) error = NULL;
        if (choose(self, &error) && self->kind->check(self, &error))
                next(self);
        else
                operation_finish(operation, error);
}

void tree_delete_free(Operation *operation) {
        TreeDelete *self = (TreeDelete *) operation;
        tree_delete_keep(operation, NULL, NULL);
        g_free(self->name);
        g_clear_pointer(&self->names, g_ptr_array_unref);
}
