/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What goes into a container that runs: programs, signals, and who has its namespaces. */

#include "domain/hypervisor.h"
#include "lxc/container.h"

/* How many programs of one container's are watched over at once, besides its own: each is a process of the host's. */
#define CONTAINER_PROGRAMS_MAX 64

/* How long it may take until a program runs, in microseconds: it lies in a file system that may answer late, and the container
 * may hold up what comes in. */
#define CONTAINER_ENTRY_TIMEOUT (10 * UINT64_C(1000000))

extern const HypervisorContainers container_entries;

/* As Hypervisor's: makes what keeps them, and frees it. */
bool container_entries_open(Connection *connection, GError **error);
void container_entries_close(Connection *connection);
