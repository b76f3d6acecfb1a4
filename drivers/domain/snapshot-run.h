/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a start that goes on from a snapshot needs of it, and what is to be done when it has started. */

#include "domain/definition.h"
#include "base/objects.h"

typedef struct SnapshotRun {
        char *name;
        Definition *live; /* what it starts as */

        /* STARTED takes REST, and the call that is to be answered, as nothing of the domain is at work and nothing else has
         * begun; DROPPED takes REST where it has not started. */
        void *rest;
        void (*started)(void *rest, Call *call);
        void (*dropped)(void *rest);
} SnapshotRun;

SnapshotRun *snapshot_run_new(const char *name, Definition *live);
void snapshot_run_free(SnapshotRun *run);
