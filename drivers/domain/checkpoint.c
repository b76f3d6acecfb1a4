/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/checkpoint.h"

#include "domain/connection.h"
#include "domain/hypervisor.h"

static bool is_offered(const Hypervisor *hypervisor) {
        return hypervisor->checkpoints != NULL;
}

static TreeItem *parse_own(const char *text, GError **error) {
        CheckpointDefinition *definition = checkpoint_definition_parse_own(text, error);
        return definition ? &definition->item : NULL;
}

static char *text_of(const TreeItem *item, bool secrets) {
        return checkpoint_definition_text((const CheckpointDefinition *) item, secrets, true);
}

static void unref(TreeItem *item) {
        checkpoint_definition_unref((CheckpointDefinition *) item);
}

const TreeKind checkpoint_tree = {
        .place = DOMAIN_CHECKPOINTS,
        .one = "checkpoint",
        .many = "checkpoints",
        .root = "virtbus-checkpoints",
        .max = CHECKPOINTS_MAX,
        .no_such = VIRTBUS_ERROR_NO_SUCH_CHECKPOINT,
        .is_offered = is_offered,
        .parse_own = parse_own,
        .text = text_of,
        .unref = unref,
        .announce = domain_announce_checkpoints,
};

bool checkpoints_check_none(const Domain *domain, const char *what, GError **error) {
        unsigned n = checkpoints_count(domain);
        return (n == 0 && !checkpoints_pending(domain)) ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "it has %u checkpoints, whose bitmaps would not be true any more when %s; delete them first", n, what);
}

/* What is broken */

char *checkpoint_bitmap_key(const char *target, const char *bitmap) {
        return g_strdup_printf("%s/%s", target, bitmap);
}

static bool are_same(GHashTable *one, GHashTable *other) {
        GHashTableIter iterator;
        void *key;
        if (!one || !other || g_hash_table_size(one) != g_hash_table_size(other))
                return one == other;
        g_hash_table_iter_init(&iterator, one);
        while (g_hash_table_iter_next(&iterator, &key, NULL))
                if (!g_hash_table_contains(other, key))
                        return false;
        return true;
}

void checkpoints_set_bitmaps(Domain *domain, GHashTable *bitmaps) {
        bool same = are_same(domain->bitmaps, bitmaps);
        g_clear_pointer(&domain->bitmaps, g_hash_table_unref);
        domain->bitmaps = bitmaps;
        if (!same && domain->published)
                domain_announce_checkpoints(domain);
}

bool checkpoint_is_broken(const Checkpoint *checkpoint, const CheckpointDisk *disk) {
        g_autofree char *key = disk->is_in ? checkpoint_bitmap_key(disk->name, disk->bitmap) : NULL;
        return key && checkpoint->domain->bitmaps && !g_hash_table_contains(checkpoint->domain->bitmaps, key);
}

/* The domain's part */

static void look(Domain *domain) {
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        if (domain_is_up(domain) && checkpoints_count(domain) > 0 && HYPERVISOR_HAS(hypervisor, checkpoints, look))
                hypervisor->checkpoints->look(domain);
}

static void on_run_ended(Domain *domain) {
        checkpoints_set_bitmaps(domain, NULL);
}

static void on_gone(Domain *domain) {
        tree_gone(domain, &checkpoint_tree);
}

static void on_freed(Domain *domain) {
        tree_freed(domain, &checkpoint_tree);
        g_clear_pointer(&domain->bitmaps, g_hash_table_unref);
}

static void on_state(Domain *domain, DomainState old) {
        (void) old;
        look(domain);
}

const DomainListener checkpoints_listener = {
        .state_changed = on_state,
        .devices_changed = look,
        .disk_jobs_changed = look,
        .run_ended = on_run_ended,
        .gone = on_gone,
        .freed = on_freed,
};
