/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/tree-create.h"

#include <string.h>

#include "bus.h"
#include "domain/connection.h"
#include "domain/domain-run.h"

Operation *tree_create_new(const OperationClass *class, Call *call, const TreeCreateKind *kind, TreeItem *item) {
        Operation *operation = operation_new(class, call);
        TreeCreate *self = (TreeCreate *) operation;
        self->kind = kind;
        self->item = item;
        return operation;
}

TreeItem *tree_create_item(const Operation *operation) {
        return ((const TreeCreate *) operation)->item;
}

static const TreeKind *tree_of(const TreeCreate *self) {
        return self->operation.class->of_tree;
}

void tree_create_name(TreeCreate *self) {
        tree_name(self->operation.domain, tree_of(self), self->item);
}

bool tree_create_check(TreeCreate *self, GError **error) {
        const Domain *domain = self->operation.domain;
        const TreeKind *tree = tree_of(self);
        if (tree_find(domain, tree, self->item->name))
                return domain_fail(domain, error, VIRTBUS_ERROR_ALREADY_EXISTS, "it has a %s '%s' already", tree->one,
                                   self->item->name);
        if (tree_pending(domain, tree)) {
                self->is_pending = true; /* its removal is tried again: tree_create_free */
                return domain_fail(domain, error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                   "what was half made of %s '%s' is not removed yet: the log says why", tree->one,
                                   tree_pending(domain, tree)->name);
        }
        return self->is_forgotten || tree_count(domain, tree) < tree->max ||
               domain_fail(domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "it has %u %s already; delete some first", tree->max,
                           tree->many);
}

/* Making */

static void finish(TreeCreate *self) {
        g_autoptr(GError) error = g_steal_pointer(&self->error);
        operation_finish(&self->operation, error);
}

static void on_forgotten(void *data, const GError *unused) {
        TreeCreate *self = data;
        (void) unused;
        self->is_pending = false;
        finish(self);
}

/* It is not made: nothing of it is there. */
static void give_up(TreeCreate *self, const GError *error) {
        TreeChange *change = tree_change_new(self->operation.domain, tree_of(self));
        self->error = g_error_copy(error);
        tree_change_set_pending(change, NULL, NULL);
        tree_change_write(change, on_forgotten, self);
}

static void on_kept(void *data, const GError *error) {
        TreeCreate *self = data;
        Domain *domain = self->operation.domain;
        self->is_pending = error != NULL; /* then it is removed: tree_create_free */
        if (error)
                self->error = g_error_copy(error);
        bool halts = !error && self->kind->kept(self);
        finish(self);
        if (halts)
                domain_destroy(domain, REASON_DESTROYED, NULL);
}

void tree_create_made(Operation *operation, const GError *error) {
        TreeCreate *self = (TreeCreate *) operation;
        if (error) {
                give_up(self, error);
                return;
        }
        TreeChange *change = tree_change_new(operation->domain, tree_of(self));
        tree_change_set_pending(change, NULL, NULL);
        if (!self->is_forgotten) {
                tree_change_put(change, self->item);
                tree_change_set_current(change, self->item->name);
        }
        tree_change_write(change, on_kept, self);
}

static void on_pending(void *data, const GError *error) {
        TreeCreate *self = data;
        const Domain *domain = self->operation.domain;
        self->is_pending = !error;
        if (error) {
                operation_finish(&self->operation, error);
                return;
        }
        g_autoptr(GError) changed = NULL;
        if (domain->connection->closing)
                domain_fail(domain, &changed, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        else if (!self->kind->is_there(self))
                domain_fail(domain, &changed, VIRTBUS_ERROR_CANCELLED, "it has ended meanwhile");
        if (changed)
                give_up(self, changed);
        else
                self->kind->create(&self->operation);
}

static void describe_domain(TreeCreate *self) {
        const Domain *domain = self->operation.domain;
        const TreeNode *current = tree_current(domain, tree_of(self));
        TreeItem *item = self->item;
        g_free(item->uuid);
        g_free(item->domain);
        item->uuid = g_strdup(domain->uuid);
        item->domain = definition_machine_text(domain_definition(domain));
        item->parent = current ? g_strdup(current->item->name) : NULL;
}

static void begin(TreeCreate *self) {
        describe_domain(self);
        if (self->kind->describe)
                self->kind->describe(self);
        TreeChange *change = tree_change_new(self->operation.domain, tree_of(self));
        tree_change_set_pending(change, self->item, self->traces);
        tree_change_write(change, on_pending, self);
}

void tree_create_prepared(Operation *operation, const char *traces, const GError *error) {
        TreeCreate *self = (TreeCreate *) operation;
        if (error) {
                operation_finish(operation, error);
                return;
        }
        self->traces = g_strdup(traces);
        begin(self);
}

/* What there is of it is removed: tree_create_free. */
void tree_create_unknown(Operation *operation, const GError *error) {
        operation_finish(operation, error);
}

/* Making known */

bool tree_create_check_whose(const TreeCreate *self, Definition **was, GError **error) {
        const Domain *domain = self->operation.domain;
        const TreeItem *item = self->item;
        g_autoptr(Definition) definition = item->domain ? definition_parse(item->domain, error) : NULL;
        if (item->domain && !definition)
                return false;
        const char *uuids[] = { definition ? definition->uuid : NULL, item->uuid };
        for (size_t i = 0; i < G_N_ELEMENTS(uuids); i++)
                if (uuids[i] && strcmp(uuids[i], domain->uuid) != 0)
                        return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s '%s' is of the domain with UUID %s",
                                           tree_of(self)->one, item->name, uuids[i]);
        *was = g_steal_pointer(&definition);
        return true;
}

bool tree_create_check_disk(const TreeCreate *self, const Definition *was, const char *target, GError **error) {
        for (guint i = 0; was && i < was->devices->len; i++)
                if (strcmp(((const DeviceDefinition *) was->devices->pdata[i])->target, target) == 0)
                        return true;
        return !was || domain_fail(self->operation.domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "%s '%s' has a disk '%s', which its domain does not have", tree_of(self)->one,
                                   self->item->name, target);
}

static void on_known(void *data, const GError *error) {
        TreeCreate *self = data;
        if (!error)
                self->kind->kept(self);
        operation_finish(&self->operation, error);
}

void tree_create_known(TreeCreate *self, bool current) {
        if (!self->item->uuid)
                self->item->uuid = g_strdup(self->operation.domain->uuid);
        TreeChange *change = tree_change_new(self->operation.domain, tree_of(self));
        tree_change_put(change, self->item);
        if (current)
                tree_change_set_current(change, self->item->name);
        tree_change_write(change, on_known, self);
}

/* The end */

const char *tree_create_path(const Operation *operation) {
        const TreeCreate *self = (const TreeCreate *) operation;
        return tree_path(tree_find(operation->domain, tree_of(self), self->item->name));
}

/* Its guest may have ended meanwhile, with what was half made. */
void tree_create_free(Operation *operation) {
        TreeCreate *self = (TreeCreate *) operation;
        if (self->is_pending)
                self->kind->delete_pending(operation->domain);
        tree_of(self)->unref(self->item);
        g_free(self->traces);
        g_clear_error(&self->error);
}
