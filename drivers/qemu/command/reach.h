/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What QEMU itself reaches by what its command line, or a command, says: the paths that it opens, and whether it uses the
 * network. What it is given as a descriptor it need not reach. */

#include "qemu/command/command-line.h"

typedef struct Reach {
        GPtrArray *paths; /* char *: absolute, as they are named; what QEMU does not open may be among them */
        bool network;     /* it connects, or listens, by itself */
        bool io_uring;
} Reach;

/* Of LINE: its arguments and its environment, where it has some, and its commands. DOCUMENT may say more to QEMU than this
 * driver knows. */
Reach *reach_of(const CommandLine *line, const xmlDoc *document);

void reach_free(Reach *reach);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reach, reach_free)
