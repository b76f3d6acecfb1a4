/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a start that goes on from a snapshot needs of it. */

#include "domain/definition.h"

typedef struct SnapshotRun {
        char *name;
        Definition *live; /* what it starts as */
} SnapshotRun;

SnapshotRun *snapshot_run_new(const char *name, Definition *live);
void snapshot_run_free(SnapshotRun *run);
