/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starting a domain: from nothing, or from what was saved of it. */

#include "domain/operation.h"

typedef struct Restoring Restoring;

extern const OperationClass start_class;

/* How one starts. */
typedef struct StartOptions {
        bool creates;         /* the call is CreateDomain, which is told the domain's path */
        bool paused;          /* the processors stay stopped */
        bool boots;           /* its managed save is thrown away */
        Restoring *restoring; /* what it starts from, which is taken; NULL: nothing, or its managed save */
} StartOptions;

Operation *start_new(Call *call, StartOptions options);

/* Whether the processors stay stopped. */
bool start_is_paused(const Operation *operation);
void start_set_paused(Operation *operation, bool paused);

/* What it starts from; NULL: nothing, or it is another operation. A start that finds a managed save gets it when it begins. */
Restoring *start_restoring(const Operation *operation);
void start_set_restoring(Operation *operation, Restoring *restoring);
