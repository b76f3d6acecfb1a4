/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot.h"

#include "domain/connection.h"
#include "domain/operations/snapshot-create.h"
#include "domain/operations/snapshot-revert.h"
#include "domain/operations/tree-delete.h"
#include "qemu/guest/overlay-revert.h"
#include "qemu/guest/quiesce.h"
#include "qemu/guest/snapshot-live.h"
#include "qemu/guest/snapshot-merge.h"
#include "qemu/guest/snapshot-off.h"
#include "qemu/guest/snapshot-overlay.h"

/* UEFI variables travel with the memory, and are in no image: without it they would be those of another time. */
static bool check(const Domain *domain, const SnapshotDefinition *definition, const SnapshotOptions *options, GError **error) {
        const HypervisorLeftovers *leftovers = domain->connection->hypervisor->leftovers;
        if (options->quiesce && !quiesce_check(domain, error))
                return false;
        if (snapshot_definition_has(definition, SNAPSHOT_EXTERNAL))
                return snapshot_overlay_check(domain, definition, error);
        if (definition->memory == SNAPSHOT_NO && leftovers->has_nvram(domain->connection, domain->uuid))
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "it has UEFI variables, which only a snapshot with memory keeps: start it first");
        if (definition->memory == SNAPSHOT_NO && leftovers->has_tpm(domain->connection, domain->uuid))
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "it has an emulated TPM, whose state only a snapshot with memory keeps: start it first");
        return true;
}

static void prepare(Operation *operation) {
        if (snapshot_definition_has(snapshot_create_definition(operation), SNAPSHOT_EXTERNAL))
                snapshot_overlay_prepare(operation);
        else if (domain_is_active(operation->domain))
                snapshot_live_prepare(operation);
        else
                snapshot_off_prepare(operation);
}

static void create(Operation *operation) {
        if (snapshot_definition_has(snapshot_create_definition(operation), SNAPSHOT_EXTERNAL))
                snapshot_overlay_create(operation);
        else if (domain_is_active(operation->domain))
                snapshot_live_create(operation);
        else
                snapshot_off_create(operation);
}

static void look(Operation *operation) {
        if (snapshot_definition_has(snapshot_revert_definition(operation), SNAPSHOT_EXTERNAL))
                overlay_revert_look(operation);
        else
                snapshot_off_look(operation);
}

static void load(Operation *operation) {
        if (snapshot_definition_has(snapshot_revert_definition(operation), SNAPSHOT_EXTERNAL))
                overlay_revert_load(operation);
        else if (domain_is_active(operation->domain))
                snapshot_live_load(operation);
        else
                snapshot_off_load(operation);
}

static void take_out(Operation *operation, const SnapshotDefinition *definition, const char *traces) {
        bool is_external = snapshot_definition_has(definition, SNAPSHOT_EXTERNAL);
        if (is_external && tree_delete_is_of_known(operation))
                snapshot_merge(operation, definition);
        else if (is_external)
                snapshot_overlay_settle(operation, definition, traces);
        else if (domain_is_active(operation->domain))
                snapshot_live_remove(operation, definition, traces);
        else
                snapshot_off_remove(operation, definition, traces);
}

const HypervisorSnapshots snapshot_functions = {
        .check = check,
        .prepare = prepare,
        .create = create,
        .look = look,
        .load = load,
        .remove = take_out,
};
