/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The system calls that no container has: those that reach beyond its namespaces whatever rights they ask for, and doors into
 * the kernel that its programs do without. */

#include <stdbool.h>

/* Takes them from the calling process, for good. One without users of its own makes no namespaces of users either: it would
 * have all rights in those. */
bool guest_calls_take(bool has_own_users);
