/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/snapshot-revert.h"
#include "domain/operations/tree-create.h"
#include "domain/operations/tree-delete.h"
#include "test/machine.h"

/* The images of these machines are not looked at, and their memory is all zero: what is to be kept of them is their documents,
 * which is not for the hypervisor to keep. */

static void prepare(Operation *operation) {
        tree_create_prepared(operation, NULL, NULL);
}

static void create(Operation *operation) {
        g_autoptr(GError) error = laboratory_take_failure(operation->domain, TEST_SNAPSHOT);
        tree_create_made(operation, error);
}

static void look(Operation *operation) {
        snapshot_looked(operation, NULL);
}

static void load(Operation *operation) {
        g_autoptr(GError) error = laboratory_take_failure(operation->domain, TEST_SNAPSHOT);
        if (!error && domain_is_active(operation->domain))
                machine_set_running(operation->domain->run, snapshot_revert_runs(operation));
        snapshot_loaded(operation, error);
}

static void take_out(Operation *operation, const SnapshotDefinition *definition, const char *traces) {
        g_autoptr(GError) error = laboratory_take_failure(operation->domain, TEST_SNAPSHOT);
        (void) definition;
        (void) traces;
        tree_delete_removed(operation, error);
}

const HypervisorSnapshots machine_snapshots = {
        .prepare = prepare,
        .create = create,
        .look = look,
        .load = load,
        .remove = take_out,
};
