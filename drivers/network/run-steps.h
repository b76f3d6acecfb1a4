/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The steps of the staircase that a run goes up when it starts and down when it stops: each makes something on the host, and
 * takes it back. */

#include "network/run-state.h"

#define RUN_N_STEPS 7
#define RUN_STEP_RULES 2 /* the one that makes rules */

typedef struct RunStep {
        void (*up)(NetworkRun *run);   /* ends with run->stairs->climbed; takes what is there for made */
        void (*down)(NetworkRun *run); /* ends with run->stairs->descended; whatever is there of it */
} RunStep;

extern const RunStep run_steps[RUN_N_STEPS];
