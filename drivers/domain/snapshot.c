/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/snapshot.h"

#include "domain/hypervisor.h"

static bool is_offered(const Hypervisor *hypervisor) {
        return hypervisor->snapshots != NULL;
}

static TreeItem *parse_own(const char *text, GError **error) {
        SnapshotDefinition *definition = snapshot_definition_parse_own(text, error);
        return definition ? &definition->item : NULL;
}

static char *text_of(const TreeItem *item, bool secrets) {
        return snapshot_definition_text((const SnapshotDefinition *) item, secrets);
}

static void unref(TreeItem *item) {
        snapshot_definition_unref((SnapshotDefinition *) item);
}

const TreeKind snapshot_tree = {
        .place = DOMAIN_SNAPSHOTS,
        .one = "snapshot",
        .many = "snapshots",
        .root = "virtbus-snapshots",
        .max = SNAPSHOTS_MAX,
        .no_such = VIRTBUS_ERROR_NO_SUCH_SNAPSHOT,
        .is_offered = is_offered,
        .parse_own = parse_own,
        .text = text_of,
        .unref = unref,
        .announce = domain_announce_snapshots,
};

static void on_gone(Domain *domain) {
        tree_gone(domain, &snapshot_tree);
}

static void on_freed(Domain *domain) {
        tree_freed(domain, &snapshot_tree);
}

const DomainListener snapshots_listener = {
        .gone = on_gone,
        .freed = on_freed,
};
