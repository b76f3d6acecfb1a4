/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starting a domain: from nothing, or from what was saved of it. */

#include "domain/operation.h"
#include "domain/operations/restoring.h"
#include "domain/snapshot-run.h"

extern const OperationClass start_class;

/* How one starts. */
typedef struct StartOptions {
        bool creates;          /* the call is CreateDomain, which is told the domain's path */
        bool paused;           /* the processors stay stopped */
        bool boots;            /* its managed save is thrown away */
        Restoring *restoring;  /* what it starts from, which is taken; NULL: nothing, or its managed save */
        GPtrArray *fds;        /* FdGroup: what the caller hands over, taken; or NULL */
        SnapshotRun *snapshot; /* which it goes on from, taken; or NULL */
} StartOptions;

Operation *start_new(Call *call, StartOptions options);

/* Whether the processors stay stopped. */
bool start_is_paused(const Operation *operation);

/* The snapshot that the hypervisor loads before the processors run; NULL: it starts from nothing, or is another operation. */
const char *start_snapshot(const Operation *operation);

/* What the caller hands over, FdGroup; NULL: nothing, or it is another operation. */
GPtrArray *start_fds(const Operation *operation);

/* What the hypervisor reads the guest's state from, by now; -1: it starts from nothing, or is another operation. */
int start_restoring_fd(const Operation *operation);
