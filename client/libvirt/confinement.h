/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a process that serves a client gives up for good, before it reads the first byte of that client: it has its sockets, and
 * needs no other; it starts no program and no process. One that serves other users than its own writes no file either.
 * Returns 0 or a negative errno, as syscalls_restrict. */

#include "origin.h"

int confinement_enter(const Origin *origin);
