/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/snapshot-run.h"

SnapshotRun *snapshot_run_new(const char *name, Definition *live) {
        SnapshotRun *run = g_new0(SnapshotRun, 1);
        *run = (SnapshotRun){ .name = g_strdup(name), .live = definition_ref(live) };
        return run;
}

void snapshot_run_free(SnapshotRun *run) {
        if (run->rest)
                run->dropped(run->rest);
        g_free(run->name);
        definition_unref(run->live);
        g_free(run);
}
