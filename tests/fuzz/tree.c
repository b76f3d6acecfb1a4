/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The documents of checkpoints, snapshots and backups, from a caller's text to what is kept and read again; and the file of a
 * domain's, which somebody may have damaged, told apart by how it begins. */

#include <string.h>

#include "domain/backup-definition.h"
#include "domain/checkpoint.h"
#include "domain/snapshot.h"
#include "domain/tree-file.h"
#include "fuzz.h"

static void check_checkpoint(const char *xml, bool known) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CheckpointDefinition) definition = checkpoint_definition_parse(xml, known, &error);
        if (!definition) {
                fuzz_check_error(error);
                return;
        }
        if (!known)
                return;
        g_autofree char *text = checkpoint_definition_text(definition, true, true);
        g_autoptr(CheckpointDefinition) again = checkpoint_definition_parse_own(text, &error);
        g_assert_no_error(error);
        g_autofree char *same = checkpoint_definition_text(again, true, true);
        g_assert_cmpstr(same, ==, text);
}

static void check_snapshot(const char *xml, bool known) {
        g_autoptr(GError) error = NULL;
        g_autoptr(SnapshotDefinition) definition = snapshot_definition_parse(xml, known, &error);
        if (!definition) {
                fuzz_check_error(error);
                return;
        }
        if (!known)
                return;
        g_autofree char *text = snapshot_definition_text(definition, true);
        g_autoptr(SnapshotDefinition) again = snapshot_definition_parse_own(text, &error);
        g_assert_no_error(error);
}

static void check_backup(const char *xml) {
        const char domain[] = "<domain type='test'><name>a</name><memory>4096</memory><os><type>hvm</type></os><devices>"
                              "<disk type='file'><source file='/a'/><target dev='vda'/></disk>"
                              "<disk type='block'><source dev='/b'/><target dev='vdb'/></disk></devices></domain>";
        g_autoptr(GError) error = NULL;
        g_autoptr(Definition) of = definition_parse(domain, &error);
        g_assert_no_error(error);
        g_autoptr(BackupDefinition) definition = backup_definition_parse(xml, &error);
        if (!definition || !backup_definition_complete(definition, of, "suffix", &error)) {
                fuzz_check_error(error);
                return;
        }
        g_autofree char *text = backup_definition_text(definition);
        g_autoptr(BackupDefinition) again = backup_definition_parse_own(text, &error);
        g_assert_no_error(error);
        g_autofree char *same = backup_definition_text(again);
        g_assert_cmpstr(same, ==, text);
}

/* Whoever goes up from one comes to an end, at one that is there. */
static void check_way_up(const TreeFile *file, const TreeItem *item) {
        for (guint steps = 0; item->parent; steps++) {
                const TreeItem *parent = NULL;
                for (guint i = 0; i < file->items->len && !parent; i++)
                        if (strcmp(((const TreeItem *) file->items->pdata[i])->name, item->parent) == 0)
                                parent = file->items->pdata[i];
                g_assert_nonnull(parent);
                g_assert_cmpuint(steps, <, file->items->len);
                item = parent;
        }
}

static void check_file(const TreeKind *kind, const char *text) {
        g_autoptr(GError) error = NULL;
        g_autoptr(TreeFile) file = tree_file_parse(kind, text, &error);
        if (!file) {
                fuzz_check_error(error);
                return;
        }
        for (guint i = 0; i < file->items->len; i++)
                check_way_up(file, file->items->pdata[i]);
        g_autofree char *kept = tree_file_text(file);
        g_autoptr(TreeFile) again = tree_file_parse(kind, kept, &error);
        g_assert_no_error(error);
        g_autofree char *same = tree_file_text(again);
        g_assert_cmpstr(same, ==, kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        check_backup(text);
        if (strstr(text, "<virtbus-")) {
                check_file(&snapshot_tree, text);
                check_file(&checkpoint_tree, text);
                return 0;
        }
        for (int known = 0; known < 2; known++) {
                check_checkpoint(text, known);
                check_snapshot(text, known);
        }
        return 0;
}
