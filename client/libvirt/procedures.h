/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What libvirt's protocol has: a table of all procedures, made of the file "protocol". */

#include <stdbool.h>
#include <stdint.h>

#include "protocol-tables.h"

typedef struct Procedure {
        uint32_t program;
        int number;
        const char *name;
        const char *arguments; /* as wire.h has types; of an event what it says */
        const char *reply;
        int flags; /* which argument the flags are; -1 for none */
        bool stream;
        bool event;
} Procedure;

/* By ProcedureIndex. */
extern const Procedure procedures[];

/* Finds a procedure that clients call; NULL for none. */
const Procedure *procedure_find(uint32_t program, int number);
