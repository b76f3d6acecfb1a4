/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "confinement.h"

#include "syscalls.h"

/* What GLib and streams use. */
static const char *const allowed[] = { "ftruncate", "pipe2", "sched_getaffinity", NULL };

static const char *const allowed_to_users_own[] = { "unlink", "unlinkat", NULL };

int confinement_enter(const Origin *origin) {
        const bool system = origin_is_system(origin);
        return syscalls_restrict(&(Syscalls){
                        .allowed = allowed,
                        .also_allowed = system ? NULL : allowed_to_users_own,
                        .files = !system,
                        .threads = true,
        });
}
