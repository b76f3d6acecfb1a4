/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Identifies the process at the other end of a socket, so that no other process can be taken for it.
 *
 * The kernel tells its ID and user as they were at the connect. The ID alone may be another's later: with the time when it
 * started polkit knows the two apart, and a pidfd says here that it lives. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Identity {
        pid_t pid;
        uid_t uid;
        uint64_t start_time; /* of the process: clock ticks since the machine started, never 0 */
        int pidfd;           /* readable once it has ended */
} Identity;

/* Finds out who connected SOCKET. Returns 0 or a negative errno: -ESRCH where the process has ended, or has become another
 * user's, so that it cannot be told whose it is; then nobody must be authorized as that. The pidfd is the caller's to close. */
int identity_of_peer(int socket, Identity *identity);

/* Whether the process lives; a zombie does not. */
bool process_is_alive(int pidfd);
