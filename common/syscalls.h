/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Gives up system calls for good, by a seccomp allow-list: others fail with EPERM. */

#include <stdbool.h>
#include <stddef.h>

typedef struct Syscalls {
        /* Names, NULL at the end. One that an architecture does not have is left out. */
        const char *const *allowed, *const *also_allowed;
        const char *const *deadly; /* what must never happen: it ends the process, and the kernel's audit log says why */
        bool unix_sockets;         /* these may be made, and no others */
        bool files;                /* may be made and written; else they may only be read */
        bool threads;              /* may be begun, but no processes */
} Syscalls;

/* For all threads that this process has and will have. Returns 0 or a negative errno; -EOPNOTSUPP where the build has sanitizers,
 * which need more. */
int syscalls_restrict(const Syscalls *syscalls);
