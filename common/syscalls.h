/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Gives up system calls for good, by a seccomp allow-list: others fail with EPERM. What every program needs is in it; to start
 * another program, or to look into one, ends the process. */

#include <stdbool.h>
#include <stddef.h>

typedef struct Syscalls {
        /* Names beyond these, NULL at the end, or NULL. One that an architecture does not have is left out. */
        const char *const *allowed, *const *also_allowed;
        const char *const *deadly; /* what must never happen either: it ends the process, and the kernel's audit log says why */
        bool unix_sockets;         /* these may be made, and no others */
        bool files;                /* may be made and written; else they may only be read */
        bool threads;              /* may be begun, but no processes */
} Syscalls;

/* For all threads that this process has and will have. Returns 0 or a negative errno; -EOPNOTSUPP where the build has sanitizers,
 * which need more. */
int syscalls_restrict(const Syscalls *syscalls);
