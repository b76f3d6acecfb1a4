/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The system calls that a guest's process does without, from before it executes its program. QEMU's own list (-sandbox) comes on
 * top, when it has set up what it needs. */

#include <stdbool.h>

/* Whether there is a list for this machine's architecture. */
bool confine_calls_known(void);

/* Takes them from the calling process, for good; no_new_privs must be set. IO_URING, CHROOT: these stay; not both.
 * False, with errno, on failure. */
bool confine_calls(bool io_uring, bool chroot);
