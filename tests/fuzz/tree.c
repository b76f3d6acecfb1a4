/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The documents of checkpoints and snapshots, from a caller's text to what is kept and read again. */

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        for (int known = 0; known < 2; known++) {
                check_checkpoint(text, known);
                check_snapshot(text, known);
        }
        return 0;
}
