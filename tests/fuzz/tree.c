/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The documents of checkpoints, snapshots and backups, from a caller's text to what is kept and read again. */

#include "domain/backup-definition.h"
#include "domain/checkpoint-definition.h"
#include "domain/snapshot-definition.h"
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
        const char domain[] = "<domain type='test'><name>a</name><memory>4096</memory><devices>"
                              "<disk type='file'><source file='/a'/><target dev='vda'/></disk>"
                              "<disk type='block'><source dev='/b'/><target dev='vdb'/></disk></devices></domain>";
        g_autoptr(GError) error = NULL;
        g_autoptr(Definition) of = definition_parse(domain, NULL);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        check_backup(text);
        for (int known = 0; known < 2; known++) {
                check_checkpoint(text, known);
                check_snapshot(text, known);
        }
        return 0;
}
