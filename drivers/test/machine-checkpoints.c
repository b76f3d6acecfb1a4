/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/checkpoint-create.h"
#include "domain/operations/tree-create.h"
#include "domain/operations/tree-delete.h"
#include "test/machine.h"

/* The images of these machines are not looked at: what is to be kept is the checkpoints' documents. */

static void prepare(Operation *operation) {
        tree_create_prepared(operation, NULL, NULL);
}

static void create(Operation *operation) {
        g_autoptr(GError) error = laboratory_take_failure(operation->domain, TEST_CHECKPOINT);
        tree_create_made(operation, error);
}

static void take_out(Operation *operation, const CheckpointDefinition *definition) {
        g_autoptr(GError) error = laboratory_take_failure(operation->domain, TEST_CHECKPOINT);
        (void) definition;
        tree_delete_removed(operation, error);
}

const HypervisorCheckpoints machine_checkpoints = {
        .prepare = prepare,
        .create = create,
        .remove = take_out,
};
